"""Put a fixity report together from facts, and say what is not as it should be.

docs/formats/fixity-report.md. Pure: facts, answers and the moment are arguments. What nobody looked
at is never called well: a node that is away, or a check that is not believed, is an exception.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from replication.fixity_remarks import remarks_of
from replication.fixity_report import (
    FORMAT,
    LISTED_MAX,
    Absence,
    Act,
    Ages,
    Audits,
    CopyCount,
    Deadline,
    Finding,
    Findings,
    FixityReport,
    Forecast,
    Node,
    Packages,
    Repairs,
    SourceHoldings,
    Span,
    Spread,
    Suspect,
    Sweep,
)
from replication.told import Away, Heard, Told
from storage.catalogue.absences import Absence as PlannedAbsence
from storage.catalogue.acts import RecordedAct
from storage.catalogue.fixity import FixityFacts, Period

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands at the head of a report."""

    archive: str
    made_at: str
    made_by: str
    period: Period


@dataclass(frozen=True, slots=True)
class NodeHeard:
    """One configured node and what was heard of it for this report."""

    domain: str
    heard: Heard
    absence: PlannedAbsence | None = None  # that lasts at the moment of the report


def assemble(heading: Heading, facts: FixityFacts, nodes: Mapping[str, NodeHeard]) -> FixityReport:
    """The report. `nodes` are all that are configured, whether they answered or not."""
    report = FixityReport(
        format=FORMAT,
        report_id=report_id(heading),
        archive=heading.archive,
        made_at=heading.made_at,
        made_by=heading.made_by,
        period=Span(heading.period.start, heading.period.end),
        conclusion="exceptions",
        remarks=[],
        holdings=[
            SourceHoldings(
                each.source, each.packages, each.files, each.content_bytes, each.rejected
            )
            for each in facts.holdings
        ],
        packages=Packages(
            facts.safety.packages,
            facts.safety.below_target,
            facts.safety.at_risk,
            facts.safety.without_good_copy,
            [Spread(each.domains, each.packages) for each in facts.spread],
        ),
        copies=[
            CopyCount(each.node, each.domain, each.verify_mode.value, each.state.value, each.copies)
            for each in facts.copies
        ],
        nodes=[_node(name, nodes[name], heading.made_at) for name in sorted(nodes)],
        suspects=[Suspect(each.node, each.since, each.reason) for each in facts.suspects],
        sweeps=list(_sweeps(facts)),
        findings=_findings(facts),
        repairs=Repairs(
            facts.repairs_by_act["copy.mended"],
            facts.repairs_by_act["copy.mend-failed"],
            [_act(each) for each in facts.repairs],
        ),
        audits=Audits(dict(sorted(facts.audits_by_outcome.items())), list(map(_act, facts.audits))),
    )
    remarks = list(remarks_of(report))
    clean = all(remark.weight == "note" for remark in remarks)
    return msgspec.structs.replace(
        report, remarks=remarks, conclusion="no-exceptions" if clean else "exceptions"
    )


def report_id(heading: Heading) -> str:
    """`fixity-2026-11-01-2026-12-01-20261201T001500Z`: period, and when it was made."""
    period, made = heading.period, heading.made_at
    stamp = made[:19].replace("-", "").replace(":", "")
    return f"fixity-{period.start[:10]}-{period.end[:10]}-{stamp}Z"


def _node(name: str, known: NodeHeard, made_at: str) -> Node:
    heard = known.heard
    told = heard.last if isinstance(heard, Away) else heard
    if told is None:
        assert isinstance(heard, Away)
        return Node(
            name, known.domain, False, heard.reason, None, None, None, None, None, None, None,
            "not-known", None, [], _absence(known.absence),
        )  # fmt: skip
    account = told.account
    return Node(
        node=name,
        domain=known.domain,
        answered=isinstance(heard, Told),
        reason=heard.reason if isinstance(heard, Away) else "",
        heard_at=told.at,
        state=told.state.state,
        objects=told.state.objects,
        content_bytes=told.state.content_bytes,
        ages=Ages(*account.ages),
        oldest_checked_at=account.oldest_checked_at,
        deadline_days=account.deadline_s / _DAY_S,
        deadline=_deadline(heard, made_at),
        sweep_broken=told.sweep.broken,
        forecasts=[
            Forecast(each.name, each.deadline_days, each.left_bytes, each.finish_at, each.slack_s)
            for each in told.sweep.forecasts
        ],
        absence=_absence(known.absence),
    )


def _absence(planned: PlannedAbsence | None) -> Absence | None:
    return None if planned is None else Absence(planned.since, planned.until, planned.reason)


def _deadline(heard: Heard, made_at: str) -> Deadline:
    if isinstance(heard, Away) or heard.sweep.broken:
        return "not-known"
    account = heard.account
    if account.oldest_checked_at is None:
        return "nothing-stored"
    made, oldest = map(datetime.fromisoformat, (made_at, account.oldest_checked_at))
    return "kept" if (made - oldest).total_seconds() <= account.deadline_s else "missed"


def _sweeps(facts: FixityFacts) -> Iterator[Sweep]:
    for each in facts.sweeps:
        assert each.finished_at is not None, "only sweeps that ended are listed"
        yield Sweep(
            each.node, each.cycle, each.started_at, each.finished_at,
            each.checked_objects, each.read_bytes, each.damaged_objects,
        )  # fmt: skip


def _findings(facts: FixityFacts) -> Findings:
    return Findings(
        found=facts.findings_by_kind.total(),
        open=facts.safety.findings_open,
        by_kind=dict(sorted(facts.findings_by_kind.items())),
        listed=[
            Finding(
                each.node, each.sequence, each.found_at, each.object_id, each.kind, each.path,
                each.detail, each.evidence, each.mended_at, each.outcome,
            )
            for each in facts.findings[:LISTED_MAX]
        ],
    )  # fmt: skip


def _act(recorded: RecordedAct) -> Act:
    event = recorded.event
    return Act(
        event.sequence, event.at, event.act, event.outcome, event.node,
        recorded.object_id, event.detail,
    )  # fmt: skip
