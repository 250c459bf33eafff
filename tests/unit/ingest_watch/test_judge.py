"""Outcomes of checks, and what they add up to."""

import errno
import json
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Literal

import pytest
import structlog
from msgspec import structs

from ingest_watch.check_profile import CheckProfile, CheckRule, shipped_profile
from ingest_watch.checks.carrying_out import FINDINGS_MAX, carry_out_all
from ingest_watch.checks.check import (
    Check,
    CheckResult,
    Consequence,
    Examination,
    Examined,
    OfPackage,
    Outcome,
    Property,
    Text,
)
from ingest_watch.checks.report import CheckReport, Verdict
from ingest_watch.content_register import ContentRegister
from ingest_watch.findings import Finding, PackageRejected, Rule, Severity, shown
from ingest_watch.formats.bagit import BagIt
from ingest_watch.formats.package_format import Opening
from ingest_watch.instruments import Instruments
from ingest_watch.judge import Standards, judge
from ingest_watch.limits import IntakeLimits
from ingest_watch.listing import Listing
from ingest_watch.room import StagingFull
from ingest_watch.staging import inspect_folder, stage_file
from tests.bags import bag_files, judged, write_files
from tests.case_packages import case_zip

WARNING = Rule("w", Severity.WARNING, "at {place}", "在 {place}", "")
ERROR = Rule("e", Severity.ERROR, "bad", "坏", "")


def profile_of(**checks: CheckRule) -> CheckProfile:
    """A profile of bags with these checks, `_1_3` for 1-3."""
    named = {name.strip("_").replace("_", "-"): rule for name, rule in checks.items()}
    return CheckProfile(title="Test", title_zh="测试", formats=("bagit",), checks=named)


@pytest.fixture
def examined(tmp_path: Path) -> Iterator[Examined]:
    bag = write_files(tmp_path / "bag", bag_files())
    staged = inspect_folder(bag, tmp_path / "listing")
    with Listing.open(staged.listing) as listing:
        opened = BagIt().open(Opening(bag, listing, tmp_path))
        yield Examined(
            staged, opened, listing, profile_of(_4_9=CheckRule()),
            Instruments(today=date(2026, 11, 22)), ContentRegister(listing),
        )  # fmt: skip


def outcome_of(answer: Examination | Exception, examined: Examined) -> tuple[Outcome, int]:
    def examine(_: Examined) -> Examination:
        if isinstance(answer, Exception):
            raise answer
        return answer

    words = Text("Test", "测试")
    check = Check("4-9", words, Property.SAFETY, words, words, OfPackage(examine))
    (result,) = carry_out_all([check], examined)
    assert result.code == "YJ-4-9"
    return result.outcome, len(result.findings)


def raising() -> Iterator[Finding]:
    yield WARNING.found(place="a")
    raise ValueError("a bug")


def test_only_a_check_without_errors_passes(examined: Examined) -> None:
    assert outcome_of(iter([]), examined) == (Outcome.PASSED, 0)
    assert outcome_of(iter([WARNING.found(place="a")]), examined) == (Outcome.PASSED, 1)
    assert outcome_of(iter([WARNING.found(place="a"), ERROR.found()]), examined) == (
        Outcome.FAILED,
        2,
    )


@pytest.mark.parametrize("answer", [ValueError("a bug"), AssertionError(), OSError("cannot read")])
def test_a_check_that_raises_could_not_run(answer: Exception, examined: Examined) -> None:
    with structlog.testing.capture_logs():
        assert outcome_of(answer, examined) == (Outcome.COULD_NOT_RUN, 1)


@pytest.mark.parametrize(
    "trouble",
    [
        OSError(errno.EIO, "I/O"),
        OSError(errno.ENOSPC, "full"),
        sqlite3.OperationalError("disk I/O error"),
        sqlite3.DatabaseError("database disk image is malformed"),
        StagingFull("full"),
    ],
)
def test_what_the_disk_does_is_the_outcome_of_no_check(
    trouble: Exception, examined: Examined
) -> None:
    """The profile might let the package pass without that check; whoever prepares tries again."""
    with pytest.raises(type(trouble)):
        outcome_of(trouble, examined)


def test_a_check_that_raises_half_way_could_not_run(examined: Examined) -> None:
    with structlog.testing.capture_logs():
        assert outcome_of(raising(), examined) == (Outcome.COULD_NOT_RUN, 1)


def test_an_error_behind_the_last_finding_that_is_kept_still_fails_the_check(
    examined: Examined,
) -> None:
    findings = [WARNING.found(place="a")] * FINDINGS_MAX + [ERROR.found()]
    assert outcome_of(iter(findings), examined) == (Outcome.FAILED, FINDINGS_MAX + 1)


def test_the_virus_check_never_passes_without_a_scanner(tmp_path: Path) -> None:
    report = judged(write_files(tmp_path / "bag", bag_files()))
    (virus,) = [check for check in report.checks if check.code == "YJ-4-2"]
    assert virus.outcome is Outcome.COULD_NOT_RUN
    assert report.verdict == "acceptable"


def test_a_profile_that_needs_the_virus_check_leaves_the_package_unjudged(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag", bag_files())
    staged = inspect_folder(bag, tmp_path / "listing")
    needed = profile_of(_4_2=CheckRule(undone="hold"))
    assert judge(staged, Standards(profile=needed)).verdict == "not-judged"


@pytest.mark.parametrize(
    ("failed", "verdict"),
    [("reject", "rejected"), ("hold", "not-judged"), ("remark", "acceptable")],
)
def test_what_a_failed_check_does_to_the_package_is_its_profiles_to_say(
    tmp_path: Path, failed: Literal["reject", "hold", "remark"], verdict: str
) -> None:
    bag = write_files(tmp_path / "bag", bag_files())
    (bag / "data" / "surplus").write_bytes(b"x")
    staged = inspect_folder(bag, tmp_path / "listing")
    report = judge(staged, Standards(profile=profile_of(_4_3=CheckRule(failed=failed))))
    assert report.verdict == verdict
    (surplus,) = report.checks
    assert (surplus.outcome, surplus.consequence) == (Outcome.FAILED, Consequence(failed))


def test_of_several_checks_the_heaviest_consequence_decides(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag", bag_files())
    (bag / "data" / "surplus").write_bytes(b"x")
    (bag / "data" / "申请表.pdf").write_bytes(b"changed")
    checks = profile_of(_1_1=CheckRule(), _4_2=CheckRule(), _4_3=CheckRule(failed="hold"))
    staged = inspect_folder(bag, tmp_path / "listing")
    report = judge(staged, Standards(profile=checks))
    assert report.verdict == "rejected"
    assert {finding.code for finding in report.reasons()} == {"digest-mismatch"}


def test_the_stage_stands_before_every_code(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag", bag_files())
    archiving = structs.replace(shipped_profile("bagit"), stage="GD")
    report = judge(inspect_folder(bag, tmp_path / "listing"), Standards(profile=archiving))
    assert {check.code for check in report.checks} == {f"GD-{each}" for each in archiving.checks}


def test_a_format_that_the_source_may_not_send_is_refused(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag", bag_files())
    report = judge(inspect_folder(bag, tmp_path / "listing"), Standards(formats=()))
    assert report.verdict == "rejected"
    assert report.package_format is None


def test_a_package_that_cannot_be_opened_passes_nothing(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag", bag_files())
    (bag / "link").symlink_to("/")
    report = judged(bag)
    assert {check.outcome for check in report.checks} == {Outcome.FAILED, Outcome.COULD_NOT_RUN}


def test_the_report_is_written_as_its_page_says_and_is_the_same_for_the_same_package(
    tmp_path: Path,
) -> None:
    bag = write_files(tmp_path / "bag", bag_files({"data/申请\x1b[2J": b"x"}, algorithms=("md5",)))
    written = judged(bag).as_json()
    assert judged(bag).as_json() == written
    document = json.loads(written)
    assert list(document) == [
        "format", "package_format", "verdict", "checks", "matter", "record_class", "retention"
    ]  # fmt: skip
    assert document["format"] == "lantai.check-report.v1"
    for check in document["checks"]:
        assert list(check) == [
            "code", "title", "title_zh", "property", "object", "object_zh", "method", "method_zh",
            "outcome", "consequence", "findings",
        ]  # fmt: skip
        for finding in check["findings"]:
            assert list(finding) == ["severity", "code", "path", "message", "message_zh"]
    assert b"\x1b" not in written
    assert "data/申请\\\\x1b[2J" in written.decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("申请表.pdf", "申请表.pdf"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb\r\t\x7f\x9b", "a\\x0ab\\x0d\\x09\\x7f\\x9b"),
        ("a\\x1b", "a\\\\x1b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_a_terminal_would_act_on_is_shown_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_names_inside_messages_are_shown_escaped_too() -> None:
    finding = WARNING.found("p\x1b", place="x\x1b")
    assert (finding.path, finding.message, finding.message_zh) == (
        "p\\x1b",
        "at x\\x1b",
        "在 x\\x1b",
    )


def test_what_is_held_always_has_a_reason(examined: Examined) -> None:
    """Here a check that was left undone and found nothing to say."""
    check = Check(
        "4-9", Text("a", "甲"), Property.SAFETY, Text("b", "乙"), Text("c", "丙"),
        OfPackage(lambda _: iter(())),
    )  # fmt: skip
    silent = CheckResult(check, "YJ", Outcome.TO_BE_JUDGED, Consequence.HOLD, ())
    report = CheckReport("bagit", Verdict.NOT_JUDGED, (silent,))
    assert [finding.code for finding in report.reasons()] == ["check-could-not-run"]


def test_a_file_that_is_kept_whole_is_opened_under_the_limits_of_its_source(tmp_path: Path) -> None:
    case = tmp_path / "2021-0001.zip"
    case.write_bytes(case_zip())
    limits = IntakeLimits(files_max=3)
    staged = stage_file(case, tmp_path / "staged", tmp_path / "listing", limits, ("case",))
    with pytest.raises(PackageRejected, match="entries"):
        judge(staged, Standards(formats=("case",)))
