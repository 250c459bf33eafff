"""The scope-and-retention table, check 2-9, and what a package is given by them."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from ingest_watch.check_profile import CheckRule, Scope
from ingest_watch.checks.check import CheckResult
from ingest_watch.judge import Standards, judge
from ingest_watch.preparation import Acceptable, Job, Profile, Undecided
from ingest_watch.prepare import prepare
from ingest_watch.scope import PackageScope, ScopeEntry, ScopeTable
from ingest_watch.scope_table import ScopeTableFile, ScopeTableRefused, read_scope_table
from ingest_watch.staging import inspect_folder
from tests.bags import bag_files, write_files
from tests.described_packages import Trial, codes

TABLE = ScopeTable(
    {
        "M1": ScopeEntry("D30", "XZ", "内部"),
        "M2": ScopeEntry("Y", "XZ", "公开"),
        "M3": ScopeEntry("D10", "GG", "机密"),
    }
)
RULES = Scope(matter="事项", retention="保管期限", classification="密级")
CSV = "事项编码,事项名称,保管期限,类别,密级上限\nM1,登记,永久,XZ,内部\nM2,,D10,,\n"


def judged(
    folder: Path,
    *records: dict[str, str],
    table: ScopeTable | None = TABLE,
    rules: Scope = RULES,
    undone: str = "hold",
) -> tuple[CheckResult, PackageScope]:
    rule = CheckRule(undone=undone)  # type: ignore[arg-type]  # one of its three words
    trial = Trial(folder, records=records, profile={"scope": rules}, scope_table=table, rule=rule)
    (result,), examined = trial.all_of("2-9")
    return result, examined.scope


def test_a_record_within_the_scope_passes_and_is_given_its_retention(tmp_path: Path) -> None:
    result, scope = judged(tmp_path, {"事项": "M1", "密级": "内部"})
    assert (result.outcome, result.findings) == ("passed", ())
    assert scope == PackageScope("M1", "XZ", "D30")


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"事项": "M9"}, "scope-outside"),
        ({"密级": "公开"}, "scope-matter-missing"),
        ({"事项": ""}, "scope-matter-missing"),
        ({"事项": "M2", "密级": "内部"}, "scope-above-ceiling"),
        ({"事项": "M2", "密级": "非涉密"}, "scope-above-ceiling"),
    ],
)
def test_what_is_outside_is_for_a_person_to_judge(
    tmp_path: Path, record: dict[str, str], code: str
) -> None:
    result, _ = judged(tmp_path, record)
    assert (result.outcome, result.consequence, codes(result)) == ("to-be-judged", "hold", {code})


@pytest.mark.parametrize("classification", ["秘密", "机密", "绝密", "secret", "秘密★10年"])
@pytest.mark.parametrize("table", [TABLE, None])
def test_what_is_classified_is_held_whatever_the_profile_says(
    tmp_path: Path, classification: str, table: ScopeTable | None
) -> None:
    record = {"事项": "M3", "密级": classification}
    result, _ = judged(tmp_path, record, table=table, undone="remark")
    assert (result.outcome, result.consequence) == ("to-be-judged", "hold")
    assert codes(result) == {"scope-classified"}


def test_a_licensed_classification_is_held_to_the_ceiling_alone(tmp_path: Path) -> None:
    licensed = Scope(matter="事项", classification="密级", licensed=("秘密",))
    assert judged(tmp_path, {"事项": "M3", "密级": "秘密"}, rules=licensed)[0].outcome == "passed"
    (tmp_path / "above").mkdir()
    result, _ = judged(tmp_path / "above", {"事项": "M1", "密级": "秘密"}, rules=licensed)
    assert codes(result) == {"scope-above-ceiling"}


@pytest.mark.parametrize("classification", ["公开", "内部", "非密", "非涉密", "无密级", ""])
def test_without_a_table_what_is_not_classified_passes(tmp_path: Path, classification: str) -> None:
    result, scope = judged(tmp_path, {"密级": classification, "保管期限": "永久"}, table=None)
    assert (result.outcome, scope.retention) == ("passed", "Y")


@pytest.mark.parametrize(
    ("stated", "kept", "code"),
    [("永久", "Y", None), ("30年", "D30", None), ("D10", "D30", "scope-retention-shorter"),
     ("长期", "D30", "scope-retention-unknown")],
)  # fmt: skip
def test_the_longer_retention_holds(
    tmp_path: Path, stated: str, kept: str, code: str | None
) -> None:
    result, scope = judged(tmp_path, {"事项": "M1", "保管期限": stated})
    assert (result.outcome, scope.retention) == ("passed", kept)
    assert codes(result) == ({code} if code else set())


def test_of_several_records_the_longest_retention_and_what_they_share_counts(
    tmp_path: Path,
) -> None:
    _, scope = judged(tmp_path, {"事项": "M1"}, {"事项": "M2"})
    assert scope == PackageScope(None, "XZ", "Y")


def test_a_table_that_is_broken_leaves_the_check_undone(tmp_path: Path) -> None:
    result, _ = judged(tmp_path, {"事项": "M1"}, table=ScopeTable({}, broken="line 2"))
    assert (result.outcome, codes(result)) == ("could-not-run", {"scope-table-broken"})


def test_a_profile_without_scope_does_not_ask(tmp_path: Path) -> None:
    assert Trial(tmp_path, records=[{}]).of("2-9").outcome == "not-applicable"


def test_a_bag_says_its_matter_in_its_bag_info(tmp_path: Path) -> None:
    info = "Matter-Code: M1\nSecurity-Classification: 内部\n"
    bag = write_files(tmp_path / "bag", bag_files(info=info))
    report = judge(inspect_folder(bag, tmp_path / "listing"), Standards(scope=TABLE))
    assert (report.verdict, report.scope) == ("acceptable", PackageScope("M1", "XZ", "D30"))
    outside = write_files(tmp_path / "outside", bag_files(info="Matter-Code: M9\n"))
    held = judge(inspect_folder(outside, tmp_path / "listing-2"), Standards(scope=TABLE))
    assert held.verdict == "not-judged"
    assert [finding.code for finding in held.reasons()] == ["scope-outside"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_is_read_in_its_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(CSV.encode(encoding))
    assert read_scope_table(path).entries == {
        "M1": ScopeEntry("Y", "XZ", "内部"),
        "M2": ScopeEntry("D10", "", "内部"),
    }


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 1, "matter"),
        ("matter,class\nM1,XZ\n", 1, "retention"),
        ("matter,retention,colour\n", 1, "colour"),
        ("matter,retention\n", 1, "empty"),
        ("matter,retention\nM1,Y\nM1,D10\n", 3, "twice"),
        ("matter,retention\nM1,Y\n\n,Y\n", 4, "no matter"),
        ("matter,retention\nM1,forever\n", 2, "forever"),
        ("matter,retention,ceiling\nM1,Y,secret\n", 2, "secret"),
        ("matter,retention\nM1\n", 2, "1 cells"),
        ('matter,retention\n"M1,Y\n', 2, "CSV"),
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, word: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScopeTableRefused, match=rf"line {line} .*{word}"):
        read_scope_table(path)


def test_a_table_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(
    tmp_path: Path,
) -> None:
    """1. A good table. 2. A broken one: the old stays, and it is said. 3. A good one again."""
    path = tmp_path / "table.csv"
    path.write_text(CSV, encoding="utf-8")
    file = ScopeTableFile("portal", path)
    assert set(file.current().entries) == {"M1", "M2"}
    path.write_text("matter,retention\nM1,forever\n", encoding="utf-8")
    with structlog.testing.capture_logs() as logs:
        assert set(file.current().entries) == {"M1", "M2"}
        file.current()
    assert [entry["event"] for entry in logs] == ["intake.scope.refused"]
    assert "line 2" in file.flaw
    path.write_text("matter,retention\nM7,Y\n", encoding="utf-8")
    with structlog.testing.capture_logs():
        assert set(file.current().entries) == {"M7"}
    assert file.flaw == ""


def test_a_table_that_was_never_there_is_said_to_be_broken(tmp_path: Path) -> None:
    file = ScopeTableFile("portal", tmp_path / "none.csv")
    with structlog.testing.capture_logs():
        assert "cannot be read" in file.current().broken
    (tmp_path / "none.csv").write_text(CSV, encoding="utf-8")
    os.utime(tmp_path / "none.csv")
    with structlog.testing.capture_logs():
        assert file.current().broken == ""


def test_what_is_held_for_its_scope_can_be_released_and_says_its_retention_everywhere(
    tmp_path: Path,
) -> None:
    """1. Outside the table: undecided. 2. Released by a person: built, with what it says."""
    (tmp_path / "drop").mkdir()
    info = "Matter-Code: M9\nRetention-Period: 永久\n"
    write_files(tmp_path / "drop" / "case", bag_files(info=info))
    job = Job(
        "馆", "portal", b"case", "case", tmp_path / "drop", tmp_path / "work",
        "2026-11-22T08:00:00Z", Profile(("bagit",), "name"), scope=TABLE,
    )  # fmt: skip
    held = prepare(job)
    assert isinstance(held, Undecided)
    assert [reason.code for reason in held.reasons] == ["scope-outside"]
    released = prepare(replace(job, accepted=True))
    assert isinstance(released, Acceptable)
    assert (released.facts.matter, released.facts.retention) == ("M9", "Y")
    lantai = tmp_path / "work" / "content" / "lantai"
    for name in ("package.json", "check-report.json"):
        record = json.loads((lantai / name).read_bytes())
        assert (record["matter"], record["record_class"], record["retention"]) == ("M9", None, "Y")
