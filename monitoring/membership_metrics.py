"""Who belongs to the archive, who has signed for it, and how far copies of leaving nodes are.

docs/operations/metrics.md. The rest of what the appliance tells is metrics.py's. Measures nothing.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

STANDINGS = ("joining", "up", "readonly", "draining", "lost")
OUTCOMES = ("done", "failed")


class MembershipMetrics:
    """The keeper's; a node has its labels once it belongs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.layout_version = Gauge(
            "lantai_keeper_layout_version",
            "Version of the signed layout that holds; 0: none yet.",
            registry=registry,
        )
        self.layout_unheard = Gauge(
            "lantai_keeper_layout_unheard_nodes",
            "Live nodes that have not signed for the layout that holds.",
            registry=registry,
        )
        self._standing = Gauge(
            "lantai_keeper_node_standing",
            "1 for the state that the node is in by the layout, 0 for the others.",
            ["node", "state"],
            registry=registry,
        )
        self.moves_waiting = Gauge(
            "lantai_keeper_moves_waiting",
            "Objects of a leaving or lost node that do not have all good copies elsewhere yet.",
            ["node"],
            registry=registry,
        )
        self.moves = Counter(
            "lantai_keeper_moves",
            "Copies made elsewhere in the place of this node's, by outcome.",
            ["outcome", "node"],
            registry=registry,
        )
        self.node_removable = Gauge(
            "lantai_keeper_node_removable",
            "1 when nothing on a leaving node is needed any more and its disk may be removed.",
            ["node"],
            registry=registry,
        )

    def set_standings(self, standings: Mapping[str, str]) -> None:
        """Node → state, of all that belong."""
        for node, present in standings.items():
            for state in STANDINGS:
                self._standing.labels(node, state).set(state == present)
            for outcome in OUTCOMES:
                self.moves.labels(outcome, node)
