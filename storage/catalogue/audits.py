"""Audits: which packages to ask about, what the last audit of each said, and which nodes lied.

docs/wire/audit.md. One row for each package, the last audit; every audit is an event. Deciding is
replication's affair.
"""

import json
from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select, update

from storage.catalogue import events
from storage.catalogue.model import (
    Actor,
    AuditedPackage,
    AuditRecord,
    NewEvent,
    Package,
    PackageState,
    Suspect,
)
from storage.catalogue.schema import audits, packages, suspects
from storage.catalogue.statements import insert_new

AUDIT_COMPARED = "audit.compared"
NODE_SUSPECTED = "node.suspected"
NODE_TRUSTED = "node.trusted"


def highest_number(connection: Connection) -> int:
    """Of any package; 0 when there is none."""
    return connection.scalar(select(func.max(packages.c.id))) or 0


def auditable(connection: Connection, numbers: Iterable[int]) -> list[Package]:
    """Those of these packages that are stored and the newest version of their object."""
    later = packages.alias("later")
    is_superseded = (
        select(later.c.id)
        .where(
            later.c.object_id == packages.c.object_id,
            later.c.version > packages.c.version,
            later.c.state == PackageState.STORED,
        )
        .exists()
    )
    query = select(packages).where(
        packages.c.id.in_(list(numbers)), packages.c.state == PackageState.STORED, ~is_superseded
    )
    return [Package(**row) for row in connection.execute(query).mappings()]


def last_at(connection: Connection) -> str | None:
    """When anything was last audited."""
    latest: str | None = connection.scalar(select(func.max(audits.c.audited_at)))
    return latest


def record(connection: Connection, audit: AuditRecord, actor: Actor) -> None:
    """Note what an audit came to, on record for ever and as the last one of its package."""
    values = {
        "package_id": audit.package_id,
        "audited_at": audit.audited_at,
        "outcome": audit.outcome,
    }
    changed = connection.execute(
        update(audits).where(audits.c.package_id == audit.package_id).values(values)
    )
    if not changed.rowcount:
        connection.execute(insert(audits).values(values))
    event = NewEvent(
        AUDIT_COMPARED, audit.outcome, package_id=audit.package_id, detail=audit.detail
    )
    events.append(connection, event, actor, audit.audited_at)


def tally(connection: Connection) -> dict[str, int]:
    """Packages by the outcome of their last audit."""
    query = select(audits.c.outcome, func.count().label("packages")).group_by(audits.c.outcome)
    return {row.outcome: row.packages for row in connection.execute(query)}


def page(
    connection: Connection, *, outcomes: Iterable[str] | None = None, limit: int = 100
) -> list[AuditedPackage]:
    """Last audits, newest first; of all packages, or of those with one of `outcomes`."""
    columns = packages.c.object_id, packages.c.version, audits.c.audited_at, audits.c.outcome
    query = select(*columns).join(packages, packages.c.id == audits.c.package_id)
    if outcomes is not None:
        query = query.where(audits.c.outcome.in_(list(outcomes)))
    query = query.order_by(audits.c.audited_at.desc()).limit(limit)
    return [AuditedPackage(*row) for row in connection.execute(query)]


def suspect(connection: Connection, node: str, reason: str, actor: Actor, at: str) -> bool:
    """Note that a node is not to be believed. False when that is known already."""
    new = insert_new(connection, suspects, Suspect, {"node": node, "since": at, "reason": reason})
    if new is not None:
        event = NewEvent(
            NODE_SUSPECTED, "suspect", node=node, detail=json.dumps({"reason": reason})
        )
        events.append(connection, event, actor, at)
    return new is not None


def trust(connection: Connection, node: str, actor: Actor, at: str) -> bool:
    """A person says that a node is to be believed again. False when it was all the time."""
    done = connection.execute(delete(suspects).where(suspects.c.node == node))
    if done.rowcount:
        events.append(connection, NewEvent(NODE_TRUSTED, "done", node=node), actor, at)
    return bool(done.rowcount)


def suspected(connection: Connection) -> list[Suspect]:
    """Every node that is not to be believed."""
    query = select(suspects).order_by(suspects.c.node)
    return [Suspect(**row) for row in connection.execute(query).mappings()]
