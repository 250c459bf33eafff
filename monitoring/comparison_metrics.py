"""How catalogue and nodes compare (docs/operations/comparison.md). Measures nothing itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge

COMPARED_COPIES = ("forgotten", "damaged", "verified")


class ComparisonMetrics:
    """The keeper's comparisons."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.comparisons = Counter(
            "lantai_keeper_comparisons",
            "Times the catalogue was held against all nodes that answer.",
            registry=registry,
        )
        self.age_seconds = Gauge(
            "lantai_keeper_last_comparison_age_seconds",
            "Time since that was done last; 0 before the first.",
            registry=registry,
        )
        self.differing_partitions = Gauge(
            "lantai_keeper_differing_partitions",
            "Partitions of 4096 in which any node differed from the catalogue then.",
            registry=registry,
        )
        self.messages = Counter(
            "lantai_keeper_comparison_messages",
            "Messages asked of nodes for comparisons.",
            registry=registry,
        )
        self.copies = Counter(
            "lantai_keeper_compared_copies",
            "Copies that comparisons put on record, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        for outcome in COMPARED_COPIES:
            self.copies.labels(outcome).inc(0)
