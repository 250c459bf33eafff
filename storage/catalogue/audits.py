"""Audits: which packages to ask about, and what the last audit of each said.

docs/wire/audit.md. One row for each package, the last audit; every audit is an event. Deciding is
replication's affair.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    func,
    insert,
    literal_column,
    select,
    update,
)

from storage.catalogue import events
from storage.catalogue.model import (
    Actor,
    NewEvent,
    Package,
    PackageState,
)
from storage.catalogue.schema import audits, packages
from storage.catalogue.statements import columns_of

AUDIT_COMPARED = "audit.compared"
# Literals, as in `ix_audits_open`: a parameter would keep the database from using that index.
OPEN_OUTCOMES: tuple[ColumnElement[str], ...] = (
    literal_column("'suspect'"),
    literal_column("'undecided'"),
)
# A statement takes 32,766 values (SQLite) or 65,535 (PostgreSQL).
_NUMBERS_AT_ONCE = 10_000
_AUDITED: Select[Any] = select(
    packages.c.object_id, packages.c.version, audits.c.audited_at, audits.c.outcome
).join(packages, packages.c.id == audits.c.package_id)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What one audit of one package came to. `detail` is a JSON object with its evidence."""

    package_id: int
    audited_at: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class AuditedPackage:
    """The last audit of one package."""

    object_id: str
    version: int
    audited_at: str
    outcome: str


def highest_number(connection: Connection) -> int:
    """Of any package; 0 when there is none."""
    return connection.scalar(select(func.max(packages.c.id))) or 0


def auditable(connection: Connection, numbers: Iterable[int]) -> list[Package]:
    """Those of these packages that are stored and the newest version of their object.

    None of an object that gets a version at present: its nodes have it at different moments.
    """
    later = packages.alias("later")
    is_superseded = (
        select(later.c.id)
        .where(
            later.c.object_id == packages.c.object_id,
            later.c.version > packages.c.version,
        )
        .exists()
    )
    newest = select(*columns_of(packages, Package)).where(
        packages.c.state == PackageState.STORED, ~is_superseded
    )
    wanted = iter(numbers)
    found: list[Package] = []
    while some := list(islice(wanted, _NUMBERS_AT_ONCE)):
        rows = connection.execute(newest.where(packages.c.id.in_(some))).mappings()
        found += [Package(**row) for row in rows]
    return found


def last_at(connection: Connection, now: str) -> str | None:
    """When anything was last audited; what is later than `now` was noted by a wrong clock."""
    query = select(func.max(audits.c.audited_at)).where(audits.c.audited_at <= now)
    latest: str | None = connection.scalar(query)
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


def page(connection: Connection, *, limit: int = 100) -> list[AuditedPackage]:
    """Last audits, newest first."""
    return _listed(connection, _AUDITED.order_by(audits.c.audited_at.desc()).limit(limit))


def still_open(connection: Connection, *, limit: int = 100) -> list[AuditedPackage]:
    """Packages whose last audit left a question that only a person can answer."""
    query = _AUDITED.where(audits.c.outcome.in_(OPEN_OUTCOMES))
    return _listed(connection, query.order_by(audits.c.package_id).limit(limit))


def _listed(connection: Connection, query: Select[Any]) -> list[AuditedPackage]:
    return [AuditedPackage(*row) for row in connection.execute(query)]
