"""The official OCFL fixtures: every verdict, and every code that a fixture's name carries."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli.store import store
from storage.ocfl.validate import validate_object
from tests.conftest import corpora_folder

pytestmark = pytest.mark.needs_corpora
CASES = 156


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("ocfl-fixtures")
    archive = corpora_folder() / "ocfl-fixtures.tar.gz"
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder)], check=True)
    return sorted(
        case
        for kind in ("good", "warn", "bad")
        for objects in folder.rglob(f"{kind}-objects")
        for case in objects.iterdir()
    )


def codes_in_name(case: Path) -> set[str]:
    return (
        set() if case.parent.name == "good-objects" else set(re.findall("[EW][0-9]{3}", case.name))
    )


def test_there_are_as_many_fixtures_as_the_suite_has(fixtures: list[Path]) -> None:
    assert len(fixtures) == CASES


def test_good_objects_have_no_finding_at_all(fixtures: list[Path]) -> None:
    good = [case for case in fixtures if case.parent.name == "good-objects"]
    found = {str(case): validate_object(case).findings for case in good}
    assert {case: findings for case, findings in found.items() if findings} == {}


def test_warned_objects_are_valid_and_bad_ones_are_not(fixtures: list[Path]) -> None:
    wrong = [
        str(case)
        for case in fixtures
        if validate_object(case).valid != (case.parent.name != "bad-objects")
    ]
    assert wrong == []


def test_every_code_in_a_fixtures_name_is_found(fixtures: list[Path]) -> None:
    missed = {
        str(case): missing
        for case in fixtures
        if (missing := codes_in_name(case) - validate_object(case).codes)
    }
    assert missed == {}


def test_the_command_gives_every_verdict_as_exit_code_and_every_code_as_json(
    fixtures: list[Path],
) -> None:
    runner = CliRunner()
    for case in fixtures:
        result = runner.invoke(store, ["validate", "--json", str(case)])
        report = json.loads(result.stdout)
        assert result.exit_code == (1 if case.parent.name == "bad-objects" else 0), case
        assert report["valid"] == (result.exit_code == 0)
        assert codes_in_name(case) <= {finding["code"] for finding in report["findings"]}, case


def test_the_independent_validator_agrees_with_every_verdict(fixtures: list[Path]) -> None:
    """ocfl-py's opinion, in a process of its own: it changes warning filters and logging."""
    program = (
        "import sys\nfrom ocfl.validator import Validator\n"
        "for path in sys.stdin.read().split('\\0'):\n"
        "    print(int(Validator(log_errors=False).validate_object(path)))\n"
    )
    paths = "\0".join(str(case) for case in fixtures)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        input=paths,
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = [line == "1" for line in done.stdout.split()]
    assert theirs == [validate_object(case).valid for case in fixtures]
