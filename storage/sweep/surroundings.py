"""What a cycle looks at besides the objects: the volume's own records, and strays in the root.

docs/operations/sweep.md. Comes after all objects; the records before them, too. When these are
damaged, or so much seems to stray that they are more likely wrong than the disk, nothing is moved:
a person must look.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import PurePosixPath

from monitoring.log import get_log
from storage.errors import Refusal
from storage.sweep.model import Damage, DamageKind, SweptVolume, rfc3339
from storage.sweep.plan import SweepSettings, strays_allowed
from storage.sweep.recording import record_damages
from storage.sweep.stray_walk import strays_of_root, strays_of_tuple, tuple_folders
from storage.sweep.worker import check_records

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One look; `now` and `is_over` are the cycle's."""

    volume: SweptVolume
    settings: SweepSettings
    now: Callable[[], datetime]
    is_over: Callable[[], bool]

    async def look(self, pool: ProcessPoolExecutor) -> bool:
        """Check the records in a process of `pool`, then find strays. False if it was ended."""
        found = await self.check_records(pool)
        if found is None:
            return False
        if any(damage.kind is DamageKind.JOURNAL_DAMAGED for damage in found):
            return True  # what belongs here is not known for certain
        return await self._find_strays()

    async def check_records(self, pool: ProcessPoolExecutor) -> list[Damage] | None:
        """What is wrong with them, put on record; None if it was ended."""
        if self.is_over():
            return None
        check = await asyncio.to_thread(self.volume.records_check)
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                pool, check_records, check, self.settings.tranquility, 0
            )
        except BrokenProcessPool:
            log.error("sweep.records.not_checked", reason="the process that read them died")
            return []
        if found is not None:
            for damage in found:
                log.error("sweep.records.damaged", kind=damage.kind.value, detail=damage.detail)
            await asyncio.to_thread(self.volume.settle_records, found, rfc3339(self.now()))
        return found

    async def _find_strays(self) -> bool:
        """Put strays away once all are known: with too many of them none is touched."""
        root, owns = self.volume.root, self.volume.owns_folder
        allowed = strays_allowed(self.settings, await asyncio.to_thread(self.volume.object_count))
        strays: list[Damage] = []
        names = await asyncio.to_thread(tuple_folders, root)
        below = (strays_of_tuple(root, name, owns) for name in names)
        for walk in chain([strays_of_root(root, owns)], below):
            if self.is_over():
                return False
            strays += await asyncio.to_thread(list, islice(walk, allowed + 1))
            if len(strays) > allowed:
                await asyncio.to_thread(self._leave, strays[: allowed + 1])
                return True
        await asyncio.to_thread(self._put_away, strays)
        return True

    def _leave(self, strays: Sequence[Damage]) -> None:
        """Record a storm and move nothing. Runs in a thread."""
        log.error("sweep.strays.storm", strays_min=len(strays))
        storm = Damage(
            DamageKind.STRAY_STORM,
            "",
            f"{len(strays)} or more things in the root belong to no object of the index, so the "
            "record of what belongs here may be what is wrong: nothing was moved, call a person",
        )
        record_damages(self.volume, "", [*strays, storm], rfc3339(self.now()))

    def _put_away(self, strays: Sequence[Damage]) -> None:
        """Record each stray and have it moved to quarantine. Runs in a thread."""
        left = 0
        for stray in strays:
            path = PurePosixPath(stray.path)
            if self.volume.owns_folder(path):  # published since it was listed
                continue
            record_damages(self.volume, "", [stray], rfc3339(self.now()))
            try:
                self.volume.quarantine_stray(path)
            except (OSError, Refusal) as error:
                left += 1
                log.warning("sweep.stray.not_moved", reason=str(error))
        if left == 0:
            for kind in (DamageKind.STRAY_STORM, DamageKind.STRAY_OBJECT):
                self.volume.close_findings(kind, "nothing strays in the root")
