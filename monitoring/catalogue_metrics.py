"""Whether the catalogue may be written, and how far the nodes lag behind its ledger.

docs/formats/chronicle.md. The rest of what the appliance tells is metrics.py's. Measures nothing.
"""

from prometheus_client import CollectorRegistry, Gauge


class CatalogueMetrics:
    """Of every role that writes the catalogue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Gauge(
            "lantai_catalogue_refused",
            "1 while nodes know what this catalogue does not: nothing is written into it.",
            registry=registry,
        )


class TellingMetrics:
    """The keeper's, as it tells the nodes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.untold_events = Gauge(
            "lantai_keeper_untold_events",
            "Events that a majority of the nodes does not know yet.",
            registry=registry,
        )
