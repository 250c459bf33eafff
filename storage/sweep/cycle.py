"""One pass over all objects of a volume: feed the processes, record what they saw.

Shared state: the sets below, touched from the event loop alone, between two awaits. The volume is
called through threads, one call at a time; what was seen is put on record by recording.py.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.context import BaseContext

from monitoring.log import get_log
from storage.errors import Refusal
from storage.model import StoredObject
from storage.sweep.model import ObjectCheck, SweepCycle, SweptVolume, rfc3339
from storage.sweep.plan import SweepSettings, cut_batch
from storage.sweep.recording import record_checks, target_of
from storage.sweep.surroundings import Surroundings
from storage.sweep.worker import SweepControls, check_objects, start_worker

log = get_log(__name__)

# Objects asked of the index at once.
_LISTED_OBJECTS = 256
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


class CycleRun:
    """One run over the objects of one cycle; used once."""

    def __init__(
        self,
        volume: SweptVolume,
        settings: SweepSettings,
        context: BaseContext,
        controls: SweepControls,
        cycle: SweepCycle,
    ) -> None:
        self._volume = volume
        self._settings = settings
        self._context = context
        self._controls = controls
        self._cycle = cycle
        self._read_bytes_before = controls.read_bytes()
        self._pool = self._new_pool()
        self._listed: list[StoredObject] = []
        self._running: dict[asyncio.Future[list[ObjectCheck]], _Batch] = {}
        self._tries: dict[str, int] = {}
        self._suspects: set[str] = set()  # were in a process that died; go alone from now on
        self._deaths = 0  # of processes since one last brought something back
        self.checked_objects = 0
        self.damaged_objects = 0

    def read_bytes(self) -> int:
        """Bytes read since the beginning, objects that are being read included."""
        return self._controls.read_bytes() - self._read_bytes_before

    async def run(self, now: Callable[[], datetime], is_over: Callable[[], bool]) -> bool:
        """Look at every object, and for strays. False if `is_over` ended it before.

        Raises VolumeVanished, SweepProcessesDie.
        """
        try:
            while not is_over():
                await self._list_more()
                self._feed(rfc3339(now()))
                if not self._running:
                    break
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    await self._settle(future, self._running.pop(future))
        finally:
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        return await self._look_around(Surroundings(self._volume, self._settings, now, is_over))

    async def _look_around(self, surroundings: Surroundings) -> bool:
        pool = self._new_pool()
        try:
            return await surroundings.look(pool)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._settings.workers,
            mp_context=self._context,
            initializer=start_worker,
            initargs=(self._controls,),
        )

    async def _list_more(self) -> None:
        if self._listed:
            return
        busy = {stored.object_id for batch in self._running.values() for stored in batch.objects}
        skipped = busy | {name for name, tries in self._tries.items() if tries >= _TRIES_MAX}
        found = await asyncio.to_thread(
            self._volume.objects_to_sweep, self._cycle.started_at, _LISTED_OBJECTS + len(skipped)
        )
        self._listed = [stored for stored in found if stored.object_id not in skipped]

    def _feed(self, began_at: str) -> None:
        """Hand out batches: one for each process, and one to go on with."""
        while self._listed and len(self._running) <= self._settings.workers:
            count = cut_batch(self._listed)
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
        judged = await asyncio.to_thread(record_checks, self._volume, checks, batch.began_at)
        self.checked_objects += len(judged)
        self.damaged_objects += sum(not check.intact for check in judged)
        judged_ids = {check.object_id for check in judged}
        for check in checks:
            if check.object_id not in judged_ids:
                self._try_again(check.object_id)

    def _try_again(self, object_id: str) -> None:
        """Replaced while it was read, or held in memory by somebody: not judged."""
        if self._controls.stopped:
            return
        self._tries[object_id] = self._tries.get(object_id, 0) + 1
        if self._tries[object_id] == _TRIES_MAX:
            log.warning("sweep.object.not_judged", object_id=object_id, tries=_TRIES_MAX)

    def _suspect(self, batch: _Batch) -> None:
        """A process died over these. Whoever is alone with that too often is set aside."""
        self._suspects.update(stored.object_id for stored in batch.objects)
        if len(batch.objects) == 1:
            self._try_again(batch.objects[0].object_id)

    def _replace_pool(self, batch: _Batch) -> None:
        """One pool dies once, however many batches went down with it."""
        if batch.pool is not self._pool:
            return
        self._deaths += 1
        log.error("sweep.process.died", deaths=self._deaths)
        if self._deaths > _DEATHS_MAX:
            raise SweepProcessesDie("the sweep's processes end at once: see the kernel's log")
        self._pool.shutdown(wait=False)
        self._pool = self._new_pool()
