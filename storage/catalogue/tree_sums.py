"""The catalogue's side of the hash tree: for each node, sums over what it should keep.

docs/wire/tree.md. Triggers note in `tree_changes` which copies changed, in the transaction of the
change and whoever made it; `take_in` brings the sums up to date later, so no intake waits for a row
that another one holds. `copies.counted` says what of a copy is in the sums: of an object's versions
on a node the newest alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)

from storage.catalogue.model import CopyState
from storage.catalogue.schema import copies, findings, packages, tree_changes, tree_sums
from storage.hash_tree.branch import Subtree
from storage.hash_tree.leaf import PARTITIONS, Leaf, LeafState, leaf_digest, partition_of
from storage.hash_tree.set_sum import SetSum

_NOTHING = SetSum()
# Whether an open finding says why a copy is not as it should be.
_EXPLAINED = (
    exists()
    .where(
        findings.c.node == copies.c.node,
        findings.c.object_id == packages.c.object_id,
        findings.c.mended_at.is_(None),
    )
    .correlate(copies, packages)
    .label("explained")
)
_OLDEST = select(tree_changes.c.id).order_by(tree_changes.c.id).limit(bindparam("by_limit"))
_TAKE = (
    delete(tree_changes)
    .where(tree_changes.c.id.in_(_OLDEST.scalar_subquery()))
    .returning(tree_changes.c.node, tree_changes.c.package_id, tree_changes.c.was)
)
_COUNT = (
    update(copies)
    .where(copies.c.package_id == bindparam("by_package_id"), copies.c.node == bindparam("by_node"))
    .values(counted=bindparam("new_counted", type_=copies.c.counted.type))
)
_CHANGE_SUM = (
    update(tree_sums)
    .where(
        tree_sums.c.node == bindparam("by_node"), tree_sums.c.partition == bindparam("by_partition")
    )
    .values(objects=bindparam("new_objects"), sum=bindparam("new_sum"))
)
_LEAF_COLUMNS = (packages.c.object_id, packages.c.version, packages.c.inventory_sha256)
_COPY_COLUMNS = (copies.c.package_id, copies.c.node, copies.c.state, copies.c.counted)
# As `_to_count` takes them: the versions of one object on one node together, the newest last.
_COPIES: Select[Any] = (
    select(*_LEAF_COLUMNS, *_COPY_COLUMNS, _EXPLAINED)
    .join(copies, copies.c.package_id == packages.c.id)
    .order_by(packages.c.object_id, copies.c.node, packages.c.version)
)

_Place = tuple[str, int]  # node, partition


@dataclass(slots=True)
class _Moved:
    """Digests of leaves that come into a sum and go out of it."""

    taken: list[bytes] = field(default_factory=list)
    added: list[bytes] = field(default_factory=list)


def take_in(connection: Connection, limit: int) -> int:
    """Bring the sums up to date with up to `limit` changes; how many there were.

    Fewer than `limit` means that all are in. Two keepers at once do no harm.
    """
    changes = connection.execute(_TAKE, {"by_limit": limit}).all()
    if not changes:
        return 0
    moved: dict[_Place, _Moved] = defaultdict(_Moved)
    gone = {change.package_id for change in changes if change.was is not None}
    named = {row.id: row for row in _packages(connection, gone)}
    for change in changes:
        row = named.get(change.package_id)
        # Of a package that is gone without its copies nobody knows the leaf: a recount will.
        if change.was is not None and row is not None:
            place = (change.node, partition_of(row.object_id))
            moved[place].taken.append(_digest(row, change.was))
    counted = []
    for row, leaf in _to_count(_rows_of_objects(connection, changes)):
        where = {"by_package_id": row.package_id, "by_node": row.node}
        counted.append(where | {"new_counted": leaf})
        here = moved[row.node, partition_of(row.object_id)]
        here.taken += [] if row.counted is None else [_digest(row, row.counted)]
        here.added += [] if leaf is None else [_digest(row, leaf)]
    if counted:
        connection.execute(_COUNT, counted)
    for node, of_node in groupby(sorted(moved), key=lambda place: place[0]):
        numbers = [partition for _, partition in of_node]
        known = _locked_sums(connection, node, numbers)
        _keep(
            connection,
            node,
            {
                number: known[number].changed(moved[node, number].taken, moved[node, number].added)
                for number in numbers
            },
        )
    return len(changes)


def partitions(connection: Connection, node: str) -> list[Subtree]:
    """What `node` should keep, as the 4,096 partitions of a hash tree."""
    empty = _NOTHING.subtree()
    found = [empty] * PARTITIONS
    query = select(tree_sums.c.partition, tree_sums.c.objects, tree_sums.c.sum)
    for row in connection.execute(query.where(tree_sums.c.node == node)):
        found[row.partition] = SetSum(row.objects, row.sum).subtree()
    return found


def occupied(connection: Connection, first: int, limit: int) -> list[int]:
    """Partitions that have objects, from `first` on and around: the next `limit` of them."""
    number = tree_sums.c.partition
    query = select(number).group_by(number).order_by(number < first, number).limit(limit)
    return list(connection.scalars(query))


def recount(connection: Connection, node: str, partition: int) -> bool:
    """Make one sum anew from the copies that are counted in it; whether it was wrong.

    Copies there that are counted otherwise than they should be are noted as changed, so that
    `take_in` puts them right.
    """
    known = _locked_sums(connection, node, [partition])[partition]
    here = _COPIES.where(packages.c.partition == partition, copies.c.node == node)
    rows = connection.execute(here).all()
    counted = (_digest(row, row.counted) for row in rows if row.counted is not None)
    right = _NOTHING.changed([], counted)
    if right != known:
        _keep(connection, node, {partition: right})
    astray = [{"node": node, "package_id": row.package_id} for row, _ in _to_count(rows)]
    if astray:
        connection.execute(insert(tree_changes), astray)
    return right != known


def _rows_of_objects(connection: Connection, changes: Sequence[Any]) -> list[Row[Any]]:
    """All versions on the nodes concerned, of every object that a change is of; locked."""
    of_changes = select(packages.c.object_id).where(
        packages.c.id.in_({change.package_id for change in changes})
    )
    concerned = _COPIES.where(
        packages.c.object_id.in_(connection.scalars(of_changes).all()),
        copies.c.node.in_({change.node for change in changes}),
    )
    return list(connection.execute(concerned.with_for_update(of=copies)))


def _to_count(rows: Iterable[Row[Any]]) -> Iterable[tuple[Row[Any], LeafState | None]]:
    """Rows that are counted otherwise than they should be, and how they should be."""
    for _, of_object in groupby(rows, key=lambda row: (row.object_id, row.node)):
        *earlier, newest = of_object
        demanded = [*((row, None) for row in earlier), (newest, _as_leaf(newest))]
        yield from ((row, leaf) for row, leaf in demanded if row.counted != leaf)


def _as_leaf(row: Row[Any]) -> LeafState | None:
    """A copy that is gone, and no finding says why, is a difference whatever the node says."""
    if row.state is CopyState.COMMITTED:
        return LeafState.STORED
    is_on_record = row.state is CopyState.MISSING and row.explained
    return None if is_on_record else LeafState.DAMAGED


def _packages(connection: Connection, numbers: Iterable[int]) -> Iterable[Any]:
    query = select(packages.c.id, *_LEAF_COLUMNS).where(packages.c.id.in_(list(numbers)))
    return connection.execute(query)


def _digest(row: Any, state: LeafState) -> bytes:
    return leaf_digest(Leaf(row.object_id, row.version, row.inventory_sha256, state))


def _locked_sums(connection: Connection, node: str, numbers: Sequence[int]) -> dict[int, SetSum]:
    """These sums, made where there are none; another keeper waits for this transaction."""
    query = select(tree_sums.c.partition, tree_sums.c.objects, tree_sums.c.sum).where(
        tree_sums.c.node == node, tree_sums.c.partition.in_(numbers)
    )
    rows = connection.execute(query.order_by(tree_sums.c.partition).with_for_update())
    known = {row.partition: SetSum(row.objects, row.sum) for row in rows}
    empty = {"node": node, "objects": _NOTHING.objects, "sum": _NOTHING.value}
    new = [empty | {"partition": number} for number in numbers if number not in known]
    if new:
        connection.execute(insert(tree_sums), new)
    return {number: known.get(number, _NOTHING) for number in numbers}


def _keep(connection: Connection, node: str, sums: Mapping[int, SetSum]) -> None:
    connection.execute(
        _CHANGE_SUM,
        [
            {
                "by_node": node,
                "by_partition": number,
                "new_objects": each.objects,
                "new_sum": each.value,
            }
            for number, each in sums.items()
        ],
    )
