"""The simulator of the replication protocol: a slice of its seeds, and the proof that it can fail.

docs/simulator.md. Each run is a process of its own: the order of sets of texts is part of a seed.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.page import PAGE, rows_of

PROJECT = Path(__file__).parents[2]
SLICE_SEEDS = 70


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "tests" / "simulation"), "--workers", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_promise_holds_in_a_slice_of_the_seeds() -> None:
    run = simulate("--first", "1", "--seeds", str(SLICE_SEEDS))
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{SLICE_SEEDS} seeds, 0 broken" in run.stdout


def test_a_seed_tells_the_same_story_each_time() -> None:
    first, second = (simulate("--seed", "7") for _ in range(2))
    assert "options:" in first.stdout
    assert first.stdout == second.stdout


def quickest() -> list[tuple[str, int]]:
    """The three seeded bugs that were found soonest, by the page."""
    rows = rows_of(PAGE.read_text())
    found = sorted((int(row.seeds), row.bug) for row in rows if row.seeds.isdecimal())
    return [(bug, seeds) for seeds, bug in found[:3]]


@pytest.mark.parametrize(("bug", "seeds"), quickest())
def test_a_seeded_bug_is_found_within_the_seeds_that_the_page_names(bug: str, seeds: int) -> None:
    run = simulate("--bug", bug, "--seeds", str(seeds))
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(rf"^{bug}: found after \d+ seeds: ", run.stdout, re.MULTILINE)


def test_the_page_names_every_seeded_bug_and_what_is_wrong_with_it() -> None:

    listed = {row.bug: row.what for row in rows_of(PAGE.read_text())}
    assert listed == {name: bug.what for name, bug in BUGS.items()}
