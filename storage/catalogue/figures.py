"""Counts for alarms and graphs, each answered by an index and never by reading a table whole.

What they mean is monitoring/metrics.py's; a hundred million packages must not make a scrape slow.
"""

from collections.abc import Set
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, literal, select

from storage.catalogue import tallies
from storage.catalogue.model import CopyState, PackageState, TransferState
from storage.catalogue.schema import copies, findings, packages, transfers
from storage.catalogue.transitions import DECIDED


@dataclass(frozen=True, slots=True)
class SafetyFigures:
    """How safe the whole is."""

    packages: int
    below_target: int
    at_risk: int  # packages with at most one good copy on nodes that are not away by plan
    without_good_copy: int  # AT_RISK: nothing is left to mend from
    bad_copies: dict[CopyState, int]
    findings_open: int


def safety(connection: Connection, away: Set[str] = frozenset()) -> SafetyFigures:
    """Count what is wrong; `ix_packages_below_target` and `ix_findings_open` answer.

    Copies on nodes that are `away` by plan count neither as bad nor as good. Only packages that
    lack a copy besides are counted at risk: of the others nothing is worse than was planned.
    """
    below = (
        packages.c.copies_committed < packages.c.copies_wanted,
        packages.c.state == PackageState.STORED,
    )
    at_risk = (*below, packages.c.copies_committed - _copies_on(away) <= 1)
    by_state = (
        select(copies.c.state, func.count().label("copies"))
        .join(packages, packages.c.id == copies.c.package_id)
        .where(*below, copies.c.state != CopyState.COMMITTED)
        .group_by(copies.c.state)
    )
    bad = {CopyState.DAMAGED: 0, CopyState.MISSING: 0}
    bad |= {row.state: row.copies for row in connection.execute(by_state)}
    return SafetyFigures(
        packages=sum(held.packages for held in tallies.holdings(connection)),
        below_target=_count(connection, *below),
        at_risk=_count(connection, *at_risk),
        without_good_copy=_count(connection, *below, packages.c.copies_committed == 0),
        bad_copies=bad,
        findings_open=connection.scalar(
            select(func.count()).select_from(findings).where(findings.c.mended_at.is_(None))
        )
        or 0,
    )


def oldest_unanswered(connection: Connection) -> str | None:
    """When the oldest transfer that is not decided was noticed, or None."""
    query = select(func.min(transfers.c.created_at)).where(
        transfers.c.closed_at.is_(None), transfers.c.state.not_in(DECIDED)
    )
    oldest: str | None = connection.scalar(query)
    return oldest


def oldest_unregistered(connection: Connection) -> str | None:
    """Since when the oldest transfer that awaits its registration has done so, or None."""
    query = select(func.min(transfers.c.updated_at)).where(
        transfers.c.closed_at.is_(None),
        transfers.c.state == TransferState.AWAITING_REGISTRATION,
    )
    oldest: str | None = connection.scalar(query)
    return oldest


def _copies_on(away: Set[str]) -> ColumnElement[int]:
    """How many good copies of a package lie there."""
    if not away:
        return literal(0)
    return (
        select(func.count())
        .where(
            copies.c.package_id == packages.c.id,
            copies.c.state == CopyState.COMMITTED,
            copies.c.node.in_(sorted(away)),
        )
        .correlate(packages)
        .scalar_subquery()
    )


def _count(connection: Connection, *where: object) -> int:
    query = select(func.count()).select_from(packages).where(*where)  # type: ignore[arg-type]  # SQL
    return connection.scalar(query) or 0
