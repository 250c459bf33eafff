"""Every number the appliance tells Prometheus, named and explained in one place.

Prometheus exposition format 0.0.4; names end in their unit, counters in `_total`. One registry for
each process (`new_registry`) and one class for each role. Every label value that is known
beforehand exists from the start with zero, so that `increase()` sees the first event. Measures
nothing itself: roles set what they know, or give a function that is asked at each scrape.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

VOLUME_STATES = ("ready", "read-only")
FINDING_KINDS = (
    "altered",
    "truncated",
    "missing",
    "unreadable",
    "stray",
    "inventory-damaged",
    "sidecar-damaged",
    "object-missing",
    "stray-object",
    "stray-storm",
    "journal-damaged",
    "index-damaged",
)
WIRE_REFUSALS = ("stranger", "role", "malformed", "other")
MEND_OUTCOMES = ("mended", "refused", "source-failed")  # as a node answers (docs/wire/repair.md)
REPAIR_OUTCOMES = ("mended", "failed")  # as the keeper records them
AUDIT_OUTCOMES = (
    "agreed",
    "partial",
    "located",
    "settled",
    "suspect",
    "undecided",
    "unanswered",
)
TRANSFER_STATES = (
    "waiting",
    "claimed",
    "staging",
    "judging",
    "accepted",
    "writing",
    "divided",
    "awaiting-registration",
    "stored",
    "rejected",
    "held",
    "failed",
    "withdrawn",
)
BAD_COPY_STATES = ("damaged", "missing")
ANSWER_KINDS = ("received", "registration", "stored", "rejected", "held")
NOTARY_REFUSALS = ("answer-unreadable", "node-answer-refused", "statement-refused")


class StateGauge:
    """A gauge with one series for each state: 1 for the present one, 0 for all others."""

    def __init__(
        self, name: str, help_text: str, states: Iterable[str], registry: CollectorRegistry
    ) -> None:
        self._gauge = Gauge(name, help_text, ["state"], registry=registry)
        self._states = set(states)
        for state in self._states:
            self._gauge.labels(state).set(0)

    def set(self, present: str) -> None:
        """Say that `present` is the state now; a state not known beforehand is added."""
        self._states.add(present)
        for state in self._states:
            self._gauge.labels(state).set(1 if state == present else 0)


def new_registry(role: str, name: str) -> CollectorRegistry:
    """The registry of this process: what is running here, and the process's own figures."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it untyped
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    Info("lantai_build", "What is running here.", registry=registry).info(
        {"version": product_version(), "role": role, "name": name}
    )
    return registry


def product_version() -> str:
    """The version of the installed product; "0+source" where it was never installed."""
    try:
        return version("lantai-appliance")
    except PackageNotFoundError:
        return "0+source"


class NodeMetrics:
    """A storage node: what lies on its disk, what the sweep finds, who was turned away."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.objects = Gauge("lantai_node_objects", "Objects committed here.", registry=registry)
        self.content_bytes = Gauge(
            "lantai_node_content_bytes", "Bytes of their content.", registry=registry
        )
        self.free_bytes = Gauge(
            "lantai_node_free_bytes", "Bytes free above the reserve.", registry=registry
        )
        self.total_bytes = Gauge(
            "lantai_node_total_bytes", "Size of the volume's file system.", registry=registry
        )
        self.state = StateGauge(
            "lantai_node_state", "State of the volume, 1 for the present.", VOLUME_STATES, registry
        )
        self._add_sweep(registry)
        self._add_wire(registry)

    def _add_sweep(self, registry: CollectorRegistry) -> None:
        self.checked_bytes = Counter(
            "lantai_node_checked_bytes", "Bytes re-read from the medium.", registry=registry
        )
        self.checked_objects = Counter(
            "lantai_node_checked_objects", "Objects re-read whole.", registry=registry
        )
        self.findings = _counter(
            "lantai_node_findings", "Damage found, by kind.", "kind", FINDING_KINDS, registry
        )
        self.findings_open = Gauge(
            "lantai_node_findings_open", "Findings not yet mended.", registry=registry
        )
        self.oldest_unchecked_seconds = Gauge(
            "lantai_node_oldest_unchecked_seconds",
            "Age of the oldest check among all objects: it must stay under the deadline.",
            registry=registry,
        )
        self.sweep_deadline_seconds = Gauge(
            "lantai_node_sweep_deadline_seconds", "The age no check may reach.", registry=registry
        )
        self.sweep_running = Gauge(
            "lantai_node_sweep_running", "1 while a sweep reads.", registry=registry
        )
        self.sweep_paused = Gauge(
            "lantai_node_sweep_paused", "1 while somebody has paused the sweep.", registry=registry
        )
        self.sweep_slack_seconds = _by_class(
            "lantai_node_sweep_slack_seconds",
            "Room that the forecast leaves before the deadline; below 0 it will be missed.",
            registry,
        )
        self.sweep_forecast_seconds = _by_class(
            "lantai_node_sweep_forecast_seconds",
            "Until the class will have been read again.",
            registry,
        )
        self.sweep_cycle = Gauge(
            "lantai_node_sweep_cycle", "Number of the present or last cycle.", registry=registry
        )
        self.sweep_broken = Gauge(
            "lantai_node_sweep_broken",
            "1 while the sweep does not see its canaries: nothing is being checked.",
            registry=registry,
        )

    def _add_wire(self, registry: CollectorRegistry) -> None:
        self.commits = Counter(
            "lantai_node_commits", "Object versions committed here.", registry=registry
        )
        self.wire_refusals = _counter(
            "lantai_wire_refusals", "Peers and messages refused.", "reason", WIRE_REFUSALS, registry
        )
        self.repairs = _counter(
            "lantai_node_repairs", "Mends ordered of this node.", "outcome", MEND_OUTCOMES, registry
        )


class NotaryMetrics:
    """The notary: what it signed, and what it would not sign."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.signatures = _counter(
            "lantai_notary_signatures", "Answers signed.", "kind", ANSWER_KINDS, registry
        )
        self.refusals = _counter(
            "lantai_notary_refusals",
            "Answers it would not sign, by reason.",
            "reason",
            NOTARY_REFUSALS,
            registry,
        )


class KeeperMetrics:
    """The keeper: how safe the whole is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.packages = Gauge(
            "lantai_keeper_packages", "Packages in the catalogue.", registry=registry
        )
        self.copies_below_target = Gauge(
            "lantai_keeper_copies_below_target",
            "Packages with fewer good copies than promised.",
            registry=registry,
        )
        self.bad_copies = Gauge(
            "lantai_keeper_bad_copies", "Copies that do not count.", ["state"], registry=registry
        )
        for state in BAD_COPY_STATES:
            self.bad_copies.labels(state).set(0)
        self.packages_at_risk = Gauge(
            "lantai_keeper_packages_at_risk",
            "Packages with at most one good copy.",
            registry=registry,
        )
        self.objects_without_good_copy = Gauge(
            "lantai_keeper_objects_without_good_copy",
            "AT_RISK: no copy is left to mend from. Nothing is touched, a person must look.",
            registry=registry,
        )
        self.catalogue_disagreements = Gauge(
            "lantai_keeper_catalogue_disagreements",
            "Objects of which all nodes keep the same bytes, and not the catalogue's.",
            registry=registry,
        )
        self.findings_open = Gauge(
            "lantai_keeper_findings_open", "Findings on all nodes not mended.", registry=registry
        )
        self.repairs = _counter(
            "lantai_keeper_repairs", "Mends that ended.", "outcome", REPAIR_OUTCOMES, registry
        )
        self.mending_stopped = Gauge(
            "lantai_keeper_mending_stopped",
            "1 when too much damage at once made it stop and call.",
            registry=registry,
        )
        self.node_reachable = Gauge(
            "lantai_keeper_node_reachable",
            "1 while the node answers.",
            ["node"],
            registry=registry,
        )
        self.leading = Gauge(
            "lantai_keeper_leading", "1 while this keeper holds the lease.", registry=registry
        )


class AuditMetrics:
    """The keeper's audits: what answers came to, and who is not believed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.audits = _counter(
            "lantai_keeper_audits", "Objects audited.", "outcome", AUDIT_OUTCOMES, registry
        )
        self.answers_missing = Counter(
            "lantai_keeper_audit_answers_missing",
            "Audits that a node did not answer.",
            ["node"],
            registry=registry,
        )
        self.last_audit_age_seconds = Gauge(
            "lantai_keeper_last_audit_age_seconds",
            "Time since anything was audited, by order or at random; 0 before the first.",
            registry=registry,
        )
        self.audits_open = Gauge(
            "lantai_keeper_audits_open",
            "Objects whose last audit only a person can settle: no majority, or a suspect.",
            registry=registry,
        )
        self.suspect_nodes = Gauge(
            "lantai_keeper_suspect_nodes",
            "Nodes that are neither a source nor a target of mending until a person trusts them.",
            registry=registry,
        )


class ReaderMetrics:
    """Verified reads, in the roles `view` and `api`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reads = Counter("lantai_reader_reads", "Reads of files answered.", registry=registry)
        self.verified_bytes = Counter(
            "lantai_reader_verified_bytes",
            "Bytes proven against a signed digest and passed on.",
            registry=registry,
        )
        self.verification_failures = Counter(
            "lantai_reader_verification_failures",
            "Answers of a node that were not what was signed; never passed on.",
            ["node"],
            registry=registry,
        )
        self.failovers = Counter(
            "lantai_reader_failovers",
            "Fetches that a node answered after another had failed.",
            registry=registry,
        )
        self.refusals = Counter(
            "lantai_reader_refusals",
            "Fetches that no node could answer rightly.",
            registry=registry,
        )
        self.node_slow = Gauge(
            "lantai_reader_node_slow",
            "1 while reads go around a node that answers far more slowly than its peers.",
            ["node"],
            registry=registry,
        )
        self.node_answer_seconds = Gauge(
            "lantai_reader_node_answer_seconds",
            "How long a node's answers to reads take, as a moving average.",
            ["node"],
            registry=registry,
        )


class ApiMetrics:
    """The access API: requests by route and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "lantai_api_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "lantai_api_request_seconds", "Time to the last byte.", ["route"], registry=registry
        )


def _by_class(name: str, help_text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, help_text, ["class"], registry=registry)


def _counter(
    name: str, help_text: str, label: str, known: Iterable[str], registry: CollectorRegistry
) -> Counter:
    counter = Counter(name, help_text, [label], registry=registry)
    for value in known:
        counter.labels(value)
    return counter


class Totals:
    """Raises counters to totals that are kept elsewhere and only grow, such as the catalogue's."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Counter, tuple[str, ...]], float] = {}

    def raise_to(self, counter: Counter, total: float, *labels: str) -> None:
        """Bring `counter`, with these labels, up to `total`."""
        child = counter.labels(*labels) if labels else counter
        seen = self._seen.get((counter, labels), 0.0)
        child.inc(max(0.0, total - seen))
        self._seen[counter, labels] = max(total, seen)
