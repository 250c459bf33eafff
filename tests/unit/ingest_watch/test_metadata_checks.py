"""Checks of what metadata say: 1-2 to 1-8, 2-3, 2-4, 2-6, 2-10."""

from pathlib import Path
from typing import Any

import pytest

from ingest_watch.check_profile import ArchivalCode, Characters, FieldRule
from tests.described_packages import Trial, codes

CODE = r"(?P<fonds>[A-Z]\d{3})-WS·(?P<year>\d{4})·D30-\w+-\d{4}"


def rules(**rule: Any) -> dict[str, Any]:
    return {"rules": (FieldRule(field="题名", **rule),)}


def trial(folder: Path, profile: dict[str, Any], *values: str) -> Trial:
    return Trial(folder, records=[{"内容描述/题名": value} for value in values], profile=profile)


PASSES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("1-2", rules(length_min=1, length_max=3), ["一二三"]),
    ("1-2", rules(length_max=3), [""]),
    ("1-3", rules(kind="date"), ["2026-11-22", "2026年11月22日", "20261122", "2026/11/22"]),
    ("1-3", rules(kind="date"), ["2023-02-24 16:42:17", "2023-02-24T16:42:17.123+08:00"]),
    ("1-3", rules(kind="year"), ["2021", "2021年"]),
    ("1-3", rules(kind="integer"), ["-12", "0"]),
    ("1-3", rules(kind="decimal"), ["0.5"]),
    ("1-3", rules(kind="digest"), ["A" * 64]),
    ("1-3", rules(pattern="[a-z]+"), ["abc"]),
    ("1-4", rules(values=("公开", "内部")), ["内部"]),
    ("1-5", rules(kind="date", minimum="1949-10-01", maximum="today"), ["2026-11-22"]),
    ("1-5", rules(kind="year", maximum="today"), ["2026"]),
    ("1-5", rules(kind="integer", minimum=0, maximum=10), ["10", "not a number"]),
    ("1-6", {}, ["示例市关于〇〇年度工作的报告（第2号）— café"]),
    ("1-7", {"archival_code": ArchivalCode(CODE, "题名")}, ["J001-WS·2021·D30-BGS-0001"]),
    ("1-8", rules(unique="error"), ["one", "two", "", ""]),
    ("2-3", rules(obligation="必选"), [""]),
    ("2-4", rules(obligation="必选"), ["x"]),
    ("2-6", rules(serial=1), ["3", "1", "2"]),
    ("2-10", rules(obligation="必选"), ["x"]),
]
FAILS: list[tuple[str, dict[str, Any], list[str], str]] = [
    ("1-2", rules(length_max=3), ["一二三四"], "metadata-length"),
    ("1-2", rules(length_min=2), ["一"], "metadata-length"),
    ("1-3", rules(kind="date"), ["2026-02-30"], "metadata-type"),
    ("1-3", rules(kind="date"), ["11/22/2026"], "metadata-type"),
    ("1-3", rules(kind="year"), ["21"], "metadata-type"),
    ("1-3", rules(kind="integer"), ["1.5"], "metadata-type"),
    ("1-3", rules(kind="digest"), ["xyz"], "metadata-type"),
    ("1-3", rules(pattern="[a-z]+"), ["abc1"], "metadata-pattern"),
    ("1-4", rules(values=("公开", "内部")), ["秘密"], "metadata-value"),
    ("1-5", rules(kind="date", maximum="today"), ["2026-11-23"], "metadata-implausible"),
    ("1-5", rules(kind="year", minimum=1840), ["1492"], "metadata-implausible"),
    ("1-5", rules(kind="integer", minimum=0), ["-1"], "metadata-implausible"),
    ("1-6", {}, ["a\x01b"], "metadata-character"),
    ("1-6", {}, ["a\ufffdb"], "metadata-character"),
    ("1-6", {"characters": Characters(private_use="error")}, ["a\ue001"], "metadata-character"),
    ("1-6", {"characters": Characters(mojibake="error")}, ["ÉêÇë±í"], "metadata-character"),
    ("1-6", {"characters": Characters(mojibake="error")}, ["锟斤拷"], "metadata-character"),
    ("1-7", {"archival_code": ArchivalCode(CODE, "题名")}, ["J001-2021"], "archival-code"),
    ("1-8", rules(unique="error"), ["one", "two", "one"], "metadata-duplicate"),
    ("2-4", rules(obligation="必选"), [""], "metadata-empty"),
    ("2-6", rules(serial=1), ["1", "3"], "serial-gap"),
    ("2-6", rules(serial=1), ["2", "3"], "serial-start"),
    ("2-6", rules(serial=1), ["1", "1", "2"], "serial-twice"),
    ("2-10", {}, [], "package-without-metadata"),
]


@pytest.mark.parametrize(("number", "profile", "values"), PASSES)
def test_metadata_that_keep_the_rules_pass(
    tmp_path: Path, number: str, profile: dict[str, Any], values: list[str]
) -> None:
    result = trial(tmp_path, profile, *values).of(number)
    assert (result.outcome, result.findings) == ("passed", ())


@pytest.mark.parametrize(("number", "profile", "values", "code"), FAILS)
def test_metadata_that_break_a_rule_fail_for_it(
    tmp_path: Path, number: str, profile: dict[str, Any], values: list[str], code: str
) -> None:
    result = trial(tmp_path, profile, *values).of(number)
    assert (result.outcome, codes(result)) == ("failed", {code})


@pytest.mark.parametrize("number", ["1-2", "1-3", "1-4", "1-5", "1-7", "1-8", "2-3", "2-4", "2-6"])
def test_a_check_without_a_rule_does_not_apply(tmp_path: Path, number: str) -> None:
    assert trial(tmp_path, {}, "x").of(number).outcome == "not-applicable"


def test_a_package_without_records_is_none_that_their_checks_apply_to(tmp_path: Path) -> None:
    package = Trial(tmp_path, profile=rules(length_max=3))
    assert {each.outcome for each in package.all_of("1-2", "1-6", "2-10")[0]} == {"not-applicable"}


def test_what_half_read_metadata_say_is_not_judged(tmp_path: Path) -> None:
    package = Trial(tmp_path, records=[], profile=rules(obligation="必选"), flawed=True)
    results = {each.check.number: each.outcome for each in package.all_of("2-10", "3-1")[0]}
    assert results == {"2-10": "could-not-run", "3-1": "failed"}


def test_an_element_that_must_be_there_is_missed(tmp_path: Path) -> None:
    package = Trial(tmp_path, records=[{"日期": "2021"}], profile=rules(obligation="必选"))
    assert codes(package.of("2-3")) == {"metadata-missing"}


@pytest.mark.parametrize(("classification", "outcome"), [("秘密", "failed"), ("公开", "passed")])
def test_an_element_is_missed_where_its_condition_holds(
    tmp_path: Path, classification: str, outcome: str
) -> None:
    profile = {"rules": (FieldRule(field="保密期限", obligation="条件选", when="密级:秘密"),)}
    package = Trial(tmp_path, records=[{"密级": classification}], profile=profile)
    assert package.of("2-3").outcome == outcome


def test_an_element_that_stands_once_may_not_stand_twice(tmp_path: Path) -> None:
    package = Trial(
        tmp_path, records=[{"a/题名": "x", "b/题名": "y"}], profile=rules(repeatable=False)
    )
    assert codes(package.of("1-3")) == {"metadata-repeated"}


def test_a_dot_that_only_looks_right_is_a_warning_and_the_code_is_kept(tmp_path: Path) -> None:
    profile = {"archival_code": ArchivalCode(CODE, "题名")}
    result = trial(tmp_path, profile, "J001-WS•2021・D30-BGS-0001").of("1-7")
    assert result.outcome == "passed"
    assert codes(result) == {"archival-code-look-alike"}
    assert "U+2022, U+30FB" in result.findings[0].message


def test_the_parts_of_an_archival_code_agree_with_their_elements(tmp_path: Path) -> None:
    code = ArchivalCode(CODE, "档号", {"year": "年度"})
    records = [{"档号": "J001-WS·2021·D30-BGS-0001", "年度": "2022"}]
    package = Trial(tmp_path, records=records, profile={"archival_code": code})
    assert codes(package.of("1-7")) == {"archival-code-component"}


def test_personal_data_are_shown_in_no_finding(tmp_path: Path) -> None:
    number = "350102199001011234"
    profile = rules(personal=True, length_max=3, pattern="x", values=("y",), unique="error")
    package = trial(tmp_path, profile, number, number)
    for check in ("1-2", "1-3", "1-4", "1-8"):
        (tmp_path / check).mkdir()
        package.folder = tmp_path / check
        result = package.of(check)
        assert result.outcome == "failed"
        assert number not in str(result.findings)


@pytest.mark.parametrize(
    "number", ["1-1", "1-12", "1-13", "1-14", "2-1", "2-2", "2-11", "3-1", "4-3"]
)
def test_what_a_format_answers_becomes_the_outcome(tmp_path: Path, number: str) -> None:
    for name, flawed, outcome in (("good", False, "passed"), ("bad", True, "failed")):
        (tmp_path / name).mkdir()
        assert Trial(tmp_path / name, flawed=flawed).of(number).outcome == outcome


def numbered(folder: Path, **numbers: list[str]) -> set[str]:
    """What 2-6 finds in carriers side by side whose catalogues hold these numbers."""
    found = [(f"{disc}/文件目录.XML", each) for disc, values in numbers.items() for each in values]
    package = Trial(
        folder,
        records=[{"顺序号": each} for _, each in found],
        documents=[document for document, _ in found],
        profile={"rules": (FieldRule(field="顺序号", serial=1),)},
    )
    return codes(package.of("2-6"))


def test_each_carrier_may_number_its_records_for_itself(tmp_path: Path) -> None:
    assert numbered(tmp_path, disc1=["1", "2"], disc2=["1", "2", "3"]) == set()


def test_numbers_may_run_on_from_carrier_to_carrier(tmp_path: Path) -> None:
    assert numbered(tmp_path, disc10=["5", "6"], disc1=["1", "2"], disc2=["3", "4"]) == set()


@pytest.mark.parametrize("second", [["4", "5"], ["2", "3"], ["0", "1"]])
def test_numbers_that_go_on_with_no_other_carrier_are_told(
    tmp_path: Path, second: list[str]
) -> None:
    assert numbered(tmp_path, disc1=["1", "2"], disc2=second) == {"serial-start"}
