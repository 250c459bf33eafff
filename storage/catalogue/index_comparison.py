"""Hold a catalogue against what its nodes gave: index rows, one by one, and the past in common.

docs/operations/catalogue-lost.md. Changes nothing. What happened since the nodes were last told is
no difference; how much that is, is said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from storage.catalogue import chronicle, leases, pouring, schema, scratch
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import PackageState
from storage.catalogue.scratch import Scratch

INDEX = ("packages", "copies", "tallies")
_RECENT_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Where catalogue and nodes say different things; None: has no such row."""

    table: str
    row: str
    column: str
    catalogue: str | None
    nodes: str | None


@dataclass(frozen=True, slots=True)
class _Recent:
    """What was done since the nodes were told: its rows may differ."""

    packages: frozenset[int]
    tallies: frozenset[tuple[str, str]]

    def excuses(self, table: str, row: Mapping[str, Any]) -> bool:
        match table:
            case "packages":
                return row["id"] in self.packages or row["state"] == PackageState.WRITING
            case "copies":
                return row["package_id"] in self.packages
            case _:
                return (row["source"], row["day"]) in self.tallies


def differences(target: Scratch, catalogue: Catalogue) -> Iterator[Difference]:
    """Every index row that is not the same on both sides, and a past that is not."""
    with target.catalogue.reading() as connection:
        nodes = connection.execute(select(scratch.said_nodes)).mappings().all()
    for row in nodes:
        yield from _past(catalogue, dict(row))
    reached = max((row["event_sequence"] for row in nodes), default=0)
    with catalogue.reading() as connection:
        recent = _since(connection, reached)
    for name in INDEX:
        yield from _of_table(target, catalogue, schema.metadata.tables[name], recent)


def untold_events(target: Scratch, catalogue: Catalogue) -> int:
    """How many events of the catalogue no node knows yet."""
    with target.catalogue.reading() as connection:
        reached = connection.scalar(select(func.max(scratch.said_nodes.c.event_sequence))) or 0
    with catalogue.reading() as connection:
        events = schema.events
        query = select(func.count()).where(events.c.sequence > reached)
        return connection.scalar(query) or 0


def _past(catalogue: Catalogue, said: Mapping[str, Any]) -> Iterator[Difference]:
    with catalogue.reading() as connection:
        here = chronicle.chain_at(connection, said["event_sequence"])
        last = connection.scalar(select(func.max(schema.events.c.sequence))) or 0
        epoch = leases.keeper_epoch(connection)
    if last < said["event_sequence"]:
        yield Difference("events", said["node"], "sequence", str(last), str(said["event_sequence"]))
    elif here != said["chain"]:
        yield Difference("events", said["node"], "chain", here, said["chain"])
    if epoch < said["epoch"]:
        yield Difference("leases", said["node"], "epoch", str(epoch), str(said["epoch"]))


def _since(connection: Connection, reached: int) -> _Recent:
    events, packages, transfers = schema.events, schema.packages, schema.transfers
    done = events.c.sequence > reached
    named = select(events.c.package_id).where(done, events.c.package_id.is_not(None))
    objects = select(packages.c.object_id).where(packages.c.id.in_(named))
    query = select(packages.c.id).where(packages.c.object_id.in_(objects)).limit(_RECENT_MAX)
    days = (
        select(transfers.c.source, func.substr(events.c.at, 1, 10))
        .join(transfers, transfers.c.id == events.c.transfer_id)
        .where(done)
        .distinct()
    )
    tallied = frozenset((source, day) for source, day in connection.execute(days))
    return _Recent(frozenset(connection.scalars(query)), tallied)


def _of_table(
    target: Scratch, catalogue: Catalogue, table: Table, recent: _Recent
) -> Iterator[Difference]:
    """Both sides in the order of the key, side by side."""
    names = pouring.columns_of(table)
    key = [column.name for column in table.primary_key.columns]
    here = _rows(catalogue, table, names)
    there = _rows(target.catalogue, scratch.metadata.tables[table.name], names)
    ours, theirs = next(here, None), next(there, None)
    while ours is not None or theirs is not None:
        order = _order(ours, theirs, key)
        row = ours if order <= 0 else theirs
        assert row is not None
        if not recent.excuses(table.name, row):
            yield from _between(
                table.name, key, ours if order <= 0 else None, theirs if order >= 0 else None
            )
        if order <= 0:
            ours = next(here, None)
        if order >= 0:
            theirs = next(there, None)


def _rows(catalogue: Catalogue, table: Table, names: list[str]) -> Iterator[dict[str, Any]]:
    for page in pouring.pages_of(catalogue, table, names):
        yield from page


def _order(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None, key: list[str]) -> int:
    """Which of two rows comes first: below 0 ours, above 0 theirs, 0 both."""
    if ours is None or theirs is None:
        return 1 if ours is None else -1
    mine, other = (tuple(row[name] for name in key) for row in (ours, theirs))
    return (mine > other) - (mine < other)


def _between(
    table: str, key: list[str], ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None
) -> Iterator[Difference]:
    row = ours or theirs
    assert row is not None
    name = " ".join(str(row[column]) for column in key)
    if ours is None or theirs is None:
        yield Difference(
            table, name, "", None if ours is None else "", None if theirs is None else ""
        )
        return
    for column, value in ours.items():
        if value != theirs[column]:
            yield Difference(table, name, column, _shown(value), _shown(theirs[column]))


def _shown(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)
