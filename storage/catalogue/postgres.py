"""How a session with PostgreSQL is set up, and which servers are refused.

PostgreSQL 15 documentation, 20.5 (write-ahead log), 20.11 (client connection defaults), 34.1.2
(libpq's parameters). What SQLite's pragmas are in engine.py. Says nothing about tables.
"""

from typing import Any

from storage.catalogue.errors import CatalogueUnavailable

# A process that was frozen in the middle of a transaction holds rows that others wait for: the
# server ends its transaction, long before they give up.
IDLE_IN_TRANSACTION_S = 30
LOCK_WAIT_S = 60
# A server that says nothing for so long is gone; the next transaction tries another connection.
SILENCE_S = 30

# What a connection begins with. A password is libpq's affair: a passfile, never our configuration.
CONNECT_ARGUMENTS: dict[str, Any] = {
    "application_name": "lantai",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": SILENCE_S * 1000,
}
_SESSION = (
    f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_S * 1000}",
    f"SET lock_timeout = {LOCK_WAIT_S * 1000}",
    "SET timezone = 'UTC'",
)
# Without these a commit that was acknowledged may be lost by a power cut; only the server's own
# configuration can turn them on.
_REQUIRED = {"fsync": "on", "full_page_writes": "on", "server_encoding": "UTF8"}
_WRITABLE = {"transaction_read_only": "off"}
# What waits at least until the commit is on this server's disk.
_DURABLE_COMMITS = ("on", "remote_apply", "remote_write", "local")

# Two transactions stood in each other's way, and this one was undone: ask again.
_CONFLICTS = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
# Not SQLAlchemy's OperationalError, but the database's state all the same: idle transaction ended,
# a server that has become a standby, one that is recovering from its neighbour's crash.
_STATES = frozenset({"25P03", "25006", "57P01", "57P02", "57P03"})


def prepare(connection: Any, _record: object) -> None:
    """Set up a new connection of psycopg.

    Raises CatalogueUnavailable if the server would lose what it acknowledged, or takes no writes.
    """
    try:
        _prepare(connection)
    except BaseException:
        connection.close()  # the pool does not have it yet
        raise


def is_conflict(error: BaseException | None) -> bool:
    """Whether the same transaction may well succeed when it is asked once more."""
    return getattr(error, "sqlstate", None) in _CONFLICTS


def is_unavailable(error: BaseException | None) -> bool:
    """Whether the server, and not what was asked, is the reason."""
    return getattr(error, "sqlstate", None) in _STATES


def _prepare(connection: Any) -> None:
    # Only whoever uses PostgreSQL pays for loading psycopg: here it is loaded already.
    from storage.catalogue.postgres_text import TextWithoutNul

    connection.adapters.register_dumper(str, TextWithoutNul)
    with connection.cursor() as cursor:
        for statement in _SESSION:
            cursor.execute(statement)
        for setting, wanted in (_REQUIRED | _WRITABLE).items():
            found = _setting(cursor, setting)
            if found != wanted:
                raise CatalogueUnavailable(_why_not(setting, wanted, found))
        # A user's own default may be weaker than the server's.
        if _setting(cursor, "synchronous_commit") not in _DURABLE_COMMITS:
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _setting(cursor: Any, name: str) -> str:
    (value,) = cursor.execute(f"SHOW {name}").fetchone()
    return str(value)


def _why_not(setting: str, wanted: str, found: str) -> str:
    if setting in _WRITABLE:
        return (
            "this PostgreSQL server takes no writes (a standby?): let the catalogue's url name the"
            " one that does"
        )
    return (
        f"PostgreSQL has {setting} = {found}, and the catalogue needs {wanted}: without it what was"
        " acknowledged can be lost (docs/operations/catalogue.md)"
    )
