"""What the keeper's repairs leave on record: a good copy, closed findings, an event, together.

A finding of an object is closed by nothing but a copy that its node has proven anew.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, func, insert, select, update

from storage.catalogue import copies, events
from storage.catalogue import findings as found_damage
from storage.catalogue.copies import CopyStanding
from storage.catalogue.model import Actor, Copy, CopyState, NewEvent, NodeFinding, Package
from storage.catalogue.schema import findings, mends, packages

# What became of a finding, in words.
MENDED_FROM = "mended from {}"
VERIFIED = "read again whole and found intact"


@dataclass(frozen=True, slots=True)
class ToldFinding:
    """What a node found, and what its copy of which package is by that."""

    found: NodeFinding
    package_id: int | None  # None: the catalogue knows no such object as stored
    state: CopyState
    mended_at: str | None = None  # None: open by the node's own word


@dataclass(frozen=True, slots=True)
class DoubtedCopy:
    """How a copy stood when the keeper began to look into it."""

    package_id: int
    standing: CopyStanding


@dataclass(frozen=True, slots=True)
class FailedMend:
    """A copy that could not be replaced, from which node, and why."""

    package_id: int
    node: str
    object_id: str
    source: str
    reason: str
    attempt: int  # which try this was: 1, 2, …
    not_before: str  # when another may be made


@dataclass(frozen=True, slots=True)
class Tries:
    """How often mending one copy was tried in vain, and when it may be tried again."""

    node: str
    object_id: str
    attempts: int
    not_before: str


def record_found(connection: Connection, told: ToldFinding, at: str) -> bool:
    """Note what a node found and, with it, that its copy is no longer good.

    Nor is any other version of that object. What was mended before it was heard of is on record
    and says nothing of the copy that is there now. False when this number of this node is on
    record already.
    """
    found = told.found
    new = found_damage.record(connection, found, at, mended_at=told.mended_at)
    is_bad = told.package_id is not None and told.mended_at is None
    if new and is_bad and found.object_id is not None:
        copies.mark_object(connection, found.object_id, found.node, told.state)
    return new


def record_all_found(
    connection: Connection, told: Iterable[ToldFinding], at: str
) -> list[NodeFinding]:
    """Note a page of findings, all or none; gives those that were not on record already."""
    return [each.found for each in told if record_found(connection, each, at)]


def record_by_keeper(
    connection: Connection,
    found: NodeFinding,
    doubted: DoubtedCopy,
    state: CopyState,
    actor: Actor,
    at: str,
) -> bool:
    """Note what the keeper found itself: a copy is not what its node signed for.

    Its number is given here. False when the copy no longer stands as it did when it was doubted:
    it was found, mended or proven meanwhile.
    """
    assert found.object_id is not None, found
    if copies.standing(connection, doubted.package_id, found.node) != doubted.standing:
        return False
    number = found_damage.next_of_keeper(connection, found.node)
    new = found_damage.record(connection, replace(found, sequence=number), at, actor)
    if new:
        copies.mark_object(connection, found.object_id, found.node, state)
    return new


def record_verified(
    connection: Connection, package: Package, node: str, newest: int, actor: Actor, at: str
) -> bool:
    """Note that a copy which did not count was read whole by its node and is intact.

    False when more was found of it than the finding `newest` since the node began to read.
    """
    if found_damage.newest_of_copy(connection, node, package.object_id) != newest:
        return False
    known = select(packages.c.id).where(
        packages.c.object_id == package.object_id, packages.c.version <= package.version
    )
    copies.count_again(connection, connection.scalars(known).all(), node, at)
    closed = _close(connection, node, package.object_id, VERIFIED, at)
    event = NewEvent(
        "copy.verified", "done", package_id=package.id, node=node,
        detail=json.dumps({"findings": closed}),
    )  # fmt: skip
    events.append(connection, event, actor, at)
    return True


def record_mended(
    connection: Connection, copy: Copy, object_id: str, source: str, actor: Actor, at: str
) -> None:
    """Note that `copy` took the place of a bad one, by bytes from the node `source`.

    `copy` is of the newest version; the node has proven the earlier ones with it.
    """
    copies.record(connection, copy)
    copies.mark_object(connection, object_id, copy.node, copy.state)
    closed = _close(connection, copy.node, object_id, MENDED_FROM.format(source), at)
    evidence = {
        "source": source,
        "findings": closed,
        "verify_mode": copy.verify_mode,
        "committed_at": copy.committed_at,
        "answer_sha256": hashlib.sha256(copy.answer.payload).hexdigest(),
    }
    event = NewEvent(
        "copy.mended", "done", package_id=copy.package_id, node=copy.node,
        detail=json.dumps(evidence),
    )  # fmt: skip
    events.append(connection, event, actor, at)


def record_failed(connection: Connection, failed: FailedMend, actor: Actor, at: str) -> None:
    """Note that a copy was to be mended and was not; its findings stay open."""
    _count_try(connection, failed)
    evidence = {"source": failed.source, "reason": failed.reason}
    event = NewEvent(
        "copy.mend-failed", "failed", package_id=failed.package_id, node=failed.node,
        detail=json.dumps(evidence, ensure_ascii=False),
    )  # fmt: skip
    events.append(connection, event, actor, at)


def mended_since(connection: Connection, moment: str, found_from: str = "") -> dict[str, int]:
    """How many objects were mended on each node since `moment`: what a storm guard counts.

    Only those whose damage was found from `found_from` on.
    """
    query = (
        select(findings.c.node, func.count(findings.c.object_id.distinct()).label("objects"))
        .where(
            findings.c.mended_at >= moment,
            findings.c.found_at >= found_from,
            findings.c.object_id.is_not(None),
        )
        .group_by(findings.c.node)
    )
    return {row.node: row.objects for row in connection.execute(query)}


def tries(connection: Connection) -> dict[tuple[str, str], Tries]:
    """By node and object: copies that could not be mended so far, all that were ever planned."""
    query = select(mends.c.node, mends.c.object_id, mends.c.attempts, mends.c.not_before)
    rows = connection.execute(query)
    return {(row.node, row.object_id): Tries(*row) for row in rows}


def _close(connection: Connection, node: str, object_id: str, outcome: str, at: str) -> list[int]:
    """End all findings of a copy that is proven good; their numbers."""
    of_copy = (findings.c.node == node, findings.c.object_id == object_id)
    closing = update(findings).where(*of_copy, findings.c.mended_at.is_(None))
    ended = closing.values(mended_at=at, outcome=outcome).returning(findings.c.sequence)
    closed = sorted(connection.scalars(ended))
    connection.execute(delete(mends).where(mends.c.node == node, mends.c.object_id == object_id))
    return closed


def _count_try(connection: Connection, failed: FailedMend) -> None:
    where = (mends.c.node == failed.node, mends.c.object_id == failed.object_id)
    values = {
        "attempts": failed.attempt,
        "not_before": failed.not_before,
        "reason": failed.reason,
    }
    if not connection.execute(update(mends).where(*where).values(values)).rowcount:
        named = {"node": failed.node, "object_id": failed.object_id}
        connection.execute(insert(mends).values(named | values))
