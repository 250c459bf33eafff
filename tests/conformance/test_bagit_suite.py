"""The Library of Congress conformance suite: every verdict, as folders and as archives."""

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli.check import check
from tests.conftest import corpora_folder

pytestmark = pytest.mark.needs_corpora

JUDGED_CASES = 53
# What the name of a case's folder says about it.
ACCEPTED = {"valid": True, "warning": True, "invalid": False, "linux-only": False}
PACKERS = {"zip": "zip", "tar": "tar", "gztar": "tar.gz"}


@dataclass(frozen=True, slots=True)
class Case:
    folder: Path
    is_acceptable: bool
    must_warn: bool


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bagit")
    archive = corpora_folder() / "bagit-conformance.tar.gz"
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder)], check=True)
    return folder / "bagit-conformance"


@pytest.fixture(scope="module")
def cases(suite: Path) -> list[Case]:
    with (corpora_folder() / "bagit-conformance.overrides.tsv").open(newline="") as table:
        overrides = {row[0]: row[1] for row in csv.reader(table, delimiter="\t")}
    return list(_judged(suite, overrides))


def _judged(suite: Path, overrides: dict[str, str]) -> Iterator[Case]:
    for folder in sorted(path for path in suite.glob("v*/*/*") if path.is_dir()):
        kind = folder.parent.name
        expected = overrides.get(str(folder.relative_to(suite)), kind)
        if expected in ACCEPTED:
            yield Case(folder, ACCEPTED[expected], must_warn=expected == "warning")


def exit_status_and_warnings(path: Path) -> tuple[int, set[str]]:
    result = CliRunner().invoke(check, [str(path), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    report = json.loads(result.stdout)
    findings = [finding for each in report["checks"] for finding in each["findings"]]
    return result.exit_code, {
        finding["code"] for finding in findings if finding["severity"] == "warning"
    }


@pytest.fixture(scope="module")
def told(cases: list[Case]) -> dict[Path, tuple[int, set[str]]]:
    """What is said of each case as a folder."""
    return {case.folder: exit_status_and_warnings(case.folder) for case in cases}


def test_the_suite_has_the_cases_it_is_known_for(cases: list[Case]) -> None:
    assert len(cases) == JUDGED_CASES
    assert sum(case.must_warn for case in cases) == 4


def test_every_verdict_is_the_suites(
    cases: list[Case], told: dict[Path, tuple[int, set[str]]]
) -> None:
    wrong = [
        str(case.folder)
        for case in cases
        if told[case.folder][0] != (0 if case.is_acceptable else 1)
    ]
    assert wrong == []


def test_every_warning_case_is_warned_about_for_its_own_reason(
    cases: list[Case], told: dict[Path, tuple[int, set[str]]]
) -> None:
    reasons = {
        "made-with-md5sum-tools": "manifest-md5sum",
        "relative-path": "path-relative",
        "same-filename-listed-twice-with-the-same-hash": "listed-twice",
        "special-system-files": "system-file",
    }
    warned = {case.folder.name: case.folder for case in cases if case.must_warn}
    assert warned.keys() == reasons.keys()
    for name, folder in warned.items():
        assert reasons[name] in told[folder][1], name


def test_the_two_spellings_of_one_file_are_told_apart_in_words(suite: Path) -> None:
    """The suite leaves this case open; ours is rejected, and says that the form is the reason."""
    folder = suite / "v0.97/warning/same-filename-listed-twice-with-different-normalization"
    result = CliRunner().invoke(check, [str(folder)])
    assert result.exit_code == 1
    assert "listed-twice-normalised" in result.output


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("has_top_folder", [True, False])
def test_a_serialised_bag_gets_the_verdict_of_its_folder(
    cases: list[Case],
    told: dict[Path, tuple[int, set[str]]],
    tmp_path: Path,
    packer: str,
    *,
    has_top_folder: bool,
) -> None:
    wrong = []
    for case in cases:
        root, base = (
            (case.folder.parent, case.folder.name) if has_top_folder else (case.folder, ".")
        )
        archive = Path(shutil.make_archive(str(tmp_path / "bag"), packer, root, base))
        if exit_status_and_warnings(archive) != told[case.folder]:
            wrong.append(str(case.folder))
        archive.unlink()
    assert wrong == []


@pytest.mark.parametrize("name", ["zip-slip.zip", "zip-slip.tar"])
def test_an_archive_that_climbs_out_is_rejected_and_writes_nothing(
    corpora: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive aims at /tmp/evil.txt, from however deep a folder."""
    outside = Path("/tmp/evil.txt")
    assert not outside.exists()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    result = CliRunner().invoke(check, [str(corpora / "zip-slip" / name)])
    assert result.exit_code == 1
    assert "path-traversal" in result.output
    assert not outside.exists()
    assert list(tmp_path.iterdir()) == []
