"""Volumes: which disk each node had when it was last asked, by the uuid of its node-identity.

docs/operations/repair.md, "Replaced disk". Another disk under an old name knows nothing of what
that node signed for, and numbers its findings from 1 again. Whether to fill it a person says.
"""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from storage.catalogue import copies, events, suspects, sweeps
from storage.catalogue import findings as found_damage
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.schema import findings, volumes

VOLUME_REPLACED = "node.volume-replaced"
GONE = "the disk it was on was replaced"
_REASON = "another volume ({}) stands under its name: confirm that its disk was replaced"


@dataclass(frozen=True, slots=True)
class KnownVolume:
    """What a node's number for a finding means here."""

    node: str
    node_uuid: str
    since: str
    findings_before: int  # its first finding is on record under the number after this one
    cycles_before: int = 0  # and its first sweep under the number after this one


def known(connection: Connection, node: str) -> KnownVolume | None:
    """The volume that was last met under this name."""
    row = connection.execute(select(volumes).where(volumes.c.node == node)).mappings().one_or_none()
    if row is None:
        return None
    return KnownVolume(**{**row, "cycles_before": row["cycles_before"] or 0})


def meet(connection: Connection, node: str, node_uuid: str, actor: Actor, at: str) -> bool:
    """Note which volume answers for a node. True when it took the place of another.

    Then no copy of the node counts as good, and the node is suspect until a person releases it.
    """
    before = known(connection, node)
    if before is None:
        connection.execute(
            insert(volumes).values(node=node, node_uuid=node_uuid, since=at, findings_before=0)
        )
        return False
    if before.node_uuid == node_uuid:
        return False
    numbers = found_damage.last_sequence(connection, node)
    connection.execute(
        update(volumes)
        .where(volumes.c.node == node)
        .values(
            node_uuid=node_uuid,
            since=at,
            findings_before=numbers,
            cycles_before=sweeps.last_number(connection, node),
        )
    )
    connection.execute(
        update(findings)
        .where(
            findings.c.node == node,
            findings.c.object_id.is_(None),
            findings.c.mended_at.is_(None),
        )
        .values(mended_at=at, outcome=GONE)
    )
    evidence = {
        "was": before.node_uuid,
        "is": node_uuid,
        "copies": copies.forget_node(connection, node),
    }
    event = NewEvent(VOLUME_REPLACED, "found", node=node, detail=json.dumps(evidence))
    events.append(connection, event, actor, at)
    suspects.name(connection, node, _REASON.format(node_uuid), actor, at)
    return True
