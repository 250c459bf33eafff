"""The alert rules: each fires and keeps still as its cases say, and each has its runbook."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring_files import PROJECT, RULES, alert_rules, metric_names, metrics_in

CASES = sorted(Path(__file__).parent.glob("alert_cases_*.yml"))
RUNBOOK = "docs/operations/alerts.md"
NAMES = [rule["alert"] for rule in alert_rules()]
CHINESE = re.compile(r"[\u4e00-\u9fff]")

by_name = pytest.mark.parametrize("rule", alert_rules(), ids=NAMES)


@pytest.mark.needs_prometheus
def test_prometheus_accepts_the_rules() -> None:
    promtool("check", "rules", str(RULES))


@pytest.mark.needs_prometheus
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_every_alert_fires_and_keeps_still_as_its_cases_say(cases: Path) -> None:
    promtool("test", "rules", str(cases))


def test_every_alert_fires_in_a_case() -> None:
    said = [test for cases in CASES for test in yaml.safe_load(cases.read_text("utf-8"))["tests"]]
    firing = {
        sample["labels"]
        for test in said
        for step in test["promql_expr_test"]
        for sample in step["exp_samples"]
    }
    assert firing == {f'{{alertname="{name}"}}' for name in NAMES}


@by_name
def test_an_alert_speaks_both_languages_and_names_its_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "summary_zh", "description", "description_zh", "runbook"}
    for name in ("summary", "description"):
        assert CHINESE.search(notes[name]) is None
        assert CHINESE.search(notes[f"{name}_zh"])
    assert notes["runbook"] == f"{RUNBOOK}#{rule['alert'].lower()}"


@by_name
def test_an_alert_names_only_metrics_that_exist(rule: dict[str, Any]) -> None:
    known = set().union(*metric_names().values())
    assert metrics_in(rule["expr"]) <= known


@by_name
def test_the_runbook_agrees_on_severity_and_says_what_to_do(rule: dict[str, Any]) -> None:
    section = sections()[rule["alert"]]
    assert section.strip().startswith(rule["labels"]["severity"])
    assert all(word in section for word in ("含义", "查看", "处置"))


def test_the_runbook_has_no_alert_that_is_gone() -> None:
    assert sorted(sections()) == sorted(NAMES)


def sections() -> dict[str, str]:
    """Alert → its section of the runbook."""
    parts = re.split(r"^## (\w+)$", (PROJECT / RUNBOOK).read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def promtool(*arguments: str) -> None:
    """Fail with what promtool says."""
    said = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
