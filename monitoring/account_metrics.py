"""How old readings are, how copies lie over domains, who is away, what report is due.

The rest of what the appliance tells is metrics.py's. A gauge for each bucket, not a histogram:
objects grow older without any event. Measures nothing itself.
"""

from prometheus_client import CollectorRegistry, Gauge

AGE_BUCKETS = (
    "under_1_day",
    "under_7_days",
    "under_30_days",
    "under_90_days",
    "over_90_days",
    "never",
)


class NodeAccountMetrics:
    """A node's objects by the age of their last whole reading; each is in one bucket."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.checked_age_objects = Gauge(
            "lantai_node_checked_age_objects",
            "Objects by the age of the last sweep that found them intact; never: by none yet.",
            ["bucket"],
            registry=registry,
        )
        for bucket in AGE_BUCKETS:
            self.checked_age_objects.labels(bucket).set(0)


class KeeperAccountMetrics:
    """What the nodes hold by failure domain, who is away by plan, and a report that waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.domain_objects = Gauge(
            "lantai_keeper_domain_objects",
            "Objects that the answering nodes of a failure domain hold.",
            ["domain"],
            registry=registry,
        )
        self.node_away = Gauge(
            "lantai_keeper_node_away",
            "1 while the node is away by plan: its silence is no alarm, its copies no good ones.",
            ["node"],
            registry=registry,
        )
        self.report_overdue_seconds = Gauge(
            "lantai_keeper_report_overdue_seconds",
            "How long a fixity report has been due and not filed; 0: none is.",
            registry=registry,
        )
