"""A fixity report says what was checked, and never well of what was not (fixity_assembly.py)."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from replication.fixity_assembly import assemble
from replication.fixity_report import LISTED_MAX, FixityReport, decode, encode, schema
from replication.told import Away, Heard
from storage.catalogue.absences import Absence
from storage.catalogue.figures import SafetyFigures
from storage.catalogue.fixity import CopyGroup, FixityFacts, Period
from storage.catalogue.model import CopyState, Suspect
from storage.model import VerifyMode
from storage.sweep.account import CheckedAges
from storage.sweep.model import ClassForecast
from tests.unit.replication.fixity_samples import (
    END,
    FACTS,
    FINDING,
    HEADING,
    START,
    SWEPT_AT,
    told,
    two_nodes,
)

SCHEMA = Path(__file__).parents[3] / "docs/formats/fixity-report.v1.schema.json"


def codes(report: FixityReport, weight: str = "exception") -> list[tuple[str, str | None]]:
    return [(each.code, each.node) for each in report.remarks if each.weight == weight]


def made(second: Heard | None = None, facts: FixityFacts = FACTS) -> FixityReport:
    return assemble(HEADING, facts, two_nodes(second))


def test_a_healthy_archive_has_no_exceptions() -> None:
    report = made()
    assert (report.conclusion, report.remarks) == ("no-exceptions", [])
    assert [node.deadline for node in report.nodes] == ["kept", "kept"]
    assert report.findings.listed[0].outcome == "mended from node-1"
    assert (report.repairs.mended, report.repairs.failed) == (1, 0)
    assert report.report_id == "fixity-2026-11-01-2026-12-01-20261201T001500Z"


def test_without_nodes_nothing_was_checked() -> None:
    report = assemble(HEADING, replace(FACTS, copies=[], sweeps=[]), {})
    assert codes(report) == [("no-node", None)]


def test_a_node_that_never_answered_is_an_exception_and_nothing_is_claimed_of_it() -> None:
    report = made(Away("node-2 did not greet us", None))
    assert report.conclusion == "exceptions"
    assert codes(report) == [("node-away", "node-2")]
    away = report.nodes[1]
    assert (away.answered, away.deadline, away.ages, away.objects) == (
        False,
        "not-known",
        None,
        None,
    )


def test_what_a_node_said_before_it_went_away_does_not_count_as_kept() -> None:
    report = made(Away("lost", told()))
    away = report.nodes[1]
    assert (away.deadline, away.heard_at, away.objects) == ("not-known", told().at, 10)
    assert codes(report) == [("node-away", "node-2")]


def test_a_node_away_by_plan_is_told_apart_from_one_that_is_lost() -> None:
    until = "2026-12-02T00:00:00.000000Z"
    planned = Absence("node-2", SWEPT_AT, until, "the rack is moved", "zhang")
    nodes = two_nodes(Away("no answer", told()))
    nodes["node-2"] = replace(nodes["node-2"], absence=planned)
    report = assemble(HEADING, FACTS, nodes)
    assert codes(report) == [("away-by-plan", "node-2")]
    assert report.conclusion == "exceptions", "nobody looked at its copies, planned or not"
    absence = report.nodes[1].absence
    assert absence is not None
    assert (absence.until, absence.reason) == (until, "the rack is moved")
    assert (report.nodes[0].absence, report.nodes[1].deadline) == (None, "not-known")


def test_a_reading_older_than_the_deadline_is_missed() -> None:
    report = made(told(oldest_checked_at="2026-10-31T00:00:00.000000Z"))
    assert report.nodes[1].deadline == "missed"
    assert codes(report) == [("deadline-missed", "node-2")]


def test_a_sweep_that_is_not_believed_proves_nothing() -> None:
    report = made(told(broken="3 planted damages were not seen"))
    assert report.nodes[1].deadline == "not-known"
    assert codes(report) == [("sweep-broken", "node-2")]


def test_the_forecast_of_each_class_is_passed_on_as_the_node_gave_it() -> None:
    later = ClassForecast("default", 90.0, 5_000, 1_000, "2026-12-09T00:00:00.000000Z", 400_000)
    late = ClassForecast("urgent", 30.0, 9_000, 1_000, "2027-01-09T00:00:00.000000Z", -1)
    report = made(told(forecasts=(later,)))
    (given,) = report.nodes[1].forecasts
    assert (given.name, given.left_bytes, given.finish_at, given.slack_s) == (
        "default",
        5_000,
        later.finish_at,
        400_000,
    )
    assert report.conclusion == "no-exceptions"
    slips = made(told(forecasts=(later, late)))
    assert codes(slips) == [("forecast-late", "node-2")]


def test_an_empty_node_keeps_no_deadline_and_misses_none() -> None:
    report = made(told(oldest_checked_at=None, objects=0, ages=CheckedAges()))
    assert report.nodes[1].deadline == "nothing-stored"


def test_a_read_only_volume_is_an_exception() -> None:
    assert codes(made(told(state="read-only"))) == [("volume-not-ready", "node-2")]


def test_what_no_sweep_has_read_yet_is_noted() -> None:
    report = made(told(ages=CheckedAges(under_30_days=7, never=3)))
    assert codes(report, "note") == [("not-yet-swept", "node-2")]
    assert report.conclusion == "no-exceptions"


@pytest.mark.parametrize(("end", "weight"), [(END, "exception"), ("2026-11-08", "note")])
def test_a_period_without_a_sweep_is_an_exception_once_it_is_as_long_as_the_deadline(
    end: str, weight: str
) -> None:
    until = end if end == END else f"{end}T00:00:00.000000Z"
    facts = replace(FACTS, sweeps=FACTS.sweeps[:1])
    report = assemble(replace(HEADING, period=Period(START, until)), facts, two_nodes())
    assert codes(report, weight) == [("no-sweep-finished", "node-2")]


def test_missing_copies_open_findings_and_unproven_disks_are_exceptions() -> None:
    safety = SafetyFigures(10, 2, 1, 1, {CopyState.DAMAGED: 2}, 3)
    unproven = CopyGroup("node-2", "room-2", VerifyMode.UNPROVEN, CopyState.COMMITTED, 4)
    facts = replace(FACTS, safety=safety, copies=[*FACTS.copies, unproven])
    assert [code for code, _ in codes(made(facts=facts))] == [
        "copies-below-target",
        "no-good-copy",
        "at-risk",
        "unproven",
        "findings-open",
    ]


def test_a_suspect_is_an_exception_and_audits_without_agreement_are_noted() -> None:
    suspect = Suspect("node-2", SWEPT_AT, "answered otherwise than it reads")
    outcomes = Counter(agreed=5, settled=1, unanswered=2)
    report = made(facts=replace(FACTS, suspects=[suspect], audits_by_outcome=outcomes))
    assert codes(report) == [("node-suspected", "node-2")]
    assert codes(report, "note") == [("audit-not-agreed", None)]


def test_copies_on_a_node_that_nobody_asked_are_an_exception() -> None:
    gone = CopyGroup("node-9", "room-9", VerifyMode.EVICTED, CopyState.COMMITTED, 4)
    facts = replace(FACTS, copies=[*FACTS.copies, gone])
    assert codes(made(facts=facts)) == [("node-not-configured", "node-9")]


def test_a_list_that_was_cut_is_noted_and_the_counts_are_whole() -> None:
    facts = replace(
        FACTS,
        findings=[FINDING] * (LISTED_MAX + 5),
        findings_by_kind=Counter(altered=LISTED_MAX + 5),
    )
    report = made(facts=facts)
    assert codes(report, "note") == [("list-cut", None)]
    assert (report.findings.found, len(report.findings.listed)) == (LISTED_MAX + 5, LISTED_MAX)


def test_every_remark_is_said_in_both_languages() -> None:
    report = made(Away("lost", told()))
    assert all(each.message.isascii() and not each.message_zh.isascii() for each in report.remarks)


def test_a_report_is_read_as_it_was_written_and_nothing_else_is() -> None:
    report = made(Away("lost", None))
    assert decode(encode(report)) == report
    members = json.loads(encode(report))
    for spoilt in (
        members | {"more": 1},
        members | {"format": "lantai.fixity-report.v2"},
        {name: value for name, value in members.items() if name != "remarks"},
        members | {"conclusion": "ok"},
    ):
        with pytest.raises(msgspec.ValidationError):
            decode(json.dumps(spoilt).encode())


def test_the_shipped_schema_is_that_of_the_format() -> None:
    assert SCHEMA.read_bytes() == schema()


def test_the_field_tables_name_every_member() -> None:
    page = SCHEMA.with_name("fixity-report.md").read_text("utf-8")
    described = json.loads(schema())["$defs"]
    missing = [
        f"{name}.{member}"
        for name, each in described.items()
        for member in each["properties"]
        if f"`{member}`" not in page
    ]
    assert missing == []
