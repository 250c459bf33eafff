"""What the keeper's repairs leave on record: a good copy, closed findings, an event, together.

A finding of an object is closed by nothing but a copy that its node has proven anew.
"""

from sqlalchemy import Connection, func, select, update

from storage.catalogue import copies, events
from storage.catalogue.model import Actor, Copy, NewEvent
from storage.catalogue.schema import findings


def record_mended(
    connection: Connection, copy: Copy, object_id: str, source: str, actor: Actor, at: str
) -> None:
    """Note that `copy` took the place of a bad one, by bytes from the node `source`."""
    copies.record(connection, copy)
    closing = update(findings).where(
        findings.c.node == copy.node,
        findings.c.object_id == object_id,
        findings.c.mended_at.is_(None),
    )
    connection.execute(closing.values(mended_at=at, outcome=f"mended from {source}"))
    events.append(
        connection,
        NewEvent("copy.mended", "done", package_id=copy.package_id, node=copy.node),
        actor,
        at,
    )


def mended_since(connection: Connection, moment: str) -> dict[str, int]:
    """How many objects were mended on each node since `moment`: what a storm guard counts."""
    query = (
        select(findings.c.node, func.count(findings.c.object_id.distinct()).label("objects"))
        .where(findings.c.mended_at >= moment, findings.c.object_id.is_not(None))
        .group_by(findings.c.node)
    )
    return {row.node: row.objects for row in connection.execute(query)}
