"""The 56 rows of the attack catalogue: each attack is made, dropped, read and measured.

docs/hostile-packages.md is written from what happened, and must be current.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.hostile import (
    archive_attacks,
    bag_attacks,
    folder_attacks,
    format_attacks,
    moment_attacks,
)
from tests.conformance.hostile.attack import MEBIBYTE, Attack, Place
from tests.conformance.hostile.page import PAGE, Line, outcomes_of, outcomes_on, page_text
from tests.conftest import WaitUntil

# The limit of a reader's private memory, and what its code and libraries need.
SECONDS_MAX = 10.0
PEAK_BYTES_MAX = 128 * MEBIBYTE
ATTACKS = (
    *archive_attacks.ATTACKS,
    *folder_attacks.ATTACKS,
    *bag_attacks.ATTACKS,
    *moment_attacks.ATTACKS,
    *format_attacks.ATTACKS,
)


@pytest.fixture(scope="module")
def lines() -> dict[str, Line]:
    """What came of each attack so far."""
    return {}


@pytest.fixture
def place(tmp_path: Path, wait_until: WaitUntil) -> Iterator[Place]:
    made = Place.at(tmp_path, wait_until)
    yield made
    made.close()


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(each, id=each.name, marks=[pytest.mark.needs_root] * each.needs_root)
        for each in ATTACKS
    ],
)
async def test_an_attack_ends_as_the_catalogue_says(
    attack: Attack, place: Place, lines: dict[str, Line]
) -> None:
    """Within its time and memory, and without a byte outside the working folder."""
    outcome = await attack.strike(place)
    assert attack.came_true(outcome), outcome
    assert place.bytes_outside == 0
    assert place.seconds < SECONDS_MAX
    assert place.peak_bytes < PEAK_BYTES_MAX
    assert place.workers.deaths == 0, "the attack was refused, and not merely survived"
    peak_mebibytes = round(place.peak_bytes / MEBIBYTE)
    lines[attack.name] = Line(
        attack.row, attack.title, attack.expected, place.seconds, peak_mebibytes,
        place.bytes_outside,
    )  # fmt: skip


def test_the_page_says_what_the_tests_above_hold(lines: dict[str, Line]) -> None:
    """Its figures come from one whole run in one process, with LANTAI_WRITE_PAGES set."""
    if os.environ.get("LANTAI_WRITE_PAGES"):
        assert len(lines) == len(ATTACKS), "run the whole file in one process"
        PAGE.write_text(page_text(lines.values()))
    held = [Line(each.row, each.title, each.expected, 0, 0, 0) for each in ATTACKS]
    assert outcomes_on(PAGE.read_text()) == outcomes_of(held)


def test_every_row_of_the_catalogue_is_there() -> None:
    assert {attack.row for attack in ATTACKS} == set(range(1, 57))
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
