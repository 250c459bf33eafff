"""docs/ocfl-conformance.md says what the code does, and no rule is forgotten."""

from pathlib import Path

import pytest

from storage.ocfl.validate_rules import NOT_CHECKED, RULES
from tests.ocfl_conformance_page import (
    CODE,
    PAGE,
    PROJECT,
    fixtures_of_codes,
    page,
    places_of_codes,
)

# Numbers that the specification skips.
NEVER_GIVEN = {"E065", "E109", "W006"}


def test_the_table_has_every_code_of_the_specification() -> None:
    errors = {f"E{number:03}" for number in range(1, 113)}
    warnings = {f"W{number:03}" for number in range(1, 17)}
    assert set(RULES) == (errors | warnings) - NEVER_GIVEN


def test_every_rule_is_checked_somewhere_or_has_a_reason() -> None:
    checked = {code for code, places in places_of_codes().items() if places}
    assert checked | NOT_CHECKED.keys() == RULES.keys()
    assert not checked & NOT_CHECKED.keys()


@pytest.mark.needs_corpora
def test_every_rule_that_an_official_fixture_breaks_is_checked(corpora: Path) -> None:
    assert not fixtures_of_codes(corpora).keys() & NOT_CHECKED.keys()


@pytest.mark.needs_corpora
def test_the_page_is_current(corpora: Path) -> None:
    assert PAGE.read_text() == page(corpora), "renew it: tests/ocfl_conformance_page.py says how"


def test_every_checked_rule_is_broken_by_a_test_of_its_own() -> None:
    """The page says so; a code that no row of the unit tests names has none."""
    rows = PROJECT / "tests/unit/storage/ocfl"
    named = {
        code
        for source in rows.glob("test_validate_*.py")
        for code in CODE.findall(source.read_text())
    }
    assert RULES.keys() - NOT_CHECKED.keys() - named == set()
