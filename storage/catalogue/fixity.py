"""What the catalogue knows of a period's fixity: copies, findings, repairs, audits, sweeps.

Facts for the fixity report (docs/formats/fixity-report.md), read in one transaction so that they
fit each other. Counting copies reads their whole table: for a report, never for a scrape. Judges
nothing.
"""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from storage.catalogue import acts, figures, suspects, sweeps, tallies
from storage.catalogue.acts import RecordedAct
from storage.catalogue.figures import SafetyFigures
from storage.catalogue.model import (
    CataloguedFinding,
    CopyState,
    Holdings,
    NodeSweep,
    PackageState,
    Suspect,
)
from storage.catalogue.schema import copies, findings, packages
from storage.model import VerifyMode

REPAIR_ACTS = ("copy.mended", "copy.mend-failed")
AUDIT_ACTS = "audit."


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` on and before `end`, both as the catalogue writes moments."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class CopyGroup:
    """Copies that are alike."""

    node: str
    domain: str
    verify_mode: VerifyMode
    state: CopyState
    copies: int


@dataclass(frozen=True, slots=True)
class DomainSpread:
    """So many stored packages have good copies in so many failure domains."""

    domains: int
    packages: int


@dataclass(frozen=True, slots=True)
class FixityFacts:
    """Counts are whole; of what is listed, at most as many as were asked for."""

    holdings: list[Holdings]
    safety: SafetyFigures
    copies: list[CopyGroup]
    spread: list[DomainSpread]
    suspects: list[Suspect]
    sweeps: list[NodeSweep]
    findings: list[CataloguedFinding]  # found in the period, or open
    findings_by_kind: Counter[str]  # found in the period
    repairs: list[RecordedAct]
    repairs_by_act: Counter[str]
    audits: list[RecordedAct]
    audits_by_outcome: Counter[str]


def facts(
    connection: Connection, period: Period, listed_max: int, away: Set[str] = frozenset()
) -> FixityFacts:
    """Everything that is known of `period`, and of the copies as they are now.

    What lies on nodes that are `away` by plan is no good copy.
    """
    repairs, audits = acts.of_acts(REPAIR_ACTS), acts.of_noun(AUDIT_ACTS)
    return FixityFacts(
        holdings=tallies.holdings(connection),
        safety=figures.safety(connection, away),
        copies=_copies(connection),
        spread=_spread(connection, away),
        suspects=suspects.all_of(connection),
        sweeps=sweeps.finished_between(connection, period.start, period.end, listed_max),
        findings=_findings(connection, period, listed_max),
        findings_by_kind=_findings_by_kind(connection, period),
        repairs=acts.between(connection, repairs, period.start, period.end, listed_max),
        repairs_by_act=acts.count(connection, repairs, period.start, period.end, "act"),
        audits=acts.between(connection, audits, period.start, period.end, listed_max),
        audits_by_outcome=acts.count(connection, audits, period.start, period.end, "outcome"),
    )


def _copies(connection: Connection) -> list[CopyGroup]:
    alike = copies.c.node, copies.c.domain, copies.c.verify_mode, copies.c.state
    query = (
        select(*alike, func.count())
        .join(packages, packages.c.id == copies.c.package_id)
        .where(packages.c.state == PackageState.STORED)
        .group_by(*alike)
        .order_by(*alike)
    )
    return [CopyGroup(*row) for row in connection.execute(query)]


def _spread(connection: Connection, away: Set[str]) -> list[DomainSpread]:
    good = (copies.c.state == CopyState.COMMITTED) & copies.c.node.not_in(sorted(away))
    each = (
        select(
            packages.c.id,
            func.count(copies.c.domain.distinct()).label("domains"),
        )
        .outerjoin(copies, (copies.c.package_id == packages.c.id) & good)
        .where(packages.c.state == PackageState.STORED)
        .group_by(packages.c.id)
        .subquery()
    )
    query = select(each.c.domains, func.count()).group_by(each.c.domains).order_by(each.c.domains)
    return [DomainSpread(*row) for row in connection.execute(query)]


def _findings(connection: Connection, period: Period, limit: int) -> list[CataloguedFinding]:
    found = (findings.c.found_at >= period.start) & (findings.c.found_at < period.end)
    query = select(findings).where(or_(found, findings.c.mended_at.is_(None)))
    rows = connection.execute(query.order_by(findings.c.id).limit(limit)).mappings()
    return [CataloguedFinding(**row) for row in rows]


def _findings_by_kind(connection: Connection, period: Period) -> Counter[str]:
    query = select(findings.c.kind, func.count()).where(
        findings.c.found_at >= period.start, findings.c.found_at < period.end
    )
    return Counter({row[0]: row[1] for row in connection.execute(query.group_by(findings.c.kind))})
