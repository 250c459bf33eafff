"""`lantai store validate`: what it prints, and the exit status that scripts rely on."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli.store import printable, store
from tests.ocfl_objects import change_head, write_good_object, write_good_root


def validate(*arguments: object) -> Result:
    return CliRunner().invoke(store, ["validate", *map(str, arguments)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_good_root(tmp_path / "root")


@pytest.fixture
def an_object(root: Path) -> Path:
    return next(root.glob("*/urn%3aone"))


def test_a_valid_root_exits_0_and_says_so_in_both_languages(root: Path) -> None:
    result = validate(root)
    assert result.exit_code == 0
    (summary,) = result.stdout.splitlines()
    assert summary.startswith("valid 有效: ")
    assert "2 object(s), 0 error(s), 0 warning(s)" in summary


def test_warnings_are_printed_and_exit_0(an_object: Path) -> None:
    (an_object / "extensions/our-own").mkdir(parents=True)
    result = validate(an_object)
    assert result.exit_code == 0
    assert result.stdout.startswith("W013  extensions/our-own  ")


def test_an_error_is_one_line_of_code_path_and_message_and_exits_1(
    root: Path, an_object: Path
) -> None:
    (an_object / "v1/content/a.txt").write_text("changed")
    result = validate(root)
    finding, summary = result.stdout.splitlines()
    code, path, message = finding.split("  ", 2)
    assert (result.exit_code, code) == (1, "E092")
    assert path == f"{an_object.relative_to(root)}/v1/content/a.txt"
    assert "sha512" in message
    assert summary.startswith("INVALID 无效: ")


def test_json_is_one_object_with_every_finding(root: Path, an_object: Path) -> None:
    (an_object / "v1/content/a.txt").write_text("changed")
    (root / "extensions/our-own").mkdir()
    result = validate("--json", root)
    report = json.loads(result.stdout)
    assert (result.exit_code, report["valid"], report["kind"]) == (1, False, "root")
    assert (report["objects"], report["errors"], report["warnings"]) == (2, 1, 1)
    assert {finding["code"] for finding in report["findings"]} == {"E092", "W016"}
    assert set(report["findings"][0]) == {"code", "severity", "path", "message"}


def test_without_digests_content_is_not_read(an_object: Path) -> None:
    (an_object / "v1/content/a.txt").write_text("changed")
    assert validate("--no-digests", an_object).exit_code == 0


def test_a_path_that_is_no_folder_is_a_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert validate(tmp_path / "file").exit_code == 2
    assert validate(tmp_path / "nothing").exit_code == 2
    assert validate().exit_code == 2


def test_the_kind_can_be_told(root: Path) -> None:
    assert '"kind": "object"' in validate("--json", "--as", "object", root).stdout


def test_many_warnings_of_one_kind_are_counted_and_not_all_printed(tmp_path: Path) -> None:
    folder = write_good_object(tmp_path / "object")
    for number in range(30):
        (folder / f"extensions/own-{number}").mkdir(parents=True)
    lines = validate(folder).stdout.splitlines()
    assert len(lines) == 20 + 1 + 1
    assert "10 more" in lines[-2]
    assert len(json.loads(validate("--json", folder).stdout)["findings"]) == 30


def test_hostile_names_are_shown_escaped_and_given_whole_in_json(tmp_path: Path) -> None:
    folder = write_good_object(tmp_path / "object")
    (folder / "\x1b[31m\u202eexe.txt").write_text("")
    change_head(folder, lambda inventory: inventory.update({"\x07": 1}))
    shown = validate(folder).stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\x07" not in shown
    assert "\\x1b[31m\\u202eexe.txt" in shown
    findings = json.loads(validate("--json", folder).stdout)["findings"]
    assert "\x1b[31m\u202eexe.txt" in {finding["path"] for finding in findings}


def test_a_name_that_is_not_utf8_can_be_printed_either_way(tmp_path: Path) -> None:
    folder = write_good_object(tmp_path / "object")
    (folder / "\udcc9\udcea").write_text("")
    assert "\\udcc9\\udcea" in validate(folder).stdout
    findings = json.loads(validate("--json", folder).stdout)["findings"]
    assert findings[0]["path"] == "\udcc9\udcea"


def test_chinese_is_shown_as_it_is() -> None:
    assert printable("案卷 申请表.pdf") == "案卷 申请表.pdf"


def test_help_teaches_exit_status_and_codes() -> None:
    text = validate("--help").stdout
    assert "Exit status: 0 valid" in text
    assert "validation-codes.html" in text
