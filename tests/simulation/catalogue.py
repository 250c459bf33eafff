"""The catalogue of a simulated archive: the product's tables, acts and rules in SQLite's memory.

An act is a transaction, done whole or not at all, as storage/catalogue/writer.py has it. A seed
runs inside one transaction that is undone at its end, so that the tables are made once a process.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, create_engine, event, func, select, text
from sqlalchemy.pool import StaticPool

from storage.catalogue import schema
from storage.catalogue.errors import CatalogueUnavailable
from storage.catalogue.model import Lease
from tests.simulation.network import Network
from tests.simulation.scheduler import Process

P = ParamSpec("P")
T = TypeVar("T")

HOST = "catalogue"
_DELAY_S_MAX = 0.02
_TIMEOUT_S = 2.0


class CatalogueServer:
    """The database of one seed; `close` forgets everything."""

    _engine: Any = None

    def __init__(self) -> None:
        cls = type(self)
        if cls._engine is None:
            cls._engine = _open()
        self._connection: Connection = cls._engine.connect()
        self._connection.exec_driver_sql("BEGIN")
        self._looked: dict[Any, Any] = {}

    def act(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """One transaction. Raises what the act raised; then nothing has changed."""
        connection = self._connection
        before = self._changes()
        connection.exec_driver_sql("SAVEPOINT act")
        try:
            value = call(connection, *args, **kwargs)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK TO act")
            raise
        finally:
            connection.exec_driver_sql("RELEASE act")
        if self._changes() != before:
            self._looked.clear()
        return value

    def look(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A reading transaction; the same question is answered once until something changes."""
        asked = (call, repr(args), repr(kwargs))
        if asked not in self._looked:
            self._looked[asked] = call(self._connection, *args, **kwargs)
        value: T = copy(self._looked[asked])
        return value

    def close(self) -> None:
        self._connection.exec_driver_sql("ROLLBACK")
        self._connection.close()

    def _changes(self) -> int:
        raw: Any = self._connection.connection.dbapi_connection
        changes: int = raw.total_changes
        return changes


class SimulatedCatalogue:
    """storage.catalogue.writer.CatalogueWriter of one process."""

    def __init__(self, server: CatalogueServer, network: Network, process: Process) -> None:
        self._server = server
        self._network = network
        self._process = process
        self.leased: Callable[[str, int, str], None] | None = None

    async def do(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        await self._travel()
        value = self._server.act(act, *args, **kwargs)
        if isinstance(value, Lease) and self.leased is not None:
            self.leased(value.scope, value.epoch, value.holder)
        await self._travel()
        return value

    async def look(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        await self._travel()
        return self._server.look(act, *args, **kwargs)

    async def _travel(self) -> None:
        """Raises CatalogueUnavailable where the way is cut; what was asked may be done."""
        process = self._process
        await process.rest(process.scheduler.chance.uniform(0.0005, _DELAY_S_MAX))
        there, back = (process.name, HOST), (HOST, process.name)
        if not (self._network.carries(*there) and self._network.carries(*back)):
            await process.rest(_TIMEOUT_S)
            raise CatalogueUnavailable("the catalogue does not answer")


def _open() -> Any:
    engine = create_engine("sqlite://", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def plain(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # BEGIN and SAVEPOINT are said here

    with engine.connect() as connection:
        schema.metadata.create_all(connection)
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.scalar(select(func.count(text("1"))))
    return engine
