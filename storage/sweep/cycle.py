"""One pass over objects of a volume: feed the processes, record what they saw.

Shared state: the sets below, touched from the event loop alone, between two awaits. The volume is
called through threads, one call at a time; what was seen is put on record by recording.py.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Set
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.context import BaseContext
from pathlib import Path

from monitoring.log import get_log
from storage.errors import Refusal
from storage.model import StoredObject
from storage.sweep.listing import PassList
from storage.sweep.model import (
    DamageKind,
    ObjectCheck,
    PassKind,
    SweepCycle,
    SweptVolume,
    Work,
    rfc3339,
)
from storage.sweep.plan import RATE_MIN, SweepSettings, cut_batch, looks_for_strays
from storage.sweep.recording import record_checks, record_quick_looks, target_of
from storage.sweep.surroundings import Surroundings
from storage.sweep.trail import TrailRule
from storage.sweep.worker import Errand, SweepControls, check_objects, start_worker

log = get_log(__name__)

# How far the pass is, is written down so often.
_PROGRESS_S = 20.0
# So often it is asked whether the pass is over, while nothing comes back.
_LOOK_UP_S = 0.5
# An object that could not be judged so often waits for the next cycle.
_TRIES_MAX = 3
# A machine short of memory may kill a process now and then, but not one after the other.
_DEATHS_MAX = 10


class SweepProcessesDie(Refusal):
    """Every process that was to read the disk ended at once; nothing can be swept."""

    code = "sweep-processes-die"


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one process is busy with."""

    objects: tuple[StoredObject, ...]
    began_at: str  # what is found intact was read after this moment
    pool: ProcessPoolExecutor
    place: int  # where it counts what it reads


@dataclass(frozen=True, slots=True)
class Workshop:
    """What runs of one sweeper share."""

    volume: SweptVolume
    settings: SweepSettings
    context: BaseContext
    controls: SweepControls
    trails: Path | None  # where checks of large objects leave their trails
    rule: TrailRule

    def new_pool(self) -> ProcessPoolExecutor:
        """Processes that read; whoever asks ends them."""
        return ProcessPoolExecutor(
            self.settings.workers,
            mp_context=self.context,
            initializer=start_worker,
            initargs=(self.controls,),
        )


class CycleRun:
    """One run over the objects of one pass; used once."""

    def __init__(self, workshop: Workshop, cycle: SweepCycle, objects: PassList) -> None:
        self._workshop = workshop
        self._volume = workshop.volume
        self._settings = workshop.settings
        self._controls = workshop.controls
        self.cycle = cycle
        self._objects = objects
        self._read_bytes_before = self._controls.read_bytes()
        self._settled_bytes = 0
        self._kept_s = time.monotonic()
        self._pool = self._workshop.new_pool()
        self._listed: list[StoredObject] = []
        self._running: dict[asyncio.Future[list[ObjectCheck]], _Batch] = {}
        self._tries: dict[str, int] = {}
        self._suspects: set[str] = set()  # were in a process that died; go alone from now on
        self._deaths = 0  # of processes since one last brought something back
        self.checked_objects = 0
        self.damaged_objects = 0
        self.io_errors = 0  # objects of which the disk refused something
        self.reads_objects = True  # and not journal, index and folders
        self.bytes_per_second = float(RATE_MIN)  # the pace now, which says how much is handed out

    @property
    def done(self) -> Work:
        """In this pass, over all restarts."""
        return self._objects.progress.done

    def read_bytes(self) -> int:
        """Bytes read since the beginning, objects that are being read included."""
        return self._controls.read_bytes() - self._read_bytes_before

    def read_ahead_bytes(self) -> int:
        """Bytes read of objects that are not done yet."""
        return max(0, self.read_bytes() - self._settled_bytes)

    async def run(self, now: Callable[[], datetime], is_over: Callable[[], bool]) -> bool:
        """Look at every object, and for strays. False if `is_over` ended it before.

        Raises VolumeVanished, SweepProcessesDie.
        """
        surroundings = Surroundings(self._volume, self._settings, now, is_over)
        try:
            await self._prove_records(surroundings)
            while not is_over():
                await self._list_more()
                self._feed(rfc3339(now()))
                if not self._running:
                    break
                done, _ = await asyncio.wait(
                    self._running, return_when=asyncio.FIRST_COMPLETED, timeout=_LOOK_UP_S
                )
                await self._settle_all(done)
                await self._keep_progress()
            if is_over() and self._running:
                self._controls.stopped = True
                done, _ = await asyncio.wait(self._running)
                await self._settle_all(done)
        finally:
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
            await self._keep_progress(now=True)
        if is_over() or not looks_for_strays(self.cycle):
            return not is_over()
        return await self._look_around(surroundings)

    async def _prove_records(self, surroundings: Surroundings) -> None:
        """Objects are judged by the index: before the first of them, that is held against the
        journal, and made anew where it differs. After the last it is again, for the strays."""
        if looks_for_strays(self.cycle) and self.done == Work():
            self.reads_objects = False
            await surroundings.check_records(self._pool)
            self.reads_objects = True
            self._settled_bytes = self.read_bytes()  # none of it belongs to an object

    async def _look_around(self, surroundings: Surroundings) -> bool:
        self.reads_objects = False
        pool = self._workshop.new_pool()
        try:
            return await surroundings.look(pool)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def _settle_all(self, done: Iterable["asyncio.Future[list[ObjectCheck]]"]) -> None:
        for future in done:
            await self._settle(future, self._running.pop(future))

    async def _keep_progress(self, *, now: bool = False) -> None:
        if now or time.monotonic() - self._kept_s >= _PROGRESS_S:
            self._kept_s = time.monotonic()
            await asyncio.to_thread(self._objects.keep_progress)

    async def _list_more(self) -> None:
        if self._listed:
            return
        busy = {stored.object_id for batch in self._running.values() for stored in batch.objects}
        skipped = busy | {name for name, tries in self._tries.items() if tries >= _TRIES_MAX}
        self._listed = await self._objects.more(skipped)

    def _feed(self, began_at: str) -> None:
        """Hand out batches: one for each process, and one to go on with."""
        while self._listed and len(self._running) <= self._settings.workers:
            batch_s = self._workshop.rule.batch_s
            soon_bytes = self.bytes_per_second / self._settings.workers * batch_s
            count = cut_batch(self._listed, soon_bytes)
            alone = next(
                (at for at in range(count) if self._listed[at].object_id in self._suspects), count
            )
            taken = tuple(self._listed[: max(alone, 1)])
            batch = _Batch(taken, began_at, self._pool, self._free_place())
            try:
                future = self._submit(batch)
            except BrokenProcessPool:
                self._replace_pool(batch)
                return
            self._running[future] = batch
            del self._listed[: len(batch.objects)]

    def _submit(self, batch: _Batch) -> "asyncio.Future[list[ObjectCheck]]":
        targets = [target_of(self._volume, stored) for stored in batch.objects]
        return asyncio.get_running_loop().run_in_executor(
            batch.pool,
            check_objects,
            targets,
            self._volume.verify_mode,
            self._settings.tranquility,
            batch.place,
            Errand(
                self.cycle.kind,
                self.cycle.started_at,
                batch.began_at,
                self._workshop.trails,
                self._workshop.rule,
            ),
        )

    def _free_place(self) -> int:
        taken = {batch.place for batch in self._running.values()}
        return next(place for place in range(len(taken) + 1) if place not in taken)

    async def _settle(self, future: "asyncio.Future[list[ObjectCheck]]", batch: _Batch) -> None:
        try:
            checks = future.result()
        except BrokenProcessPool:
            self._replace_pool(batch)
            self._suspect(batch)
            return
        self._deaths = 0
        record = record_quick_looks if self.cycle.kind is PassKind.QUICK else record_checks
        judged = await asyncio.to_thread(record, self._volume, checks, batch.began_at)
        self.checked_objects += len(judged)
        self.damaged_objects += sum(not check.intact for check in judged)
        self.io_errors += sum(_has_io_error(check) for check in judged)
        self._settled_bytes += sum(check.read_bytes for check in checks)
        judged_ids = {check.object_id for check in judged}
        self._objects.looked_at([each for each in batch.objects if each.object_id in judged_ids])
        tried = {check.object_id for check in checks} - judged_ids
        await self._take_back(batch, judged_ids, tried)

    async def _take_back(self, batch: _Batch, judged: Set[str], tried: Set[str]) -> None:
        """What the process had no time for, or could not judge, goes out again."""
        if self._controls.stopped:
            return
        for stored in batch.objects:
            if stored.object_id in judged:
                continue
            current: StoredObject | None = stored
            if stored.object_id in tried:
                current = await self._again(stored.object_id)
            if current is not None:
                self._listed.append(current)

    async def _again(self, object_id: str) -> StoredObject | None:
        """Replaced while it was read, or held in memory by somebody: not judged."""
        self._try_again(object_id)
        if self._tries[object_id] >= _TRIES_MAX:
            return None
        return await asyncio.to_thread(self._volume.stored_object, object_id)

    def _try_again(self, object_id: str) -> None:
        self._tries[object_id] = self._tries.get(object_id, 0) + 1
        if self._tries[object_id] == _TRIES_MAX:
            log.warning("sweep.object.not_judged", object_id=object_id, tries=_TRIES_MAX)

    def _suspect(self, batch: _Batch) -> None:
        """A process died over these. Whoever is alone with that too often is set aside."""
        self._suspects.update(stored.object_id for stored in batch.objects)
        if len(batch.objects) == 1:
            self._try_again(batch.objects[0].object_id)
        self._listed += [
            each for each in batch.objects if self._tries.get(each.object_id, 0) < _TRIES_MAX
        ]

    def _replace_pool(self, batch: _Batch) -> None:
        """One pool dies once, however many batches went down with it."""
        if batch.pool is not self._pool:
            return
        self._deaths += 1
        log.error("sweep.process.died", deaths=self._deaths)
        if self._deaths > _DEATHS_MAX:
            raise SweepProcessesDie("the sweep's processes end at once: see the kernel's log")
        self._pool.shutdown(wait=False)
        self._pool = self._workshop.new_pool()


def _has_io_error(check: ObjectCheck) -> bool:
    return any(damage.kind is DamageKind.UNREADABLE for damage in check.damages)
