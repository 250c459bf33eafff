"""The pages of the formats of this country name every rule that the code has, and each is tried."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from ingest_watch.findings import Rule, Severity
from ingest_watch.formats import carrier_rules, case_batch_rules, case_rules

_ROOT = Path(__file__).parents[2]
PAGES: dict[str, tuple[ModuleType, str]] = {
    "carrier": (carrier_rules, "carrier"),
    "case": (case_rules, "case"),
    "case-batch": (case_batch_rules, "batch"),
}
_TESTS = {
    "carrier": "test_carrier_packages.py",
    "case": "test_case_packages.py",
    "case-batch": "test_case_batches.py",
}


def rules(module: ModuleType) -> dict[str, Rule]:
    found = [each for each in vars(module).values() if isinstance(each, Rule)]
    return {rule.code: rule for rule in found if rule.severity is not Severity.NOTE}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_names_every_rule_and_no_other(name: str) -> None:
    module, prefix = PAGES[name]
    page = (_ROOT / f"docs/formats/{name}.md").read_text("utf-8")
    named = set(re.findall(rf"`({prefix}-[a-z-]+)`", page)) - {name}
    assert named - rules(module).keys() <= {"batch-digest-matched"}
    assert rules(module).keys() <= named


@pytest.mark.parametrize("name", PAGES)
def test_every_rule_is_broken_by_some_sample(name: str) -> None:
    module, _ = PAGES[name]
    samples = (_ROOT / "tests/conformance" / _TESTS[name]).read_text("utf-8")
    tried = set(re.findall(r"[a-z]+(?:-[a-z]+)+", samples))
    assert rules(module).keys() <= tried
