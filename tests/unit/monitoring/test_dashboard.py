"""The dashboard: valid queries on metrics that exist, nothing overlapping, nothing hard-wired."""

import json
import re
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring_files import (
    DASHBOARD,
    PROJECT,
    alert_rules,
    metric_names,
    metrics_in,
    panels,
    queries,
)

GRID_COLUMNS = 24


@pytest.mark.needs_prometheus
def test_prometheus_accepts_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"dashboard:query_{number}", "expr": query.expression}
        for number, query in enumerate(queries())
    ]
    file = tmp_path / "queries.rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = ["promtool", "check", "rules", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert f"{len(rules)} rules found" in said.stdout


def test_every_query_names_only_metrics_that_exist() -> None:
    process = {"process_resident_memory_bytes", "lantai_build_info"}
    known = set().union(process, *metric_names().values())
    assert {query for query in queries() if not metrics_in(query.expression) <= known} == set()


def test_every_metric_is_looked_at_by_a_panel_or_an_alert() -> None:
    expressions = [query.expression for query in queries()]
    expressions += [rule["expr"] for rule in alert_rules()]
    seen = set().union(*map(metrics_in, expressions))
    ours = {name: series for name, series in metric_names().items() if name.startswith("lantai_")}
    assert [name for name, series in ours.items() if not series & seen] == []


def test_no_panel_lies_over_another() -> None:
    for one, other in combinations(panels(), 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    for panel in panels():
        assert all(0 <= x < GRID_COLUMNS for x, _ in cells(panel)), panel["title"]


def test_every_title_is_in_both_languages() -> None:
    for panel in panels():
        assert re.search(r"[A-Za-z]", panel["title"]), panel["title"]
        assert re.search(r"[\u4e00-\u9fff]", panel["title"]), panel["title"]


def test_ids_are_unique_and_the_data_source_is_whatever_the_site_has() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    used = {json.dumps(source) for source in data_sources(panels())}
    assert used == {json.dumps({"type": "prometheus", "uid": "${ds}"})}
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    assert dashboard["uid"] == "lantai"
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    asked = {name for panel in panels() for name in variables_of(panel)}
    assert asked == names - {"ds"}


def test_nothing_of_it_is_fetched_from_outside() -> None:
    for file in (PROJECT / "monitoring").rglob("*"):
        if file.suffix in {".json", ".yml"}:
            addresses = re.findall(r"https?://([^/:\"\s]+)", file.read_text("utf-8"))
            assert set(addresses) <= {"127.0.0.1"}, file


def test_provisioning_and_example_are_what_grafana_and_prometheus_read() -> None:
    folder = PROJECT / "monitoring"
    (source,) = load(folder / "provisioning/datasources/lantai.yml")["datasources"]
    (provider,) = load(folder / "provisioning/dashboards/lantai.yml")["providers"]
    assert (source["type"], provider["type"]) == ("prometheus", "file")
    scrapes = load(folder / "prometheus.yml")
    assert source["jsonData"]["timeInterval"] == scrapes["global"]["scrape_interval"]
    jobs = {job["job_name"] for job in scrapes["scrape_configs"]}
    roles = ("node", "ingest", "notary", "keeper", "view", "api")
    assert jobs == {f"lantai-{role}" for role in roles}


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    columns, rows = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
    return {(x, y) for x in columns for y in rows}


def data_sources(found: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for panel in found:
        if panel["type"] != "row":
            yield panel["datasource"]
            yield from (target["datasource"] for target in panel["targets"])


def variables_of(panel: dict[str, Any]) -> set[str]:
    named = re.findall(r"\$(\w+)", " ".join(each["expr"] for each in panel.get("targets", ())))
    return {name for name in named if not name.startswith("__")}
