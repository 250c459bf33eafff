"""The catalogue of a simulated archive: the product's tables, acts and rules in SQLite's memory.

An act is a transaction, done whole or not at all, as storage/catalogue/writer.py has it. A seed
runs inside one transaction that is undone at its end, so that the tables are made once a process.
What was looked up is remembered until a table that it came from changes: only time is saved so.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from copy import copy
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from storage.catalogue import absences, acts, orders, schema, volumes
from storage.catalogue.errors import CatalogueUnavailable
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Lease
from tests.simulation.network import Network
from tests.simulation.scheduler import Process

P = ParamSpec("P")
T = TypeVar("T")

HOST = "catalogue"
_DELAY_S_MAX = 0.02
_TIMEOUT_S = 2.0
_WRITING = re.compile(r"(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM) (\w+)")
_READING = re.compile(r"(?:FROM|JOIN|,) (\w+)")
# Acts that change nothing when said again: how many of their arguments say whether they are.
_SAME_AGAIN: dict[Callable[..., Any], int] = {volumes.meet: 2, orders.start_next: 1}

# Looks whose moment does not matter here, and the tables that do: nobody announces an absence, and
# a release of suspects changes their table.
_AT_ANY_TIME: dict[Callable[..., Any], frozenset[str]] = {
    absences.present: frozenset(),
    acts.latest_of_nodes: frozenset({"suspects"}),
}


class CatalogueServer:
    """The database of one seed; `close` forgets everything."""

    _engine: ClassVar[Engine | None] = None
    _said: ClassVar[list[str]] = []  # statements of the present act

    def __init__(self) -> None:
        cls = type(self)
        if cls._engine is None:
            cls._engine = _open(cls._said)
        self._connection: Connection = cls._engine.connect()
        self._raw = cast("Any", self._connection.connection.dbapi_connection)
        self._raw.execute("BEGIN")
        self._known: dict[Any, Any] = {}
        self._known_of: dict[str, set[Any]] = defaultdict(set)  # table → what came from it

    def act(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """One transaction. Raises what the act raised; then nothing has changed."""
        relevant = _SAME_AGAIN.get(call)
        again = None if relevant is None else (call, repr(args[:relevant]), "act")
        if again in self._known:
            repeated: T = self._known[again]
            return repeated
        before = self._raw.total_changes
        self._said.clear()
        self._raw.execute("SAVEPOINT act")
        try:
            value = call(self._connection, *args, **kwargs)
        except BaseException:
            self._raw.execute("ROLLBACK TO act")
            raise
        finally:
            self._raw.execute("RELEASE act")
        if self._raw.total_changes != before:
            self._forget()
        elif again is not None:
            self._remember(again, value)
        return value

    def look(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A reading transaction."""
        asked = (call, "" if call in _AT_ANY_TIME else repr(args), repr(kwargs))
        of_nothing = (call, "empty tables")
        for key in (asked, of_nothing):
            if key in self._known:
                known: T = copy(self._known[key])
                return known
        self._said.clear()
        value = call(self._connection, *args, **kwargs)
        tables = self._remember(asked, value, _AT_ANY_TIME.get(call))
        # What is asked of nothing but empty tables has one answer, whatever is asked for.
        if not any(
            self._raw.execute(f"SELECT 1 FROM {each} LIMIT 1").fetchone() for each in tables
        ):
            self._remember(of_nothing, value)
        return copy(value)

    def close(self) -> None:
        self._raw.execute("ROLLBACK")
        self._connection.close()

    def _remember(self, asked: Any, value: Any, only: frozenset[str] | None = None) -> set[str]:
        tables = set[str]().union(*map(_tables_read, self._said)) if only is None else set(only)
        self._known[asked] = value
        for table in tables:
            self._known_of[table].add(asked)
        return tables

    def _forget(self) -> None:
        for statement in self._said:
            for table in _tables_written(statement):
                for asked in self._known_of.pop(table, ()):
                    self._known.pop(asked, None)


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


@cache
def _tables_read(statement: str) -> frozenset[str]:
    """Every table that a statement names, and no name that is not a table's."""
    return frozenset(_READING.findall(statement)) & frozenset(schema.metadata.tables)


@cache
def _tables_written(statement: str) -> frozenset[str]:
    return frozenset(_WRITING.findall(statement))


def _open(said: list[str]) -> Engine:
    """A database in memory with the tables and triggers that a real one has."""
    engine = create_engine("sqlite://", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def plain(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # BEGIN and SAVEPOINT are said here

    with TemporaryDirectory() as folder, engine.connect() as connection:
        path = f"{folder}/catalogue.sqlite"
        upgrade(f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as made:
            made.backup(cast("Any", connection.connection.dbapi_connection))
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "before_cursor_execute")
    def hear(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(statement)

    return engine
