"""The database behind the catalogue: how it is opened, and what a transaction is.

The only module that knows SQLAlchemy's engine. SQLite runs in WAL with synchronous=FULL: WAL with
NORMAL, a popular default, lost every acknowledged row at a power cut (knowledge, M6). Several
processes open the same file; a transaction that may write takes the write lock at once
(`BEGIN IMMEDIATE`), so that nothing it has read can change before it commits. On PostgreSQL, whose
sessions postgres.py sets up, it sees what others commit (READ COMMITTED): there every change of a
row that was read first is conditional, or locks it. What a row means is not known here.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolExhausted

from storage.catalogue import postgres
from storage.catalogue.errors import (
    CatalogueDamaged,
    CatalogueUnavailable,
    SchemaOutdated,
    TransactionUndone,
)
from storage.catalogue.schema import REVISION

P = ParamSpec("P")
T = TypeVar("T")

# How long a writer waits for another process's transaction, which lasts milliseconds.
BUSY_TIMEOUT_S = 30
# Times that a transaction is asked for, when others stand in its way.
ATTEMPTS_MAX = 5
_BUSY_PAUSE_S = 0.02

# About a second of reading at a start.
_QUICK_CHECK_BYTES_MAX = 256 * 1024 * 1024
_DAMAGED = (
    "the catalogue {} is damaged ({}): put its files aside, then `lantai catalogue rebuild` makes "
    "it anew from the nodes (docs/operations/catalogue-lost.md) 目录库已损坏,请移开后重建"
)
_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # A page that rotted is reported when it is read, and not passed on.
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
)


class Catalogue:
    """One process's way to the database. Thread-safe; connections are pooled."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = _reads(engine)
        self._writing = engine.execution_options(lantai_writes=True)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open `url` (`sqlite:////path/catalogue.sqlite`, `postgresql+psycopg://user@host/name`).

        Does not look at the tables.

        Raises CatalogueUnavailable if the URL makes no sense; an unreachable database is noticed
        by the first transaction.
        """
        try:
            engine = _engine(make_url(url))
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise CatalogueUnavailable(f"the catalogue's url is not usable: {error}") from error
        return cls(engine)

    @property
    def url(self) -> str:
        """Where the database is, without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent look; what it reads was committed."""
        with _translated(self._engine), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that may write. When the block ends, its rows are on the disk."""
        with _translated(self._engine), self._writing.begin() as connection:
            yield connection

    def look(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `act(connection, …)` in a reading transaction."""
        with self.reading() as connection:
            return act(connection, *args, **kwargs)

    def act(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `act(connection, …)` in a transaction of its own, durable on return.

        May call it more than once, each time in a new transaction, when others stand in the way.
        """
        for _ in range(ATTEMPTS_MAX - 1):
            with suppress(TransactionUndone), self.writing() as connection:
                return act(connection, *args, **kwargs)
        with self.writing() as connection:
            return act(connection, *args, **kwargs)

    def require_schema(self) -> None:
        """Raise SchemaOutdated unless the tables are those of this program."""
        found = self.look(_revision)
        if found != REVISION:
            raise SchemaOutdated(
                f"the catalogue {self.url} has schema revision {found or 'none'}, this program "
                f"needs {REVISION}; a role of the newer program brings it up to date when it starts"
            )

    def require_intact(self) -> None:
        """Raise CatalogueDamaged if SQLite finds its file damaged; large files are not read whole.

        What is not found so is found by whoever meets it: an error then, never a wrong row.
        """
        if self._engine.dialect.name != "sqlite":
            return
        with self.reading() as connection:
            pages = connection.scalar(text("PRAGMA page_count")) or 0
            page_bytes = connection.scalar(text("PRAGMA page_size")) or 0
            if pages * page_bytes > _QUICK_CHECK_BYTES_MAX:
                return
            found = connection.scalar(text("PRAGMA quick_check(1)"))
        if found != "ok":
            raise CatalogueDamaged(_DAMAGED.format(self.url, found))

    def close(self) -> None:
        """Give all connections back. The catalogue may not be used afterwards."""
        self._engine.dispose()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        # What the server offers is shared by all roles of all hosts.
        engine = create_engine(
            url, connect_args=postgres.CONNECT_ARGUMENTS, pool_pre_ping=True, pool_timeout=10,
            pool_size=4, max_overflow=4, hide_parameters=True,
        )  # fmt: skip
        event.listen(engine, "connect", postgres.prepare)
        return engine
    engine = create_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _reads(engine: Engine) -> Engine:
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    url = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except PoolExhausted as error:
        raise CatalogueUnavailable(f"the catalogue {url} is asked too much at once") from error
    except (DBAPIError, sqlite3.DatabaseError) as error:
        if _is_damage(getattr(error, "orig", error)):
            raise CatalogueDamaged(_DAMAGED.format(url, getattr(error, "orig", error))) from error
        if not isinstance(error, DBAPIError) or not is_the_databases(error):
            raise
        if _sqlite_code(error.orig) == sqlite3.SQLITE_READONLY:
            engine.dispose()  # what could be opened for reading only would stay so
        undone = postgres.is_conflict(error.orig)
        raise (TransactionUndone if undone else CatalogueUnavailable)(
            f"the catalogue {url} {_how_it_ended(error)}: {error.orig}"
        ) from error


def _how_it_ended(error: DBAPIError) -> str:
    # A server that goes away while it commits does not say whether it has.
    if error.connection_invalidated:
        return "went away, and did it whole or not at all"
    return "did not do it, and nothing was changed"


def _is_damage(error: object) -> bool:
    return _sqlite_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _sqlite_code(error: object) -> int:
    """Without the details of extended codes; 0 if it is not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def is_the_databases(error: DBAPIError) -> bool:
    """Whether the database, or its state, is the reason: not what it was asked."""
    if _sqlite_code(error.orig) == sqlite3.SQLITE_ERROR:
        return False  # a statement that makes no sense: waiting does not help
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return postgres.is_conflict(error.orig) or postgres.is_unavailable(error.orig)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # sqlite3's own transaction handling begins late and never for SELECT: we say BEGIN ourselves.
    connection.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)
    mode = _write_ahead_log(connection)
    if mode != "wal":
        raise CatalogueUnavailable(
            f"SQLite cannot use its write-ahead log here (it says {mode!r}): put the catalogue "
            "on a local disk, or use PostgreSQL"
        )


def _write_ahead_log(connection: Any) -> str:
    """Switch it on; the journal's mode afterwards.

    When several processes do so at once with a new database, SQLite answers "locked" without
    waiting: the busy timeout does not hold for the one lock that this takes (sqlite.org/wal.html).
    """
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return str(mode)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("lantai_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
