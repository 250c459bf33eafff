"""The keeper's comparisons: every few minutes, and at once when a node returns.

docs/operations/comparison.md. When is decided here; what is compared and what follows from it,
in replication/comparison.py.
"""

import asyncio
import time
from typing import Any

from daemon.lifecycle import Part
from daemon.roles.openings import utc_now
from monitoring.comparison_metrics import ComparisonMetrics
from replication.comparison import Comparison
from replication.keeper import Keeper
from replication.repair import Repair
from storage.catalogue.timestamps import to_text

NOTHING_COMPARED = Comparison((), (), ())

# A comparison that left something in doubt is made again after so many times as long as it took:
# soon in a small archive, and a large one is not read through without end.
_UNSETTLED_REST = 10
_LOOK_S = 5.0


class ComparisonTimes:
    """When the next comparison is due. Pure: all moments are the caller's."""

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self._due_s = 0.0
        self._compared: frozenset[object] = frozenset()

    def is_due(self, now_s: float, present: frozenset[object]) -> bool:
        """`present`: who can be compared, told apart whenever somebody came back."""
        return now_s >= self._due_s or not present <= self._compared

    def compared(
        self, began_s: float, ended_s: float, present: frozenset[object], *, is_settled: bool
    ) -> None:
        """A comparison of those `present` was made."""
        rest_s = self.period_s
        if not is_settled:
            rest_s = min(rest_s, _UNSETTLED_REST * (ended_s - began_s))
        self._due_s = ended_s + rest_s
        self._compared = present


class KeeperComparison:
    """One part of the keeper, and what it found last."""

    def __init__(
        self,
        keeper: Keeper,
        repair: Repair,
        period_s: float,
        metrics: ComparisonMetrics,
        changed: asyncio.Event,
    ) -> None:
        """`changed` is set whenever something was compared."""
        self._keeper = keeper
        self._repair = repair
        self._times = ComparisonTimes(period_s)
        self._metrics = metrics
        self._at_s: float | None = None
        self._at = ""
        self._changed = changed
        self.last = NOTHING_COMPARED

    def part(self) -> Part:
        return Part("comparison", self._run)

    def shown(self) -> dict[str, Any]:
        """The last comparison as docs/operations/control.md has it."""
        effort = self.last.effort
        return {
            "at": self._at,
            "nodes": effort.nodes,
            "differing_partitions": effort.partitions,
            "messages": effort.messages,
            "sentence": sentence(self.last),
        }

    def measure(self) -> None:
        """Tell Prometheus."""
        if self._at_s is not None:
            self._metrics.age_seconds.set(time.monotonic() - self._at_s)

    async def _run(self, part: Part) -> None:
        while True:
            if not self._keeper.leads:
                self._forget()
                part.beat("Standing by")
            else:
                await self._compare_if_due(part)
            await part.pause(_LOOK_S)

    async def _compare_if_due(self, part: Part) -> None:
        present = await self._present()
        began_s = time.monotonic()
        if not self._times.is_due(began_s, present):
            part.beat(sentence(self.last))
            return
        with part.patient("Holding the catalogue against the nodes"):
            found = await self._keeper.compare()
        if found is not None:
            ended_s = time.monotonic()
            # A person who put right what was called for sees soon that it is.
            is_settled = found.effort.is_settled and not found.catalogue_is_alone
            self._times.compared(began_s, ended_s, present, is_settled=is_settled)
            self._note(found, ended_s)
            part.beat(sentence(found))

    async def _present(self) -> frozenset[object]:
        """Who may be asked and answers: each connection and each new disk is another."""
        asked = await self._keeper.asked()
        replaced = ("replaced", self._repair.volumes_replaced)
        greeted = (
            (node, client.counts.greetings) for node, client in asked.items() if client.is_connected
        )
        return frozenset((replaced, *greeted))

    def _note(self, found: Comparison, now_s: float) -> None:
        self.last, self._at_s, self._at = found, now_s, to_text(utc_now())
        metrics = self._metrics
        metrics.comparisons.inc()
        metrics.differing_partitions.set(found.effort.partitions)
        metrics.messages.inc(found.effort.messages)
        for outcome in ("forgotten", "damaged", "verified"):
            metrics.copies.labels(outcome).inc(getattr(found, outcome))
        self._changed.set()

    def _forget(self) -> None:
        """Who stands by knows nothing of its own, least of all what it knew when it led."""
        self.last = NOTHING_COMPARED
        self._times = ComparisonTimes(self._times.period_s)


def sentence(found: Comparison) -> str:
    """One line on what a comparison came to."""
    effort = found.effort
    if effort.partitions == 0:
        told = f"{effort.nodes} nodes keep what the catalogue says"
    else:
        told = (
            f"{effort.partitions} of 4096 partitions differ on {effort.nodes} nodes: "
            f"{found.forgotten} copies forgotten, {found.damaged} damaged, "
            f"{found.verified} verified"
        )
    if found.catalogue_is_alone:
        told += f"; {len(found.catalogue_is_alone)} objects differ from all nodes: call a person"
    if found.away:
        told += f"; no answer from {', '.join(found.away)}"
    return told
