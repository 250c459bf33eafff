"""A real Prometheus over a running appliance, with the product's own alert rules.

Scrapes and judges every second. Alerts wait seconds where the rules say minutes; nothing else of
the rules is changed.
"""

import http.client
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import yaml

from daemon.demo.layout import NODES, DemoLayout
from tests.monitoring_files import RULES

_QUICK = "5s"
# A scrape may take a second at most: on a busy machine a role that is well misses some in a row.
_MISSED_SCRAPES = {
    "LantaiNodeDown": "15s",
    "LantaiRoleDown": "30s",
    "LantaiNodeUnreachable": "30s",
    "LantaiNoKeeperLeads": "30s",
}


@dataclass(frozen=True)
class Series:
    """One answer to a query."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """Used as a context, which ends it."""

    def __init__(self, folder: Path, port: int, layout: DemoLayout) -> None:
        self._address = f"127.0.0.1:{port}"
        (folder / "quick.rules.yml").write_text(json.dumps(_quick_rules()))
        config = folder / "prometheus.yml"
        config.write_text(json.dumps(_config(layout, folder / "quick.rules.yml")))
        self._command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address={self._address}",
        ]
        self._log = folder / "prometheus.log"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(30)

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        assert self._process.poll() is None, self._log.read_text()
        try:
            return self._get("/-/ready")[0] == http.HTTPStatus.OK
        except ConnectionRefusedError:
            return False

    def query(self, expression: str) -> list[Series]:
        """What it answers now."""
        status, body = self._get(f"/api/v1/query?{urlencode({'query': expression})}")
        answer = json.loads(body)
        assert status == http.HTTPStatus.OK, f"{expression}: {answer}"
        return [
            Series(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]
        ]

    def value(self, expression: str) -> float | None:
        """The value of the only series, or None if there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0].value if found else None

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        answer = json.loads(self._get("/api/v1/alerts")[1])["data"]["alerts"]
        return {each["labels"]["alertname"] for each in answer if each["state"] == "firing"}

    def notes(self, alert: str) -> dict[str, str]:
        """The annotations of an alert that fires, filled in."""
        answer = json.loads(self._get("/api/v1/alerts")[1])["data"]["alerts"]
        found: dict[str, str] = next(
            each["annotations"] for each in answer if each["labels"]["alertname"] == alert
        )
        return found

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _quick_rules() -> dict[str, Any]:
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            if rule.get("for") in ("1m", "5m"):
                rule["for"] = _MISSED_SCRAPES.get(rule["alert"], _QUICK)
    return rules


def _config(layout: DemoLayout, rules: Path) -> dict[str, Any]:
    """As monitoring/prometheus.yml has it; JSON is YAML."""
    jobs: dict[str, list[dict[str, Any]]] = {}
    for name, address in layout.addresses.items():
        role = "node" if name in NODES else name
        target = {"targets": [address], "labels": {"instance": name}}
        jobs.setdefault(f"lantai-{role}", []).append(target)
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": job, "static_configs": targets} for job, targets in jobs.items()
        ],
    }
