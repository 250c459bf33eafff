"""Re-read everything on this node's disk before its deadline, pass after pass.

DESIGN.md, promise 4. Says when which pass runs and what the status is: plan.py decides, pacing.py
holds the pace, cycle.py goes over the objects. Mends nothing.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

from monitoring.log import get_log
from storage.canary.proving import prove_processes
from storage.errors import Refusal
from storage.sweep.account import CheckedAges, SweepAccount, ages_of, bucket_edges
from storage.sweep.cycle import CycleRun, Workshop
from storage.sweep.listing import PassList, held_by_class
from storage.sweep.model import (
    ClassForecast,
    DamageKind,
    PassKind,
    PassOrder,
    Reason,
    SweepCycle,
    SweepStatus,
    SweptVolume,
    rfc3339,
)
from storage.sweep.outlook import Outlook
from storage.sweep.pace import UNLIMITED
from storage.sweep.pacing import Pacing
from storage.sweep.plan import (
    Sweep,
    SweepSettings,
    Wait,
    begin,
    due_orders,
    next_step,
    orders_after,
)
from storage.sweep.surroundings import Surroundings
from storage.sweep.trail import TrailRule, forget_trails
from storage.sweep.worker import SweepControls

log = get_log(__name__)

# The longest time in which a clock that was set goes unnoticed.
_WAIT_MAX_S = 60.0
# A sweep that did not see its canaries looks at them again after this, or when it is ordered.
_BROKEN_WAIT_S = 600.0
# Millions of ages take seconds to count; then nobody counts again for so many times as long.
_COUNTING_REST = 50.0
# A pause that a person forgot ends by itself.
PAUSE_S = 24 * 3600.0
# So often it is asked whether another pass is to go first.
_GIVE_WAY_S = 5.0


@dataclass(frozen=True, slots=True)
class TrailPlace:
    """Where the checks of large objects leave their trails, and how often."""

    folder: Path | None
    rule: TrailRule = TrailRule()  # noqa: RUF009 (a frozen value)


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
        trails: TrailPlace | None = None,
    ) -> None:
        """`chance`, from 0 to 1 and always the same for a node, spreads the nodes over time.

        Nothing is swept that the check of `canaries`, a folder, did not prove first. Without
        `trails` a large object that is half read is read again from its beginning.
        """
        self._volume = volume
        self._settings = settings
        self._chance = chance
        self._now = now
        self._canaries = canaries
        self._trails = trails
        self._broken = ""
        context = get_context("forkserver")
        context.set_forkserver_preload(["storage.sweep.worker"])
        self._controls = SweepControls(context, settings.workers + 1)
        place = trails or TrailPlace(None)
        self._workshop = Workshop(
            volume, settings, context, self._controls, place.folder, place.rule
        )
        self._pacing = Pacing(volume, settings, self._controls, now)
        self._woken = asyncio.Event()
        self._asked: list[PassOrder] = []
        self._gives_way = False
        self._stopping = False
        self._io_errors = 0  # that were answered by a pass
        self._running: CycleRun | None = None
        self._latest: CycleRun | None = None
        self._ages: CheckedAges | None = None
        self._ages_until_s = 0.0  # when the ages have to be counted again

    def start_now(self, order: PassOrder | None = None) -> None:
        """Begin a new pass at once, also while one runs; without an order over everything."""
        self._asked.append(order or PassOrder())
        if self._running is not None:
            self._controls.stopped = True
        self.resume()
        self._woken.set()

    def pause(self, for_s: float = PAUSE_S) -> None:
        """Stop reading until `resume`, or until that time is over."""
        self._pacing.pause(for_s)

    def resume(self) -> None:
        """Go on reading."""
        self._pacing.resume()

    def read_bytes(self) -> int:
        """Read by all processes since this sweeper was made."""
        return self._controls.read_bytes()

    async def status(self) -> SweepStatus:
        """Where the sweep stands; the counts are those of the pass that runs or ran last."""
        return await asyncio.to_thread(self._status)

    def _status(self) -> SweepStatus:
        volume, latest = self._volume, self._latest
        passes = volume.current_passes()
        last = latest.cycle if latest is not None else (passes[-1] if passes else _NO_PASS)
        finished = [each.finished_at or "" for each in passes if each.kind is PassKind.FULL]
        paused_until = self._pacing.paused_until_text()
        return SweepStatus(
            running=self._running is not None,
            paused=paused_until is not None,
            cycle=last.number,
            checked_objects=0 if latest is None else latest.checked_objects,
            checked_bytes=0 if latest is None else latest.read_bytes(),
            damaged_objects=0 if latest is None else latest.damaged_objects,
            total_objects=volume.object_count(),
            oldest_checked_at=volume.oldest_checked_at(),
            last_finished_at=max(finished, default="") or None,
            broken=self._broken,
            paused_until=paused_until,
            kind=last.kind.value,
            scope=last.scope.value,
            subject=last.subject,
            reason=last.reason.value,
            cache=volume.verify_mode.value,
            forecasts=self._forecasts(),
        )

    def _forecasts(self) -> tuple[ClassForecast, ...]:
        outlook = Outlook(self._volume, self._settings, self._chance, self._now())
        return outlook.forecasts(self._running, self._pacing.speed(outlook.held))

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
                try:
                    await self._take_step()
                except* sqlite3.DatabaseError as rotten:
                    if not await self._mend_index():
                        raise
                    log.warning("sweep.index.rotted", reason=str(rotten.exceptions[0]))
                except* Refusal as refused:
                    # What was found is found again once the disk takes records.
                    if await asyncio.to_thread(self._volume.takes_records):
                        raise
                    log.warning("sweep.unrecorded", reason=str(refused.exceptions[0]))
            watch.cancel()

    async def _take_step(self) -> None:
        step = await self._next_step()
        if isinstance(step, Sweep):
            await self._sweep(step.cycle)
        else:
            remaining_s = (step.until - self._now()).total_seconds()
            await self._sleep(min(max(remaining_s, 0.0), _WAIT_MAX_S))

    async def _mend_index(self) -> bool:
        """Have an index that cannot be read any more made anew; False if that is not what is wrong.

        Else the node would end, be started again, open, and end at the same page.
        """
        self._controls.stopped = self._stopping
        self._controls.grant(UNLIMITED, UNLIMITED)
        look = Surroundings(self._volume, self._settings, self._now, lambda: self._stopping)
        pool = self._workshop.new_pool()
        try:
            found = await look.check_records(pool)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        return found is None or any(each.kind is DamageKind.INDEX_DAMAGED for each in found)

    async def _next_step(self) -> Sweep | Wait:
        self._woken.clear()
        if not await asyncio.to_thread(self._volume.takes_records):
            return Wait(self._now() + timedelta(seconds=_WAIT_MAX_S))
        asked = list(self._asked)
        step = await asyncio.to_thread(self._decide, asked)
        del self._asked[: len(asked)]
        return step

    def _decide(self, asked: list[PassOrder]) -> Sweep | Wait:
        """What to do now, with what was asked for and what events call for put on record first."""
        volume, settings, now = self._volume, self._settings, self._now()
        # A clock that was set back must not leave anything checked in the future.
        volume.forget_future(rfc3339(now))
        passes = volume.current_passes()
        held = held_by_class(volume, settings)
        ordered = [
            *asked,
            *orders_after(self._events(), passes, now),
            *due_orders(passes, now, settings, held, chance=self._chance),
        ]
        for number, order in enumerate(ordered, start=passes[-1].number + 1 if passes else 1):
            cycle = begin(order, number, now)
            log.info("sweep.pass.ordered", **_named(cycle))
            volume.keep_sweep_cycle(cycle)
        if ordered:
            passes = volume.current_passes()
        return next_step(passes, now, settings, held, chance=self._chance)

    def _events(self) -> list[Reason]:
        events = self._volume.changes()
        errors = self._volume.io_errors() + (self._latest.io_errors if self._latest else 0)
        if errors > self._io_errors:
            events = [*events, Reason.IO_ERROR]
        self._io_errors = errors
        return events

    async def _sweep(self, cycle: SweepCycle) -> None:
        """One pass to its end, or until it is stopped or gives way to another."""
        self._gives_way = False  # as the one before it may have done
        self._controls.grant(UNLIMITED, UNLIMITED)
        if not await self._sees_canaries():
            return
        await asyncio.to_thread(self._forget_trails)
        await self._pacing.prepare()
        if self._is_over():
            return
        self._controls.stopped = False
        objects = await asyncio.to_thread(self._list, cycle)
        log.info("sweep.cycle.started", started_at=cycle.started_at, **_named(cycle))
        run = CycleRun(self._workshop, cycle, objects)
        self._running = self._latest = run
        try:
            async with asyncio.TaskGroup() as tasks:
                pace = tasks.create_task(self._pacing.run(run))
                watch = tasks.create_task(self._give_way(run))
                complete = await run.run(self._now, self._is_over)
                pace.cancel()
                watch.cancel()
        finally:
            self._running = None
        await self._put_on_record(run, complete=complete)

    async def _put_on_record(self, run: CycleRun, *, complete: bool) -> None:
        cycle = run.cycle
        known = await asyncio.to_thread(self._volume.current_passes)
        began = (each.started_at for each in known if each.number == cycle.number)
        so_far = replace(
            cycle,
            started_at=next(began, cycle.started_at),
            finished_at=rfc3339(self._now()) if complete else None,
            checked_objects=cycle.checked_objects + run.checked_objects,
            read_bytes=cycle.read_bytes + run.read_bytes(),
            damaged_objects=cycle.damaged_objects + run.damaged_objects,
        )
        await asyncio.to_thread(self._volume.keep_sweep_cycle, so_far)
        if complete:
            self._ages = None  # it changed them all
            log.info(
                "sweep.cycle.finished",
                objects=run.checked_objects,
                damaged_objects=run.damaged_objects,
                read_bytes=run.read_bytes(),
                cache=self._volume.verify_mode,
                **_named(cycle),
            )

    def _list(self, cycle: SweepCycle) -> PassList:
        progress = self._volume.sweep_progress(cycle.number)
        return PassList(self._volume, self._settings, cycle, progress, chance=self._chance)

    def _forget_trails(self) -> None:
        if self._trails is not None and self._trails.folder is not None:
            passes = self._volume.current_passes()
            unfinished = (each.started_at for each in passes if each.finished_at is None)
            forget_trails(self._trails.folder, frozenset(unfinished))

    async def _give_way(self, run: CycleRun) -> None:
        """Stop the pass when another is to go first, or something happened to the disk."""
        while True:
            await asyncio.sleep(_GIVE_WAY_S)
            forecasts = await asyncio.to_thread(self._forecasts)
            self._pacing.hurry(urgent=any(each.slack_s < 0 for each in forecasts))
            step = await asyncio.to_thread(self._decide, [])
            # The same pass with another beginning: the clock was set back, so it is taken up anew.
            if isinstance(step, Sweep) and _named_by(step.cycle) != _named_by(run.cycle):
                self._gives_way = self._controls.stopped = True
                return

    async def _sees_canaries(self) -> bool:
        """Wait until the check finds exactly what was planted; False if the sweep is over first."""
        self._controls.stopped = self._stopping
        if self._canaries is None:
            return True
        mode, controls = self._volume.verify_mode, self._controls
        while broken := await prove_processes(
            self._canaries, mode, self._workshop.context, controls
        ):
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
        return self._stopping or bool(self._asked) or self._gives_way

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


_NO_PASS = SweepCycle(0, "", None)


def _named_by(cycle: SweepCycle) -> tuple[int, str]:
    return cycle.number, cycle.started_at


def _named(cycle: SweepCycle) -> dict[str, object]:
    return {
        "cycle": cycle.number,
        "kind": cycle.kind.value,
        "scope": cycle.scope.value,
        "subject": cycle.subject,
        "reason": cycle.reason.value,
    }
