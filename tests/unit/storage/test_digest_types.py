"""What was read from a disk does not type-check where something signed is wanted."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
HEAD = """
from dataclasses import replace
from pathlib import Path
from storage.catalogue.model import Package
from storage.model import FileEntry, ObservedDigest, StoredObject
from storage.sweep.model import ObjectToCheck

def launder(observed: ObservedDigest, entry: FileEntry, stored: StoredObject) -> None:
"""
LAUNDERING = {
    "file entry": "    FileEntry('received/a', 1, observed, None)",
    "object to check": "    ObjectToCheck('lantai:s/1', Path('/'), 1, observed)",
    "stored object": "    StoredObject('lantai:s/1', 1, observed, 1, 1, '')",
    "a digest of its own": "    signed: str = entry.sha256\n    signed = observed",
    "replace": "    replace(entry, sha256=observed)",
}
HONEST = "    assert observed.is_that_of(entry.sha256)"


def judged(tmp_path: Path, body: str) -> str:
    """What mypy, as this project configures it, says of a function with this body."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(HEAD + body + "\n")
    command = [
        sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--follow-imports=silent",
        "--cache-dir", str(tmp_path.parent / "mypy-cache"), str(snippet),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def test_comparing_is_all_that_may_be_done_with_an_observed_digest(tmp_path: Path) -> None:
    assert "Success" in judged(tmp_path, HONEST)


@pytest.mark.parametrize("how", list(LAUNDERING))
def test_an_observed_digest_is_refused_as_a_baseline(tmp_path: Path, how: str) -> None:
    said = judged(tmp_path, LAUNDERING[how])
    assert 'expected "str"' in said or 'variable has type "str"' in said, said
