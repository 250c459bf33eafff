"""`lantai check`: exit status, words on a terminal, JSON."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli.check import check
from tests.bags import bag_files, write_files, zip_bytes


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(check, [str(argument) for argument in arguments])


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_files(tmp_path / "case-0001", bag_files())


def test_an_acceptable_package_exits_0_and_says_what_was_not_checked(bag: Path) -> None:
    result = run(bag)
    assert result.exit_code == 0
    assert "acceptable / 可接收" in result.output
    assert "YJ-4-2   not run / 未检测" in result.output


def test_warnings_are_printed_and_exit_0(bag: Path) -> None:
    (bag / "tagmanifest-sha256.txt").unlink()
    result = run(bag)
    assert result.exit_code == 0
    assert "warning / 警告 [tag-manifest-none]" in result.output


def test_every_reason_of_a_rejection_is_printed_in_both_languages(bag: Path) -> None:
    (bag / "data/scan/1.txt").write_bytes(b"changed")
    (bag / "data/extra").write_bytes(b"")
    result = run(bag)
    assert result.exit_code == 1
    assert "[digest-mismatch] data/scan/1.txt" in result.output
    assert "[payload-unlisted] data/extra" in result.output
    assert "该文件未列入任何载荷清单" in result.output


def test_wrong_usage_exits_2(bag: Path) -> None:
    assert run().exit_code == 2
    assert run(bag / "missing").exit_code == 2
    assert run(bag, "--format", "nonsense").exit_code == 2


def test_a_package_that_cannot_be_read_exits_3(tmp_path: Path) -> None:
    archive = tmp_path / "huge.zip"
    with archive.open("wb") as file:
        file.truncate(9 * 1024**4)
    result = run(archive)
    assert result.exit_code == 3
    assert "暂存空间不足" in result.stderr
    assert json.loads(run(archive, "--json").stdout)["verdict"] == "not-judged"


def test_json_carries_the_verdict_and_the_exit_status_agrees(bag: Path) -> None:
    result = run(bag, "--json", "--format", "bagit")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["package_format"], report["verdict"]) == ("bagit", "acceptable")
    (bag / "bagit.txt").unlink()
    result = run(bag, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["package_format"], report["verdict"]) == (None, "rejected")


def test_a_package_that_is_reached_through_a_link_is_judged_like_any_other(
    bag: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(bag)
    assert run(tmp_path / "link").exit_code == 0


def test_names_are_escaped_on_the_terminal(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag\x1b[2J", bag_files({"data/\x1b]0;evil\x07": b"x"}))
    output = run(bag).output
    assert "\x1b" not in output
    assert "\\x1b]0;evil\\x07" in output


def test_nothing_is_left_behind_and_the_package_is_untouched(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setattr("tempfile.tempdir", None)
    archive = tmp_path / "case.zip"
    archive.write_bytes(zip_bytes([]))
    before = sorted((path, path.stat().st_mtime_ns) for path in bag.rglob("*"))
    run(bag)
    run(archive)
    assert list(private.iterdir()) == []
    assert sorted((path, path.stat().st_mtime_ns) for path in bag.rglob("*")) == before
