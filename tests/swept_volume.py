"""A volume in memory for the sweep to work on: real objects on a real disk, an index that is not.

`sweeping` runs the product's own sweeper over it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from storage.model import StoredObject, VerifyMode, source_of
from storage.ocfl.layout import object_folder
from storage.sweep.model import (
    Damage,
    DamageKind,
    ForegroundLoad,
    ObjectCheck,
    ObjectToCheck,
    Progress,
    Reason,
    RecordsChecker,
    Selection,
    SourceHolding,
    SweepCycle,
    Work,
)
from storage.sweep.plan import SweepSettings
from storage.sweep.sweeper import Sweeper
from storage.volume.index import Index
from storage.volume.journal_records import FIRST_CHAIN
from storage.volume.records_check import RecordsCheck

COMMITTED_AT = "2026-11-01T00:00:00.000000Z"
SETTINGS = SweepSettings()


@dataclass
class MemoryVolume:
    """A volume whose index is a dictionary; what the sweep tells it can be looked at."""

    root: Path
    objects: dict[str, StoredObject] = field(default_factory=dict)
    swept_at: dict[str, str] = field(default_factory=dict)
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    cycles: list[SweepCycle] = field(default_factory=list)
    progress: dict[int, Progress] = field(default_factory=dict)
    changed: list[Reason] = field(default_factory=list)
    refused_reads: int = 0
    verify_mode: VerifyMode = VerifyMode.EVICTED

    @property
    def blocks(self) -> Path:
        return self.root.parent / "blocks"

    def keep(self, target: ObjectToCheck, checked_at: str = COMMITTED_AT) -> None:
        size_bytes = sum(path.stat().st_size for path in target.folder.rglob("*"))
        self.objects[target.object_id] = StoredObject(
            target.object_id, target.head, target.inventory_sha256, 7, size_bytes, checked_at
        )
        self.swept_at[target.object_id] = checked_at

    def takes_records(self) -> bool:
        return True

    def object_folder(self, object_id: str) -> PurePosixPath:
        return object_folder(object_id)

    def stored_object(self, object_id: str) -> StoredObject | None:
        return self.objects.get(object_id)

    def objects_to_sweep(self, selection: Selection, before: str, limit: int) -> list[StoredObject]:
        known_bad = {object_id for object_id, _, _ in self.findings}
        after = selection.after or ("", "")
        due = [
            stored
            for name, stored in self.objects.items()
            if self.swept_at[name] < before
            and (selection.sources is None or source_of(name) in selection.sources)
            and (name in known_bad or (stored.checked_at, name) > after)
        ]
        due.sort(key=lambda stored: (stored.object_id not in known_bad, stored.checked_at))
        return due[:limit]

    def record_swept(self, checks: Sequence[ObjectCheck], at: str) -> None:
        for check in checks:
            self.order.append(check.object_id)
            self.swept_at[check.object_id] = at
            if check.intact:
                stored = self.objects[check.object_id]
                self.objects[check.object_id] = replace(stored, checked_at=at)

    def record_finding(self, object_id: str, damage: Damage, at: str) -> bool:
        finding = (object_id, damage.kind.value, damage.path)
        if finding in self.findings:
            return False
        self.findings.append(finding)
        return True

    def is_committing(self, object_id: str) -> bool:
        return False

    def owns_folder(self, folder: PurePosixPath) -> bool:
        mine = {object_folder(object_id) for object_id in self.objects}
        return folder in mine or str(folder) == "0=ocfl_1.1"

    def records_check(self) -> RecordsChecker:
        """A journal without records, and the index that is made of it."""
        index = self.root.parent / "index.sqlite"
        Index(index).close()
        journal = self.root.parent / "journal"
        journal.mkdir(exist_ok=True)
        return RecordsCheck(journal, 0, 0, FIRST_CHAIN, index, 0)

    def settle_records(self, damages: Sequence[Damage], at: str) -> None:
        for damage in damages:
            self.record_finding("", damage, at)

    def close_findings(self, kind: DamageKind, outcome: str) -> None:
        """As the volume does: what is closed stays on record."""

    def quarantine_stray(self, path: PurePosixPath) -> None:
        name = f"../quarantine-{len(self.quarantined)}"
        (self.root / path).rename(self.root / name)
        self.quarantined.append(str(path))

    def sweep_cycle(self) -> SweepCycle | None:
        return self.cycles[-1] if self.cycles else None

    def current_passes(self) -> list[SweepCycle]:
        latest = {cycle.number: cycle for cycle in self.cycles}
        return sorted(latest.values(), key=lambda cycle: cycle.number)

    def sweep_progress(self, number: int) -> Progress:
        return self.progress.get(number, Progress())

    def keep_sweep_progress(self, number: int, progress: Progress) -> None:
        self.progress[number] = progress

    def objects_by_id(self, after: str, limit: int) -> list[StoredObject]:
        return [self.objects[name] for name in sorted(self.objects) if name > after][:limit]

    def holdings(self) -> list[SourceHolding]:
        held: dict[str, Work] = {}
        for stored in self.objects.values():
            work = Work(1, stored.file_count, stored.content_bytes)
            source = source_of(stored.object_id)
            held[source] = held.get(source, Work()) + work
        return [SourceHolding(source, work) for source, work in held.items()]

    def checked_span(self, sources: Sequence[str], before: str) -> tuple[str, str] | None:
        left = [
            stored.checked_at
            for name, stored in self.objects.items()
            if source_of(name) in sources and self.swept_at[name] < before
        ]
        return (min(left), max(left)) if left else None

    def forget_future(self, now: str) -> None:
        """The test's clock only goes on."""

    def changes(self) -> list[Reason]:
        told, self.changed = self.changed, []
        return told

    def io_errors(self) -> int:
        return self.refused_reads

    def foreground(self) -> ForegroundLoad:
        return ForegroundLoad()

    def keep_sweep_cycle(self, cycle: SweepCycle) -> None:
        self.cycles.append(cycle)

    def object_count(self) -> int:
        return len(self.objects)

    def oldest_checked_at(self) -> str | None:
        return min((stored.checked_at for stored in self.objects.values()), default=None)

    def sweep_cycles(self, after: int, limit: int) -> list[SweepCycle]:
        latest = {cycle.number: cycle for cycle in self.cycles if cycle.number > after}
        return list(latest.values())[:limit]

    def checked_counts(self, edges: Sequence[tuple[str, str]]) -> list[int]:
        moments = [each.checked_at for each in self.objects.values() if self._was_swept(each)]
        return [sum(start <= moment < end for moment in moments) for start, end in edges]

    def never_swept_count(self) -> int:
        return sum(not self._was_swept(each) for each in self.objects.values())

    def _was_swept(self, stored: StoredObject) -> bool:
        return stored.object_id in self.order and stored.checked_at != COMMITTED_AT


@asynccontextmanager
async def sweeping(
    volume: MemoryVolume, settings: SweepSettings = SETTINGS, canaries: Path | None = None
) -> AsyncIterator[Sweeper]:
    """A sweeper at work until the block ends."""
    stop = asyncio.Event()
    sweeper = Sweeper(volume, settings, chance=0.5, canaries=canaries)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sweeper.run(stop))
        yield sweeper
        stop.set()


def has_finished(volume: MemoryVolume, number: int) -> Callable[[], bool]:
    return lambda: any(
        cycle.number == number and cycle.finished_at is not None for cycle in volume.cycles
    )
