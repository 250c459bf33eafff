"""Sums by source and day, so that metrics and yearly reports count no rows.

An index table: `packages` and `transfers` say the same, slowly; recounting it belongs to the
rebuilding of a catalogue.
"""

from sqlalchemy import Connection, func, insert, select, update

from storage.catalogue.model import Holdings, Package
from storage.catalogue.schema import tallies


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
    day = at[: len("2026-11-22")]
    where = (tallies.c.source == source, tallies.c.day == day)
    values = {name: tallies.c[name] + amount for name, amount in amounts.items()}
    if connection.execute(update(tallies).where(*where).values(**values)).rowcount:
        return
    nothing = {"packages": 0, "files": 0, "content_bytes": 0, "rejected": 0}
    new = {"source": source, "day": day} | nothing | amounts
    connection.execute(insert(tallies).values(new))
