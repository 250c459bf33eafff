"""Copies: one package on one node, as proven or as damaged.

Keeps `packages.copies_committed` true in the same transaction. What to do about a missing copy is
the keeper's affair.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from storage.catalogue.errors import NoSuchTransfer
from storage.catalogue.model import Copy, CopyState
from storage.catalogue.schema import copies, findings, packages
from storage.model import SignedAnswer

_INSERT = insert(copies)
_REPLACE = (
    update(copies)
    .where(copies.c.package_id == bindparam("by_package_id"), copies.c.node == bindparam("by_node"))
    .values(
        {
            column.name: bindparam(f"new_{column.name}", type_=column.type)
            for column in copies.c
            if not column.primary_key and column is not copies.c.counted
        }
    )
)
_COLUMNS = tuple(column for column in copies.c if column is not copies.c.counted)
_OF_PACKAGE = (
    select(*_COLUMNS)
    .where(copies.c.package_id == bindparam("by_package_id"))
    .order_by(copies.c.node)
)
_LOCK = select(packages.c.id).where(packages.c.id == bindparam("by_id")).with_for_update()
_GOOD = select(func.count()).where(
    copies.c.package_id == bindparam("by_id"), copies.c.state == CopyState.COMMITTED
)
_RECOUNT = (
    update(packages)
    .where(packages.c.id == bindparam("by_id"))
    .values(copies_committed=_GOOD.scalar_subquery())
)


def record(connection: Connection, copy: Copy) -> None:
    """Note a copy and the node's signed answer; a mended copy replaces what was said before.

    The caller has verified the signature.
    """
    assert len(copy.answer.signature) == 64, copy.node
    _lock(connection, copy.package_id)
    where = {"by_package_id": copy.package_id, "by_node": copy.node}
    values = {
        "domain": copy.domain,
        "state": copy.state,
        "verify_mode": copy.verify_mode,
        "committed_at": copy.committed_at,
        "checked_at": copy.checked_at,
        "answer": copy.answer.payload,
        "signature": copy.answer.signature,
    }
    if not connection.execute(
        _REPLACE, where | {f"new_{name}": values[name] for name in values}
    ).rowcount:
        connection.execute(_INSERT, values | {"package_id": copy.package_id, "node": copy.node})
    recount(connection, copy.package_id)


def mark(connection: Connection, package_id: int, node: str, state: CopyState) -> bool:
    """Note that a copy was found damaged or missing. False when it is so marked already."""
    _lock(connection, package_id)
    statement = update(copies).where(
        copies.c.package_id == package_id, copies.c.node == node, copies.c.state != state
    )
    changed = bool(connection.execute(statement.values(state=state)).rowcount)
    if changed:
        recount(connection, package_id)
    return changed


def mark_object(connection: Connection, object_id: str, node: str, state: CopyState) -> None:
    """Note the same of every version of an object: a node holds them in one copy, and mends so.

    What it signed of each version stays on record.
    """
    of_object = select(packages.c.id).where(packages.c.object_id == object_id)
    for package_id in connection.scalars(of_object.order_by(packages.c.version)).all():
        mark(connection, package_id, node, state)


def record_earlier(connection: Connection, object_id: str, copy: Copy) -> None:
    """Note that a node which got an object whole holds every version of it.

    `copy` is of the newest one, and its answer stands for all: the earlier versions hang from it.
    What a node signed of one of them before stays on record.
    """
    of_object = select(packages.c.id).where(
        packages.c.object_id == object_id, packages.c.id < copy.package_id
    )
    held = select(copies.c.package_id).where(copies.c.node == copy.node)
    for package_id in connection.scalars(of_object.where(packages.c.id.not_in(held))).all():
        record(connection, replace(copy, package_id=package_id))
    mark_object(connection, object_id, copy.node, CopyState.COMMITTED)


def count_again(connection: Connection, package_ids: Sequence[int], node: str, at: str) -> int:
    """Count the copies of these packages on a node that proved to have kept them; how many."""
    counted = 0
    for package_id in package_ids:
        if mark(connection, package_id, node, CopyState.COMMITTED):
            checked(connection, package_id, node, at)
            counted += 1
    return counted


def checked(connection: Connection, package_id: int, node: str, at: str) -> None:
    """Note that the node re-read its copy whole and found it intact."""
    where = (copies.c.package_id == package_id, copies.c.node == node)
    connection.execute(update(copies).where(*where).values(checked_at=at))


def recount(connection: Connection, package_id: int) -> None:
    """Make `copies_committed` equal to the rows it stands for."""
    connection.execute(_RECOUNT, {"by_id": package_id})


def of_package(connection: Connection, package_id: int) -> list[Copy]:
    """All copies of one package, by node."""
    rows = connection.execute(_OF_PACKAGE, {"by_package_id": package_id}).mappings()
    return _copies(rows)


@dataclass(frozen=True, slots=True)
class CopyStanding:
    """What the catalogue has of one copy."""

    state: CopyState
    committed_at: str  # another with every mend
    is_explained: bool  # an open finding says why it is not good

    @property
    def is_counted_on(self) -> bool:
        """Whether its node must have it, as far as is known."""
        return self.state is CopyState.COMMITTED or not self.is_explained


def standings(
    connection: Connection, package_ids: Sequence[int]
) -> Mapping[int, Mapping[str, CopyStanding]]:
    """Package → node → how its copy stands."""
    explained = (
        select(findings.c.id)
        .join(packages, packages.c.object_id == findings.c.object_id)
        .where(
            packages.c.id == copies.c.package_id,
            findings.c.node == copies.c.node,
            findings.c.mended_at.is_(None),
        )
    )
    query = select(
        copies.c.package_id,
        copies.c.node,
        copies.c.state,
        copies.c.committed_at,
        explained.exists().label("explained"),
    ).where(copies.c.package_id.in_(package_ids))
    found: dict[int, dict[str, CopyStanding]] = defaultdict(dict)
    for row in connection.execute(query.order_by(copies.c.package_id, copies.c.node)):
        standing = CopyStanding(row.state, row.committed_at, bool(row.explained))
        found[row.package_id][row.node] = standing
    return found


def standing(connection: Connection, package_id: int, node: str) -> CopyStanding | None:
    """How one copy stands; None where the node should have none."""
    return standings(connection, [package_id]).get(package_id, {}).get(node)


def forget_node(connection: Connection, node: str) -> int:
    """Count no copy of this node as good any more: another disk stands under its name."""
    good = (copies.c.node == node, copies.c.state == CopyState.COMMITTED)
    held = select(copies.c.package_id).where(*good)
    connection.execute(
        update(packages)
        .where(packages.c.id.in_(held))
        .values(copies_committed=packages.c.copies_committed - 1)
    )
    return connection.execute(update(copies).where(*good).values(state=CopyState.MISSING)).rowcount


def on_node(connection: Connection, node: str, *, after: int = 0, limit: int = 1000) -> list[Copy]:
    """What one node should hold, in the order of package numbers."""
    query = select(*_COLUMNS).where(copies.c.node == node, copies.c.package_id > after)
    query = query.order_by(copies.c.package_id).limit(limit)
    return _copies(connection.execute(query).mappings())


def _lock(connection: Connection, package_id: int) -> None:
    # Two intakes may record copies of one package at once; the count must see both.
    if connection.scalar(_LOCK, {"by_id": package_id}) is None:
        raise NoSuchTransfer(f"there is no package {package_id}")


def _copies(rows: Iterable[RowMapping]) -> list[Copy]:
    found = []
    for row in rows:
        values = dict(row)
        values["answer"] = SignedAnswer(values["answer"], values.pop("signature"))
        found.append(Copy(**values))
    return found
