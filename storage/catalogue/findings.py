"""Findings: damage as the nodes report it, and what became of it.

The keeper asks each node for what follows `last_sequence` and records it here. What it finds itself
of a node's copies has negative numbers, so that both are unique. Deciding what to do is
replication's affair.
"""

import json
from dataclasses import asdict, fields

from sqlalchemy import Connection, func, select, update

from storage.catalogue import events
from storage.catalogue.model import Actor, CataloguedFinding, NewEvent, NodeFinding
from storage.catalogue.schema import findings, packages
from storage.catalogue.statements import insert_new

# What became of a finding, in words.
MENDED_BEFORE = "mended before it was heard of"


def record(
    connection: Connection,
    finding: NodeFinding,
    at: str,
    actor: Actor | None = None,
    mended_at: str | None = None,
) -> bool:
    """Note what a node found, or `actor` of it, and whether that was mended before it was heard of.

    False when this number is on record already.
    """
    outcome = "" if mended_at is None else MENDED_BEFORE
    new = asdict(finding) | {"recorded_at": at, "mended_at": mended_at, "outcome": outcome}
    if insert_new(connection, findings, CataloguedFinding, new) is None:
        return False
    events.append(
        connection,
        NewEvent(
            "finding.recorded",
            finding.kind,
            package_id=_package(connection, finding.object_id),
            node=finding.node,
            detail=_in_short(finding, mended_at),
        ),
        actor or Actor(finding.node, "sweep"),
        finding.found_at,
    )
    return True


def last_sequence(connection: Connection, node: str) -> int:
    """The highest number that this node gave and is on record; 0 when there is none."""
    query = select(func.max(findings.c.sequence)).where(findings.c.node == node)
    return max(connection.scalar(query) or 0, 0)


def next_of_keeper(connection: Connection, node: str) -> int:
    """The number of what the keeper finds of this node next: -1, -2, …"""
    query = select(func.min(findings.c.sequence)).where(findings.c.node == node)
    return min(connection.scalar(query) or 0, 0) - 1


def newest_of_copy(connection: Connection, node: str, object_id: str) -> int:
    """The number of the row that was recorded last of this copy; 0 when there is none."""
    query = select(func.max(findings.c.id)).where(
        findings.c.node == node, findings.c.object_id == object_id
    )
    return connection.scalar(query) or 0


def close(connection: Connection, node: str, sequence: int, outcome: str, at: str) -> bool:
    """Note that a finding was mended or settled otherwise. False when it was closed already."""
    statement = update(findings).where(
        findings.c.node == node,
        findings.c.sequence == sequence,
        findings.c.mended_at.is_(None),
    )
    return bool(connection.execute(statement.values(mended_at=at, outcome=outcome)).rowcount)


def still_open(
    connection: Connection, *, after: int = 0, limit: int = 1000
) -> list[CataloguedFinding]:
    """Findings that nothing has become of yet, oldest first."""
    query = select(findings).where(findings.c.mended_at.is_(None), findings.c.id > after)
    rows = connection.execute(query.order_by(findings.c.id).limit(limit)).mappings()
    return [CataloguedFinding(**row) for row in rows]


def open_of_volume(connection: Connection, node: str, *, limit: int = 100) -> list[NodeFinding]:
    """Open findings of a node that concern no object: strays, and its own records."""
    columns = [findings.c[each.name] for each in fields(NodeFinding)]
    query = select(*columns).where(
        findings.c.mended_at.is_(None), findings.c.object_id.is_(None), findings.c.node == node
    )
    rows = connection.execute(query.order_by(findings.c.id).limit(limit)).mappings()
    return [NodeFinding(**row) for row in rows]


def bad_copies(connection: Connection, *, limit: int = 1000) -> list[CataloguedFinding]:
    """The oldest open finding of each copy that has any, oldest first; `limit` copies of a node.

    One object may have a finding for each of its files, and a node that nobody mends one for each
    of its objects: they must not hide another's.
    """
    number = func.min(findings.c.id)
    place = func.row_number().over(partition_by=findings.c.node, order_by=number)
    first = (
        select(number.label("id"), place.label("place"))
        .where(findings.c.mended_at.is_(None), findings.c.object_id.is_not(None))
        .group_by(findings.c.node, findings.c.object_id)
        .subquery()
    )
    query = select(findings).join(first, findings.c.id == first.c.id)
    query = query.where(first.c.place <= limit).order_by(findings.c.id)
    return [CataloguedFinding(**row) for row in connection.execute(query).mappings()]


def page(
    connection: Connection,
    *,
    only_open: bool = False,
    node: str | None = None,
    object_id: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[CataloguedFinding]:
    """Findings, newest first; of one object, one node, or those that are open."""
    query = select(findings).order_by(findings.c.id.desc()).limit(limit)
    if only_open:
        query = query.where(findings.c.mended_at.is_(None))
    if node is not None:
        query = query.where(findings.c.node == node)
    if object_id is not None:
        query = query.where(findings.c.object_id == object_id)
    if before is not None:
        query = query.where(findings.c.id < before)
    return [CataloguedFinding(**row) for row in connection.execute(query).mappings()]


def _package(connection: Connection, object_id: str | None) -> int | None:
    """The newest version of the object, which is the one that a sweep reads whole."""
    if object_id is None:
        return None
    query = select(packages.c.id).where(packages.c.object_id == object_id)
    return connection.scalar(query.order_by(packages.c.version.desc()).limit(1))


def _in_short(finding: NodeFinding, mended_at: str | None) -> str:
    """For the ledger: which finding it is, and the evidence. The path stays in the finding."""
    members = {"finding": finding.sequence, "object_id": finding.object_id}
    members |= {} if mended_at is None else {"mended_at": mended_at}
    try:
        evidence = json.loads(finding.evidence) if finding.evidence else None
    except ValueError:
        evidence = finding.evidence  # what a node says is kept, whatever it is
    return json.dumps(members | {"evidence": evidence}, ensure_ascii=False)
