"""The node's side of the hash tree: sums over its partitions, kept with the rows they stand for.

docs/wire/tree.md. Every change of a leaf goes through `counting`, in the transaction of the change,
so the sums are as whole as the index and made anew with it; the sweep's check of the records holds
them against the rows.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from storage.hash_tree.branch import Subtree, children_of, partitions_below
from storage.hash_tree.leaf import PARTITIONS, Leaf, LeafState, leaf_digest, partition_of
from storage.hash_tree.set_sum import SetSum
from storage.sweep.model import DamageKind

_NOTHING = SetSum()
# An object and the kind of its last open finding.
_LEAVES = (
    "SELECT object_id, head, inventory_sha256, kind FROM"
    " (SELECT object_id, head, inventory_sha256, partition,"
    "  (SELECT kind FROM findings WHERE object_id=objects.object_id AND mended_at IS NULL"
    "   ORDER BY sequence DESC LIMIT 1) AS kind FROM objects)"
)
_NOT_GONE = f"kind IS NOT '{DamageKind.OBJECT_MISSING}'"

_Row = tuple[str, int, str, str | None]


@contextmanager
def counting(database: sqlite3.Connection, object_id: str) -> Iterator[None]:
    """What is done to the rows of this object inside the block, the sums say after it."""
    before = _leaf_digest(database, object_id)
    yield
    after = _leaf_digest(database, object_id)
    if before == after:
        return
    partition = partition_of(object_id)
    taken, added = ([digest] if digest else [] for digest in (before, after))
    _keep(database, partition, _sum_of(database, partition).changed(taken, added))


def branch(database: sqlite3.Connection, level: int, index: int) -> list[Subtree]:
    """The 16 children of one inner node."""
    below = partitions_below(level, index)
    rows = database.execute(
        "SELECT partition, objects, sum FROM tree WHERE partition>=? AND partition<?",
        (below.start, below.stop),
    )
    known = {partition: SetSum(objects, value) for partition, objects, value in rows}
    empty = _NOTHING.subtree()
    partitions = [known[each].subtree() if each in known else empty for each in below]
    return children_of(level, partitions)


def leaves(database: sqlite3.Connection, partition: int, after: str, limit: int) -> list[Leaf]:
    """Up to `limit` leaves of a partition whose object id is greater than `after`, by id."""
    rows = database.execute(
        f"{_LEAVES} WHERE partition=? AND object_id>? AND {_NOT_GONE} ORDER BY object_id LIMIT ?",
        (partition, after, limit),
    )
    return [leaf for leaf in map(_leaf, rows) if leaf is not None]


def count_all(database: sqlite3.Connection) -> None:
    """Make every sum anew from the rows, in the caller's transaction."""
    database.execute("DELETE FROM tree")
    for partition in range(PARTITIONS):
        counted = _counted(database, partition)
        if counted.objects:
            _keep(database, partition, counted)


def disagreement(database: sqlite3.Connection) -> str | None:
    """Which sum is not that of its rows, in words; None if all agree."""
    database.execute("BEGIN")  # rows and sums of the same moment
    try:
        for partition in range(PARTITIONS):
            if _counted(database, partition) != _sum_of(database, partition):
                return f"the sum of partition {partition} is not that of its objects"
    finally:
        database.execute("ROLLBACK")
    return None


def _counted(database: sqlite3.Connection, partition: int) -> SetSum:
    rows = database.execute(f"{_LEAVES} WHERE partition=?", (partition,))
    found = (leaf_digest(leaf) for leaf in map(_leaf, rows) if leaf is not None)
    return _NOTHING.changed([], found)


def _sum_of(database: sqlite3.Connection, partition: int) -> SetSum:
    row = database.execute(
        "SELECT objects, sum FROM tree WHERE partition=?", (partition,)
    ).fetchone()
    return _NOTHING if row is None else SetSum(*row)


def _keep(database: sqlite3.Connection, partition: int, kept: SetSum) -> None:
    database.execute(
        "INSERT OR REPLACE INTO tree VALUES (?,?,?)", (partition, kept.objects, kept.value)
    )


def _leaf_digest(database: sqlite3.Connection, object_id: str) -> bytes | None:
    row = database.execute(f"{_LEAVES} WHERE object_id=?", (object_id,)).fetchone()
    leaf = None if row is None else _leaf(row)
    return None if leaf is None else leaf_digest(leaf)


def _leaf(row: _Row) -> Leaf | None:
    object_id, head, inventory_sha256, kind = row
    if kind == DamageKind.OBJECT_MISSING:
        return None
    state = LeafState.STORED if kind is None else LeafState.DAMAGED
    return Leaf(object_id, head, inventory_sha256, state)
