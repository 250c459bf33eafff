"""A node's figures for Prometheus, read from its volume, sweep and wire as they stand.

Names and meanings are monitoring/metrics.py's. Measures only; a figure never changes what is done.
"""

import asyncio
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from daemon.config import SweepSettings
from monitoring.account_metrics import NodeAccountMetrics
from monitoring.metrics import NodeMetrics, Totals
from replication.authentication import Authenticator
from replication.node_service import NodeService
from storage.catalogue.timestamps import to_moment
from storage.sweep.model import SweepStatus
from storage.sweep.sweeper import Sweeper
from storage.volume.state import VolumeState
from storage.volume.volume import Volume

_DAY_S = 86_400
_FINDINGS_PAGE = 1000

# What the wire's refusal codes count as, for people who look at a graph.
_REFUSED_AS = {
    "role-forbids": "role",
    "role-not-yours": "role",
    "message-malformed": "malformed",
    "message-refused": "malformed",
}


class NodeGauges:
    """Brings the figures up to date, each time it is asked.

    Counters count from the start of the process: what the disk remembers of earlier ones must not
    look like an event of today.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        volume: Volume,
        sweeper: Sweeper,
        service: NodeService,
        authenticator: Authenticator,
        sweep: SweepSettings,
    ) -> None:
        self._metrics = NodeMetrics(registry)
        self._account = NodeAccountMetrics(registry)
        self._volume = volume
        self._sweeper = sweeper
        self._service = service
        self._authenticator = authenticator
        self._totals = Totals()
        self._last_finding = self._newest_finding()
        self._cycle: tuple[int, int, int] | None = None
        self._metrics.sweep_deadline_seconds.set(sweep.deadline_days * _DAY_S)

    async def measure(self) -> VolumeState:
        """Set every figure, and return the volume's state for the status sentence."""
        state = await asyncio.to_thread(self._volume.state)
        self._set_volume(state)
        self._set_sweep(await self._sweeper.status())
        await self._set_ages()
        self._set_wire()
        await asyncio.to_thread(self._count_findings)
        return state

    def _set_volume(self, state: VolumeState) -> None:
        metrics = self._metrics
        metrics.state.set(state.state)
        metrics.objects.set(state.objects)
        metrics.content_bytes.set(state.content_bytes)
        metrics.free_bytes.set(state.free_bytes)
        metrics.total_bytes.set(state.total_bytes)
        metrics.findings_open.set(self._volume.open_finding_count())

    def _set_sweep(self, status: SweepStatus) -> None:
        metrics = self._metrics
        metrics.sweep_running.set(status.running)
        metrics.sweep_paused.set(status.paused)
        for each in status.forecasts:
            metrics.sweep_slack_seconds.labels(each.name).set(each.slack_s)
            metrics.sweep_forecast_seconds.labels(each.name).set(-_age_s_signed(each.finish_at))
        metrics.sweep_cycle.set(status.cycle)
        metrics.sweep_broken.set(bool(status.broken))
        metrics.oldest_unchecked_seconds.set(_age_s(status.oldest_checked_at))
        present = (status.cycle, status.checked_objects, status.checked_bytes)
        cycle, objects, checked_bytes = self._cycle or present
        if status.cycle != cycle:
            objects = checked_bytes = 0
        metrics.checked_objects.inc(max(0, status.checked_objects - objects))
        metrics.checked_bytes.inc(max(0, status.checked_bytes - checked_bytes))
        self._cycle = present

    async def _set_ages(self) -> None:
        account = await self._sweeper.account(0, 0)
        for bucket, objects in account.ages._asdict().items():
            self._account.checked_age_objects.labels(bucket).set(objects)

    def _set_wire(self) -> None:
        if not self._service.serving.is_set():
            return
        counts, door = self._service.counts, self._authenticator.counts
        refused = self._metrics.wire_refusals
        # The node's own proof that strangers are kept out knocks like one.
        strangers = door.strangers - counts.proofs
        self._totals.raise_to(refused, strangers + door.cut_off, "stranger")
        totals: dict[str, int] = {}
        for code, count in counts.refused.items():
            reason = _REFUSED_AS.get(code, "other")
            totals[reason] = totals.get(reason, 0) + count
        for reason, count in totals.items():
            self._totals.raise_to(refused, count, reason)
        self._totals.raise_to(self._metrics.commits, self._service.put_counts.committed)
        for outcome, count in self._service.mends.items():
            self._totals.raise_to(self._metrics.repairs, count, outcome)

    def _count_findings(self) -> None:
        while page := self._volume.findings(self._last_finding, _FINDINGS_PAGE):
            for finding in page:
                self._metrics.findings.labels(finding.kind).inc()
            self._last_finding = page[-1].sequence

    def _newest_finding(self) -> int:
        newest = 0
        while page := self._volume.findings(newest, _FINDINGS_PAGE):
            newest = page[-1].sequence
        return newest


def _age_s_signed(moment: str) -> float:
    return (datetime.now(UTC) - to_moment(moment)).total_seconds()


def _age_s(moment: str | None) -> float:
    if moment is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - to_moment(moment)).total_seconds())
