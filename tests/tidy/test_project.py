"""The project keeps its own rules (DESIGN.md §5, knowledge/style.md §5 and §7)."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.tidy import rules_docs, rules_layers, rules_shape, rules_tests
from tests.tidy.source import Source, read_sources

ROOT = Path(__file__).parents[2]

CODE_RULES = [
    rules_layers.upward_imports,
    rules_layers.relative_imports,
    rules_layers.bypassed_gateways,
    rules_layers.missing_gateways,
    rules_layers.impure_decisions,
    rules_layers.missing_decisions,
    rules_layers.orphans,
    rules_shape.long_modules,
    rules_shape.long_functions,
    rules_shape.missing_docstrings,
    rules_shape.banned_names,
    rules_shape.bare_suppressions,
    rules_shape.unfinished_work,
    rules_shape.doubled_error_codes,
    rules_tests.nameless_tests,
    rules_tests.sleeping_tests,
    rules_tests.mocking_tests,
]
PAGE_RULES = [
    rules_docs.broken_links,
    rules_docs.missing_terms,
    rules_docs.shapeless_changelog,
]


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return read_sources(ROOT)


def none_of(violations: Iterable[str], rule: str | None) -> None:
    """Fail with every violation, one a line."""
    if found := list(violations):
        pytest.fail("\n".join([f"{len(found)} against: {rule}", *found]), pytrace=False)


@pytest.mark.parametrize("rule", CODE_RULES, ids=lambda rule: rule.__name__)
def test_the_code_has_no(
    rule: Callable[[list[Source]], Iterable[str]], sources: list[Source]
) -> None:
    none_of(rule(sources), rule.__doc__)


def test_every_file_has_a_home(sources: list[Source]) -> None:
    rule = rules_shape.homeless_files
    none_of(rule(sources, ROOT), rule.__doc__)


@pytest.mark.parametrize("rule", PAGE_RULES, ids=lambda rule: rule.__name__)
def test_the_pages_have_no(rule: Callable[[Path], Iterable[str]]) -> None:
    none_of(rule(ROOT), rule.__doc__)
