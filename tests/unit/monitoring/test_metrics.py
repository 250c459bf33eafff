"""Metrics: every name is Prometheus's, and known labels exist before their first event."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from ingest_watch.answers import AnswerUnreadable
from ingest_watch.notary import StatementRefused
from monitoring.account_metrics import AGE_BUCKETS, KeeperAccountMetrics, NodeAccountMetrics
from monitoring.comparison_metrics import ComparisonMetrics
from monitoring.ingest_metrics import IngestMetrics
from monitoring.metrics import (
    ANSWER_KINDS,
    AUDIT_OUTCOMES,
    BAD_COPY_STATES,
    FINDING_KINDS,
    MEND_OUTCOMES,
    NOTARY_REFUSALS,
    TRANSFER_STATES,
    ApiMetrics,
    AuditMetrics,
    KeeperMetrics,
    NodeMetrics,
    NotaryMetrics,
    ReaderMetrics,
    Totals,
    new_registry,
)
from replication.audit_plan import AuditOutcome
from replication.mending import MENDED, REFUSED, SOURCE_FAILED
from storage.catalogue.model import AnswerKind, CopyState, TransferState
from storage.node_answer import NodeAnswerRefused
from storage.sweep.account import CheckedAges
from storage.sweep.model import DamageKind

ALL = [
    NodeMetrics,
    IngestMetrics,
    KeeperMetrics,
    AuditMetrics,
    NotaryMetrics,
    ReaderMetrics,
    ApiMetrics,
    NodeAccountMetrics,
    KeeperAccountMetrics,
    ComparisonMetrics,
]


def test_known_labels_are_zero_before_their_first_event() -> None:
    registry = new_registry("node", "node-1")
    NodeMetrics(registry)
    for kind in FINDING_KINDS:
        assert registry.get_sample_value("lantai_node_findings_total", {"kind": kind}) == 0


def test_one_state_is_present_at_a_time() -> None:
    registry = new_registry("node", "node-1")
    metrics = NodeMetrics(registry)
    metrics.state.set("ready")
    metrics.state.set("read-only")

    def state(name: str) -> float | None:
        return registry.get_sample_value("lantai_node_state", {"state": name})

    assert (state("ready"), state("read-only")) == (0, 1)


def test_a_state_nobody_foresaw_is_shown_and_leaves_again() -> None:
    registry = new_registry("node", "node-1")
    metrics = NodeMetrics(registry)
    metrics.state.set("melting")
    assert registry.get_sample_value("lantai_node_state", {"state": "melting"}) == 1
    metrics.state.set("ready")
    assert registry.get_sample_value("lantai_node_state", {"state": "melting"}) == 0


@pytest.mark.parametrize("kind", ALL)
def test_every_name_is_ours_explained_and_ends_in_its_unit(kind: type) -> None:
    registry = new_registry("role", "name")
    before = {family.name for family in registry.collect()}
    kind(registry)
    families = [family for family in registry.collect() if family.name not in before]
    assert families
    for family in families:
        assert re.fullmatch(r"lantai_[a-z]+(_[a-z]+)+", family.name)
        assert family.documentation.endswith((".", "deadline."))


@pytest.mark.parametrize("kind", ALL)
def test_the_operators_page_explains_every_metric(kind: type) -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations" / "metrics.md").read_text("utf-8")
    registry = new_registry("role", "name")
    kind(registry)
    ours = [family for family in registry.collect() if family.name.startswith("lantai_")]
    rows = [f"| `{each.name}` | {each.type} | {each.documentation} |" for each in ours]
    assert [row for row in rows if row not in page] == []


def test_the_page_says_what_is_running_and_no_creation_times() -> None:
    registry = new_registry("node", "node-1")
    NodeMetrics(registry).commits.inc()
    page = generate_latest(registry).decode()
    assert 'lantai_build_info{name="node-1",role="node",version=' in page
    assert "lantai_node_commits_total 1.0" in page
    assert "_created" not in page


def test_the_labels_known_beforehand_are_the_words_of_the_product() -> None:
    refusals = {AnswerUnreadable.code, NodeAnswerRefused.code, StatementRefused.code}
    assert set(NOTARY_REFUSALS) == refusals
    assert set(FINDING_KINDS) == set(DamageKind)
    assert CheckedAges._fields == AGE_BUCKETS
    assert set(AUDIT_OUTCOMES) == set(AuditOutcome)
    assert set(TRANSFER_STATES) == set(TransferState)
    assert set(ANSWER_KINDS) == set(AnswerKind)
    assert set(BAD_COPY_STATES) == set(CopyState) - {CopyState.COMMITTED}
    assert set(MEND_OUTCOMES) == {MENDED, REFUSED, SOURCE_FAILED}


def test_a_total_that_falls_is_not_counted_again_when_it_rises() -> None:
    registry = new_registry("node", "node-1")
    commits = NodeMetrics(registry).commits
    totals = Totals()
    for total in (5, 3, 5, 6):
        totals.raise_to(commits, total)
    assert registry.get_sample_value("lantai_node_commits_total") == 6
