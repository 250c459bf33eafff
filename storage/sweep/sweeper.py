"""Re-read everything on this node's disk before a deadline, cycle after cycle.

DESIGN.md, promise 4. Says when a cycle runs and what its status is: plan.py decides, cycle.py goes
over the objects. Mends nothing.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

from monitoring.log import get_log
from storage.canary.proving import prove_processes
from storage.sweep.account import CheckedAges, SweepAccount, ages_of, bucket_edges
from storage.sweep.cycle import CycleRun
from storage.sweep.model import SweepCycle, SweepStatus, SweptVolume, rfc3339
from storage.sweep.plan import Sweep, SweepSettings, Wait, next_step, rate_needed, read_rate
from storage.sweep.worker import SweepControls

log = get_log(__name__)

# The longest time in which a clock that was set goes unnoticed.
_WAIT_MAX_S = 60.0
# A sweep that did not see its canaries looks at them again after this, or when it is ordered.
_BROKEN_WAIT_S = 600.0
# Millions of ages take seconds to count; then nobody counts again for so many times as long.
_COUNTING_REST = 50.0


class Sweeper:
    """One node's sweep. `run` it once; everything else is called from the same event loop."""

    def __init__(
        self,
        volume: SweptVolume,
        settings: SweepSettings,
        *,
        chance: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        canaries: Path | None = None,
    ) -> None:
        """`chance`, from 0 to 1 and always the same for a node, spreads the nodes over time.

        Nothing is swept that the check of `canaries`, a folder, did not prove first.
        """
        self._volume = volume
        self._settings = settings
        self._chance = chance
        self._now = now
        self._canaries = canaries
        self._broken = ""
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["storage.sweep.worker"])
        self._controls = SweepControls(self._context, settings.workers + 1)
        self._woken = asyncio.Event()
        self._asked = False
        self._stopping = False
        self._running: CycleRun | None = None
        self._latest: CycleRun | None = None
        self._ages: CheckedAges | None = None
        self._ages_until_s = 0.0  # when the ages have to be counted again

    def start_now(self) -> None:
        """Begin a new cycle at once, also while one runs: every object will be looked at."""
        self._asked = True
        if self._running is not None:
            self._controls.stopped = True
        self.resume()
        self._woken.set()

    def pause(self) -> None:
        """Stop reading until `resume`; an object half read goes on from where it is."""
        self._controls.paused = True

    def resume(self) -> None:
        """Go on reading."""
        self._controls.paused = False

    async def status(self) -> SweepStatus:
        """Where the sweep stands; the counts are those of the cycle that runs or ran last."""
        volume, latest = self._volume, self._latest
        last = await asyncio.to_thread(volume.sweep_cycle)
        return SweepStatus(
            running=self._running is not None,
            paused=self._controls.paused,
            cycle=0 if last is None else last.number,
            checked_objects=0 if latest is None else latest.checked_objects,
            checked_bytes=0 if latest is None else latest.read_bytes(),
            damaged_objects=0 if latest is None else latest.damaged_objects,
            total_objects=await asyncio.to_thread(volume.object_count),
            oldest_checked_at=await asyncio.to_thread(volume.oldest_checked_at),
            last_finished_at=None if last is None else last.finished_at,
            broken=self._broken,
        )

    async def account(self, after: int, limit: int) -> SweepAccount:
        """How long ago each object was read, and the cycles after number `after`."""
        volume = self._volume
        return SweepAccount(
            deadline_s=round(self._settings.deadline_days * 86_400),
            oldest_checked_at=await asyncio.to_thread(volume.oldest_checked_at),
            ages=await self._count_ages(),
            cycles=tuple(await asyncio.to_thread(volume.sweep_cycles, after, limit)),
        )

    async def _count_ages(self) -> CheckedAges:
        """Counted anew unless counting takes so long that it would be much of the node's work."""
        began_s = time.monotonic()
        if self._ages is None or began_s >= self._ages_until_s:
            edges = bucket_edges(self._now())
            counts = await asyncio.to_thread(self._volume.checked_counts, edges)
            self._ages = ages_of(counts, await asyncio.to_thread(self._volume.never_swept_count))
            ended_s = time.monotonic()
            self._ages_until_s = ended_s + _COUNTING_REST * (ended_s - began_s)
        return self._ages

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop`. Raises VolumeVanished if the disk is not there any more."""
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._stop_when(stop))
            while not self._stopping:
                step = await self._next_step()
                if isinstance(step, Sweep):
                    await self._sweep(step.cycle)
                else:
                    remaining_s = (step.until - self._now()).total_seconds()
                    await self._sleep(min(max(remaining_s, 0.0), _WAIT_MAX_S))
            watch.cancel()

    async def _next_step(self) -> Sweep | Wait:
        self._woken.clear()
        if not await asyncio.to_thread(self._volume.takes_records):
            return Wait(self._now() + timedelta(seconds=_WAIT_MAX_S))
        last = await asyncio.to_thread(self._volume.sweep_cycle)
        asked, self._asked = self._asked, False
        return next_step(last, self._now(), self._settings, chance=self._chance, asked=asked)

    async def _sweep(self, cycle: SweepCycle) -> None:
        """One cycle to its end, or until someone stops it or asks for another."""
        if not await self._sees_canaries():
            return
        await asyncio.to_thread(self._volume.keep_sweep_cycle, cycle)
        await self._set_pace()
        if self._is_over():
            return
        self._controls.stopped = False
        log.info("sweep.cycle.started", cycle=cycle.number, started_at=cycle.started_at)
        run = CycleRun(self._volume, self._settings, self._context, self._controls, cycle)
        self._running = self._latest = run
        try:
            complete = await run.run(self._now, self._is_over)
        finally:
            self._running = None
        so_far = replace(
            cycle,
            checked_objects=cycle.checked_objects + run.checked_objects,
            read_bytes=cycle.read_bytes + run.read_bytes(),
            damaged_objects=cycle.damaged_objects + run.damaged_objects,
        )
        if not complete:
            await asyncio.to_thread(self._volume.keep_sweep_cycle, so_far)
            return
        finished = replace(so_far, finished_at=rfc3339(self._now()))
        await asyncio.to_thread(self._volume.keep_sweep_cycle, finished)
        log.info(
            "sweep.cycle.finished",
            cycle=cycle.number,
            objects=run.checked_objects,
            damaged_objects=run.damaged_objects,
            read_bytes=run.read_bytes(),
        )

    async def _sees_canaries(self) -> bool:
        """Wait until the check finds exactly what was planted; False if the sweep is over first."""
        self._controls.stopped = self._stopping
        if self._canaries is None:
            return True
        mode, controls = self._volume.verify_mode, self._controls
        while broken := await prove_processes(self._canaries, mode, self._context, controls):
            log.error("sweep.broken", reason=broken)
            self._broken = broken
            await self._sleep(_BROKEN_WAIT_S)
            if self._is_over():
                return False
        if broken is None:
            return False
        if self._broken:
            log.info("sweep.trusted_again")
        self._broken = ""
        return True

    def _is_over(self) -> bool:
        return self._stopping or self._asked

    async def _set_pace(self) -> None:
        content_bytes = await asyncio.to_thread(self._volume.content_bytes)
        rate = read_rate(self._settings, content_bytes)
        needed = rate_needed(self._settings, content_bytes)
        if rate < needed:
            log.warning("sweep.pace.too_slow", rate_bytes_s=rate, needed_bytes_s=needed)
        self._controls.bytes_per_second_max = rate / self._settings.workers

    async def _stop_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._controls.stopped = True
        self._woken.set()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
