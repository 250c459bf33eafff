"""Findings: damage as the nodes report it, and what became of it.

The keeper asks each node for what follows `last_sequence` and records it here. Deciding what to do
is replication's affair.
"""

from dataclasses import asdict

from sqlalchemy import Connection, func, select, update

from storage.catalogue.model import CataloguedFinding, NodeFinding
from storage.catalogue.schema import findings
from storage.catalogue.statements import insert_new


def record(connection: Connection, finding: NodeFinding, at: str) -> bool:
    """Note what a node found. False when this number of this node is on record already."""
    new = asdict(finding) | {"recorded_at": at, "outcome": ""}
    return insert_new(connection, findings, CataloguedFinding, new) is not None


def last_sequence(connection: Connection, node: str) -> int:
    """The highest number of this node on record; 0 when there is none."""
    query = select(func.max(findings.c.sequence)).where(findings.c.node == node)
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


def page(
    connection: Connection,
    *,
    object_id: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[CataloguedFinding]:
    """Findings, newest first, of one object or of all."""
    query = select(findings).order_by(findings.c.id.desc()).limit(limit)
    if object_id is not None:
        query = query.where(findings.c.object_id == object_id)
    if before is not None:
        query = query.where(findings.c.id < before)
    return [CataloguedFinding(**row) for row in connection.execute(query).mappings()]
