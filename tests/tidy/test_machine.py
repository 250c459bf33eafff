"""What this machine lacks is listed, and under CI=true fails: pytest on a small project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TEST = """
import pytest

@pytest.mark.needs_corpora
def test_a_suite_is_judged():
    assert True

def test_a_plain_one():
    assert True
"""


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    shutil.copy(CONFTEST, tmp_path / "tests" / "conftest.py")
    (tmp_path / "tests" / "test_small.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  needs_corpora: x\n")
    return tmp_path


def outcome(folder: Path, **environment: str) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder,
        env=clean | {"LANTAI_CORPORA": str(folder / "absent")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_lack_is_listed_with_the_tests_it_costs(small_project: Path) -> None:
    code, text = outcome(small_project)
    assert code == 0
    assert "not run on this machine" in text
    assert "    1 tests  the conformance suites in" in text
    assert "1 passed, 1 skipped" in text


def test_a_lack_is_a_failure_in_ci(small_project: Path) -> None:
    code, text = outcome(small_project, CI="true")
    assert code == 1
    assert "this machine lacks: the conformance suites" in text


def test_a_machine_that_has_it_runs_it(small_project: Path) -> None:
    code, text = outcome(small_project, CI="true", LANTAI_CORPORA=str(small_project))
    assert code == 0
    assert "2 passed" in text
