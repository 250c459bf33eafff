"""The intake's numbers for Prometheus, as metrics.py has those of the other roles.

Names and explanations are also in docs/operations/metrics.md, which a test holds to these.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge

from monitoring.metrics import TRANSFER_STATES


class IngestMetrics:
    """The intake: what waits, what was stored, what was sent back and why."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.transfers = Gauge(
            "lantai_ingest_transfers",
            "Transfers whose original is still there, by state.",
            ["state"],
            registry=registry,
        )
        for state in TRANSFER_STATES:
            self.transfers.labels(state).set(0)
        self.stored = Counter(
            "lantai_ingest_packages_stored",
            "Packages on N nodes with their receipt.",
            ["source"],
            registry=registry,
        )
        self.rejected = Counter(
            "lantai_ingest_packages_rejected",
            "Packages sent back.",
            ["source"],
            registry=registry,
        )
        self.ingested_bytes = Counter(
            "lantai_ingest_bytes", "Bytes of the packages stored.", ["source"], registry=registry
        )
        self.oldest_waiting_seconds = Gauge(
            "lantai_ingest_oldest_waiting_seconds",
            "Age of the oldest transfer that is not decided.",
            registry=registry,
        )
        self.drop_folder_available = Gauge(
            "lantai_ingest_drop_folder_available",
            "1 while the source's drop folder can be read.",
            ["source"],
            registry=registry,
        )
        self.out_of_scope = Gauge(
            "lantai_ingest_transfers_out_of_scope",
            "Transfers held because their source may not send them, or not so secret.",
            ["source"],
            registry=registry,
        )
        self.scope_table_refused = Gauge(
            "lantai_ingest_scope_table_refused",
            "1 while the source's newest scope-and-retention table has a mistake.",
            ["source"],
            registry=registry,
        )
        self.staging_free_bytes = Gauge(
            "lantai_ingest_staging_free_bytes", "Bytes free for staging.", registry=registry
        )
        self.staging_total_bytes = Gauge(
            "lantai_ingest_staging_total_bytes",
            "Size of the file system that staging is on.",
            registry=registry,
        )
        self._add_readers(registry)
        self._add_progress(registry)
        self._add_tallies(registry)

    def _add_readers(self, registry: CollectorRegistry) -> None:
        self.reader_deaths = Counter(
            "lantai_ingest_reader_deaths",
            "Processes that died under a package: its readers, and those that tell formats.",
            ["kind"],
            registry=registry,
        )

    def _add_progress(self, registry: CollectorRegistry) -> None:
        self.oldest_unregistered_seconds = Gauge(
            "lantai_ingest_oldest_unregistered_seconds",
            "How long the oldest transfer that awaits its registration has done so.",
            registry=registry,
        )
        self.bytes_under_way = Gauge(
            "lantai_ingest_bytes_under_way",
            "Of the transfers that are copied or stored now: bytes done, and bytes left.",
            ["part"],
            registry=registry,
        )
        self.bytes_per_second = Gauge(
            "lantai_ingest_bytes_per_second",
            "How fast these transfers go together.",
            registry=registry,
        )
        self.seconds_left_max = Gauge(
            "lantai_ingest_seconds_left_max",
            "How long the slowest of these transfers will still take in its present state.",
            registry=registry,
        )

    def _add_tallies(self, registry: CollectorRegistry) -> None:
        self.tally_gap = Gauge(
            "lantai_ingest_tally_gap",
            "Packages that open dispatch notes and what came do not agree on.",
            ["source", "kind"],
            registry=registry,
        )
        self.tally_oldest_open_seconds = Gauge(
            "lantai_ingest_tally_oldest_open_seconds",
            "Age of the oldest dispatch note with a gap.",
            ["source"],
            registry=registry,
        )
