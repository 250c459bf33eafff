"""What lies in monitoring/ beside its code: rules and dashboard, and the metrics they may name."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from monitoring.account_metrics import KeeperAccountMetrics, NodeAccountMetrics
from monitoring.catalogue_metrics import CatalogueMetrics, TellingMetrics
from monitoring.ingest_metrics import IngestMetrics
from monitoring.membership_metrics import MembershipMetrics
from monitoring.metrics import (
    ApiMetrics,
    AuditMetrics,
    KeeperMetrics,
    NodeMetrics,
    NotaryMetrics,
    ReaderMetrics,
    new_registry,
)

PROJECT = Path(__file__).parents[1]
RULES = PROJECT / "monitoring/alerts/lantai.rules.yml"
DASHBOARD = PROJECT / "monitoring/dashboards/lantai.json"
OF_ROLES = (
    NodeMetrics, IngestMetrics, KeeperMetrics, AuditMetrics, NotaryMetrics, ReaderMetrics,
    ApiMetrics, NodeAccountMetrics, KeeperAccountMetrics, CatalogueMetrics, TellingMetrics,
    MembershipMetrics,
)  # fmt: skip
# What Grafana puts in place of its variables.
VARIABLES = {"$node": ".+", "$source": ".+", "$__rate_interval": "1m"}
_SUFFIXES = {"counter": ("_total",), "info": ("_info",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True)
class Query:
    """One query of a panel, as Prometheus is asked it."""

    panel: str
    expression: str


def alert_rules() -> list[dict[str, Any]]:
    """Every alert rule as it is written."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard, rows included."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return found


def queries() -> Iterator[Query]:
    """Every query of the dashboard."""
    for panel in panels():
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield Query(panel["title"], expression)


def metric_names() -> dict[str, set[str]]:
    """Each family of the product → the series names that Prometheus sees."""
    names: dict[str, set[str]] = {}
    for metrics in OF_ROLES:
        registry = new_registry("role", "name")
        metrics(registry)
        for family in registry.collect():
            suffixes = _SUFFIXES.get(family.type, ("",))
            names[family.name] = {family.name + suffix for suffix in suffixes}
    return names


def metrics_in(expression: str) -> set[str]:
    """The product's metrics that an expression names."""
    return set(re.findall(r"\b(?:lantai|process)_\w+", expression))
