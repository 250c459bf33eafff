"""Moves: copies that others must hold because a node leaves or is lost, and how far that is.

docs/operations/membership.md. Who *stays* is given: the nodes that are up, whatever is wrong with
a copy there (it is mended in its place), and those that only give, where the copy is good. What
moves next is decided in replication/moves.py.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from storage.catalogue import copies as of_packages
from storage.catalogue import events
from storage.catalogue.membership_schema import MoveState
from storage.catalogue.model import (
    Actor,
    Copy,
    CopyState,
    NewEvent,
    Package,
    PackageState,
    TransferState,
)
from storage.catalogue.packages import IS_NEWEST_STORED
from storage.catalogue.schema import copies, findings, moves, packages, transfers
from storage.catalogue.statements import columns_of, insert_new

COPY_MOVED = "copy.moved"
MOVE_FAILED = "copy.move-failed"


@dataclass(frozen=True, slots=True)
class Staying:
    """Whose copies need nobody in their place."""

    up: frozenset[str]
    giving: frozenset[str]  # readonly and verified


@dataclass(frozen=True, slots=True)
class HeldObject:
    """The newest stored version of an object, and its copies."""

    package: Package
    states: tuple[tuple[str, CopyState], ...]  # by node


@dataclass(frozen=True, slots=True)
class MoveRow:
    """What is known of the last move of one object."""

    object_id: str
    target: str
    leaving: str
    state: MoveState
    attempts: int
    not_before: str
    reason: str


@dataclass(frozen=True, slots=True)
class MadeCopy:
    """A copy that was made elsewhere, with what the node signed for it."""

    copy: Copy
    object_id: str
    source: str
    leaving: str


def to_move(
    connection: Connection, leaving: str, staying: Staying, after: int, limit: int
) -> list[HeldObject]:
    """Objects of the node `leaving` of which too few copies stay, in the order of their numbers."""
    query = select(*columns_of(packages, Package)).join(
        copies, copies.c.package_id == packages.c.id
    )
    query = query.where(copies.c.node == leaving, packages.c.id > after, *_lacking(staying))
    rows = connection.execute(query.order_by(packages.c.id).limit(limit)).mappings()
    return _held(connection, [Package(**row) for row in rows])


def endangered(connection: Connection, staying: Staying, limit: int) -> list[HeldObject]:
    """Objects with one good copy or none and too few that stay, the fewest first."""
    query = select(*columns_of(packages, Package)).where(
        packages.c.copies_committed < packages.c.copies_wanted,
        packages.c.copies_committed <= 1,
        *_lacking(staying),
    )
    order = packages.c.copies_committed, packages.c.id
    rows = connection.execute(query.order_by(*order).limit(limit)).mappings()
    return _held(connection, [Package(**row) for row in rows])


def waiting(connection: Connection, leaving: str, staying: Staying) -> int:
    """How many objects of the node `leaving` have too few copies that stay. Reads them all."""
    query = select(func.count()).select_from(packages)
    query = query.join(copies, copies.c.package_id == packages.c.id)
    return connection.scalar(query.where(copies.c.node == leaving, *_lacking(staying))) or 0


def is_waiting(connection: Connection, leaving: str, staying: Staying) -> bool:
    """Whether there is any."""
    return bool(to_move(connection, leaving, staying, 0, 1))


def begun_before(connection: Connection, number: int) -> int:
    """Transfers up to this number that are being written, and may be by an older layout."""
    query = select(func.count()).select_from(transfers)
    query = query.where(
        transfers.c.closed_at.is_(None),
        transfers.c.state == TransferState.WRITING,
        transfers.c.id <= number,
    )
    return connection.scalar(query) or 0


def to_fill(connection: Connection) -> dict[str, int]:
    """Node → copies of stored packages that should be good there and are not."""
    query = (
        select(copies.c.node, func.count().label("copies"))
        .join(packages, packages.c.id == copies.c.package_id)
        .where(
            packages.c.copies_committed < packages.c.copies_wanted,
            packages.c.state == PackageState.STORED,
            copies.c.state != CopyState.COMMITTED,
        )
        .group_by(copies.c.node)
    )
    return {row.node: row.copies for row in connection.execute(query)}


def begin(connection: Connection, object_id: str, target: str, leaving: str) -> None:
    """Note that a copy is ordered, before it is."""
    blank = MoveRow(object_id, target, leaving, MoveState.MOVING, 0, "", "")
    new = {name: getattr(blank, name) for name in MoveRow.__slots__}
    if insert_new(connection, moves, MoveRow, new) is None:
        values = {"target": target, "leaving": leaving, "state": MoveState.MOVING}
        connection.execute(update(moves).where(moves.c.object_id == object_id).values(values))


def finish(connection: Connection, made: MadeCopy, not_before: str, actor: Actor, at: str) -> None:
    """Put a moved copy on record, of every version; the object rests until `not_before`."""
    copy = made.copy
    of_packages.record(connection, copy)
    of_packages.record_earlier(connection, made.object_id, copy)
    values = {"state": MoveState.DONE, "attempts": 0, "not_before": not_before, "reason": ""}
    where = moves.c.object_id == made.object_id
    connection.execute(update(moves).where(where).values(values))
    evidence = {
        "source": made.source,
        "leaving": made.leaving,
        "verify_mode": copy.verify_mode,
        "committed_at": copy.committed_at,
        "answer_sha256": hashlib.sha256(copy.answer.payload).hexdigest(),
    }
    event = NewEvent(
        COPY_MOVED, "done", package_id=copy.package_id, node=copy.node, detail=json.dumps(evidence)
    )
    events.append(connection, event, actor, at)


def fail(connection: Connection, object_id: str, reason: str, not_before: str) -> None:
    """Note that no copy came of it; another try may be made from `not_before` on."""
    values = {
        "state": MoveState.FAILED,
        "attempts": moves.c.attempts + 1,
        "not_before": not_before,
        "reason": reason,
    }
    connection.execute(update(moves).where(moves.c.object_id == object_id).values(values))


def known(connection: Connection, object_ids: Collection[str]) -> dict[str, MoveRow]:
    """The last move of each of these objects, where there is one to remember."""
    query = select(moves).where(moves.c.object_id.in_(object_ids))
    rows = (MoveRow(**row) for row in connection.execute(query).mappings())
    return {row.object_id: row for row in rows}


def failing(connection: Connection, limit: int = 10) -> list[MoveRow]:
    """Moves that failed last, for a person to see why."""
    query = select(moves).where(moves.c.state == MoveState.FAILED)
    rows = connection.execute(query.order_by(moves.c.not_before).limit(limit)).mappings()
    return [MoveRow(**row) for row in rows]


def forget_rested(connection: Connection, at: str) -> None:
    """Remove what need not be remembered any more."""
    done = and_(moves.c.state == MoveState.DONE, moves.c.not_before <= at)
    connection.execute(delete(moves).where(done))


def still_counts(connection: Connection, node: str) -> bool:
    """Whether any copy on this node counts as good."""
    query = select(copies.c.node).where(
        copies.c.node == node, copies.c.state == CopyState.COMMITTED
    )
    return connection.scalar(query.limit(1)) is not None


def give_up(connection: Connection, node: str, at: str) -> int:
    """Count nothing on a node that is lost; how many copies counted until now."""
    open_there = and_(findings.c.node == node, findings.c.mended_at.is_(None))
    values = {"mended_at": at, "outcome": "its node was given up as lost"}
    connection.execute(update(findings).where(open_there).values(values))
    return of_packages.forget_node(connection, node)


def found_again(connection: Connection, node: str, kept: Sequence[tuple[str, str]], at: str) -> int:
    """Count the copies of a node that came back and that its own sweep has found intact.

    `kept`: object id and inventory digest, as the node listed them.
    """
    counted = 0
    for object_id, inventory_sha256 in kept:
        query = select(packages.c.id, packages.c.inventory_sha256).where(
            packages.c.object_id == object_id, packages.c.state == PackageState.STORED
        )
        versions = connection.execute(query.order_by(packages.c.version)).all()
        if versions and versions[-1].inventory_sha256 == inventory_sha256:
            counted += of_packages.count_again(connection, [row.id for row in versions], node, at)
    return counted


def _lacking(staying: Staying) -> tuple[ColumnElement[bool], ...]:
    """Of the newest stored version of an object: fewer copies stay than are wanted."""
    stays = copies.alias("stays")
    count = (
        select(func.count())
        .select_from(stays)
        .where(
            stays.c.package_id == packages.c.id,
            or_(
                stays.c.node.in_(sorted(staying.up)),
                and_(
                    stays.c.node.in_(sorted(staying.giving)),
                    stays.c.state == CopyState.COMMITTED,
                ),
            ),
        )
        .correlate(packages)
        .scalar_subquery()
    )
    return IS_NEWEST_STORED, count < packages.c.copies_wanted


def _held(connection: Connection, found: Sequence[Package]) -> list[HeldObject]:
    states: dict[int, list[tuple[str, CopyState]]] = {package.id: [] for package in found}
    query = select(copies.c.package_id, copies.c.node, copies.c.state)
    query = query.where(copies.c.package_id.in_(states)).order_by(copies.c.node)
    for row in connection.execute(query):
        states[row.package_id].append((row.node, row.state))
    return [HeldObject(package, tuple(states[package.id])) for package in found]
