"""From the scratch database into a catalogue: all of it, or what the catalogue lacks.

docs/operations/catalogue-lost.md. Row by row in the order of what rests on what, some hundreds to a
transaction, so that a stop in the middle loses nothing and the whole may be done again. What a
catalogue has of baselines stays: the database itself refuses to change them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text, tuple_, update

from storage.catalogue import chronicle, leases, schema, scratch
from storage.catalogue.engine import Catalogue
from storage.catalogue.scratch import Scratch
from storage.chronicle.page import Position

# In this order no row points to one that is not there yet.
TABLES = (
    "transfers", "packages", "copies", "answers", "answer_pieces", "findings", "sweeps", "tallies",
    "layouts", "volumes",
)  # fmt: skip
# Last of all: until then a role that is held (daemon/roles/catalogue_guard.py) sees that the
# catalogue is not level, and writes nothing in between.
EVENTS = "events"
# What is made anew on the way: bookkeeping of others, and numbers that nobody refers to.
DERIVED = frozenset({("copies", "counted"), ("packages", "partition"), ("findings", "id")})
# Where the number of a row is not its name.
_NAMED_BY = {"findings": ("node", "sequence")}
# Of rows that are there already, what may be taken over; all of it where nothing is said.
_MAY_CHANGE = {
    "packages": {"state", "copies_wanted", "copies_committed", "stored_at"},
    "answers": {"written_at"},
    "answer_pieces": set(),
    "events": set(),
    "findings": {"mended_at", "outcome"},
    "layouts": set(),
}
_NUMBERED = ("transfers", "packages", "answers", "findings", "orders")
# Numbers of transfers that the lost catalogue may have given and told nobody: not used again.
_NUMBERS_SKIPPED = 1000
_AT_ONCE = 500

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Poured:
    """What became of the rows."""

    new: int
    changed: int


def columns_of(table: Table) -> list[str]:
    """The columns that are carried over."""
    return [column.name for column in table.c if (table.name, column.name) not in DERIVED]


def pages_of(catalogue: Catalogue, table: Table, names: Sequence[str]) -> Iterator[list[Any]]:
    """All rows of a table by its key, some hundreds at a time."""
    key = [table.c[column.name] for column in table.primary_key.columns]
    last: tuple[Any, ...] | None = None
    while True:
        wanted = dict.fromkeys([*names, *(column.name for column in key)])
        query = select(*(table.c[name] for name in wanted)).order_by(*key).limit(_AT_ONCE)
        if last is not None:
            query = query.where(tuple_(*key) > last)
        with catalogue.reading() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        if rows:
            last = tuple(rows[-1][column.name] for column in key)
            yield [{name: row[name] for name in names} for row in rows]
        if len(rows) < _AT_ONCE:
            return


def pour(source: Scratch, target: Catalogue, at: str, progress: Progress) -> Poured:
    """Bring `target` to what the scratch database has; rows it has beyond that stay."""
    with source.catalogue.reading() as connection:
        heard = list(connection.execute(select(scratch.said_nodes)).mappings())
    poured = [_pour_table(source, target, name, progress) for name in TABLES]
    with target.writing() as connection:
        _settle_numbers(connection)
        for row in heard:
            position = Position(row["event_sequence"], row["answer_id"], row["chain"])
            chronicle.note_told(connection, row["node"], position, at)
            leases.raise_keeper_epoch(connection, row["epoch"], at)
    poured.append(_pour_table(source, target, EVENTS, progress))
    with target.writing() as connection:
        _settle_numbers(connection, (EVENTS,))
    return Poured(sum(each.new for each in poured), sum(each.changed for each in poured))


def is_empty(catalogue: Catalogue) -> bool:
    """Whether nobody has worked with this catalogue yet."""
    with catalogue.reading() as connection:
        return not any(
            connection.scalar(select(func.count()).select_from(schema.metadata.tables[name]))
            for name in ("transfers", "events")
        )


def _pour_table(source: Scratch, target: Catalogue, name: str, progress: Progress) -> Poured:
    table = schema.metadata.tables[name]
    new = changed = done = 0
    for rows in pages_of(source.catalogue, scratch.metadata.tables[name], columns_of(table)):
        with target.writing() as connection:
            added, altered = _take(connection, table, rows)
        new, changed, done = new + added, changed + altered, done + len(rows)
        progress(name, done)
    return Poured(new, changed)


def _take(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Insert rows that are not there, change those that are otherwise; how many of each."""
    key = _NAMED_BY.get(table.name) or tuple(column.name for column in table.primary_key.columns)
    wanted = [tuple(row[name] for name in key) for row in rows]
    keys = tuple_(*(table.c[name] for name in key))
    query = select(*(table.c[name] for name in rows[0])).where(keys.in_(wanted))
    known = {
        tuple(row[name] for name in key): dict(row) for row in connection.execute(query).mappings()
    }
    new = [row for row, number in zip(rows, wanted, strict=True) if number not in known]
    if new:
        connection.execute(insert(table), new)
    altered = 0
    for row, number in zip(rows, wanted, strict=True):
        values = _changes(table.name, known.get(number, row), row)
        if values:
            where = (table.c[name] == row[name] for name in key)
            connection.execute(update(table).where(*where).values(values))
            altered += 1
    return len(new), altered


def _changes(name: str, known: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """What the nodes know of a row better than the catalogue, which is never the newer one."""
    if name == "transfers" and known["updated_at"] >= row["updated_at"]:
        return {}
    allowed = _MAY_CHANGE.get(name, set(row))
    keeps = {"closed_at", "written_at", "mended_at"}  # what is done stays done
    return {
        column: value
        for column, value in row.items()
        if column in allowed
        and known[column] != value
        and not (column in keeps and known[column] is not None)
    }


def _settle_numbers(connection: Connection, tables: Sequence[str] = _NUMBERED) -> None:
    """No number is given twice: receipts name those of transfers."""
    if connection.dialect.name == "sqlite":
        if "transfers" not in tables:
            return
        skip = "UPDATE sqlite_sequence SET seq = seq + :skipped WHERE name = 'transfers'"
        connection.execute(text(skip), {"skipped": _NUMBERS_SKIPPED})
        return
    for name in tables:
        table = schema.metadata.tables[name]
        (column,) = table.primary_key.columns
        highest = connection.scalar(select(func.max(column))) or 0
        skipped = _NUMBERS_SKIPPED if name == "transfers" else 0
        sequence = func.pg_get_serial_sequence(name, column.name)
        connection.execute(select(func.setval(sequence, max(1, highest + skipped))))
