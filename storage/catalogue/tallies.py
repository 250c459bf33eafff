"""Sums by source and day, so that metrics and yearly reports count no rows.

An index table: `packages` and `transfers` say the same, slowly; recounting it belongs to the
rebuilding of a catalogue.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update

from storage.catalogue.model import Holdings, Package
from storage.catalogue.schema import tallies
from storage.catalogue.statements import insert_new

_ADD = (
    update(tallies)
    .where(tallies.c.source == bindparam("by_source"), tallies.c.day == bindparam("by_day"))
    .values(
        {
            name: tallies.c[name] + bindparam(f"more_{name}")
            for name in ("packages", "files", "content_bytes", "rejected")
        }
    )
)


@dataclass(frozen=True, slots=True)
class _Key:
    source: str
    day: str


def add_stored(connection: Connection, package: Package, at: str) -> None:
    """Count one object version that has just become stored."""
    _add(
        connection,
        package.source,
        at,
        packages=1,
        files=package.file_count,
        content_bytes=package.content_bytes,
    )


def add_rejected(connection: Connection, source: str, at: str) -> None:
    """Count one transfer that has just been rejected."""
    _add(connection, source, at, rejected=1)


def holdings(connection: Connection) -> list[Holdings]:
    """What each source has, over all days."""
    columns = [tallies.c.packages, tallies.c.files, tallies.c.content_bytes, tallies.c.rejected]
    sums = [func.sum(column).label(column.name) for column in columns]
    query = select(tallies.c.source, *sums).group_by(tallies.c.source).order_by(tallies.c.source)
    return [
        Holdings(row.source, *(int(value) for value in row[1:]))
        for row in connection.execute(query)
    ]


def _add(connection: Connection, source: str, at: str, **amounts: int) -> None:
    amounts = {"packages": 0, "files": 0, "content_bytes": 0, "rejected": 0} | amounts
    key = {"source": source, "day": at[: len("2026-11-22")]}
    by_key = {f"by_{name}": value for name, value in key.items()}
    more = {f"more_{name}": amount for name, amount in amounts.items()}
    if connection.execute(_ADD, by_key | more).rowcount:
        return
    # Another process may be making the day's first row at this moment: then it is there now.
    if insert_new(connection, tallies, _Key, key | amounts) is None:
        connection.execute(_ADD, by_key | more)
