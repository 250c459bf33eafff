"""A volume as its sweep sees it: what lies here, what was found, how far the passes are.

storage.sweep.model, `SweptVolume`. Hands on to index, book and meter; decides nothing.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from storage.model import StoredObject
from storage.ocfl.layout import object_folder
from storage.sweep.model import (
    Damage,
    DamageKind,
    ForegroundLoad,
    ObjectCheck,
    Progress,
    Reason,
    Selection,
    SourceHolding,
    SweepCycle,
    rfc3339,
)
from storage.volume.foreground import ForegroundMeter
from storage.volume.gate import Gate
from storage.volume.index import Index
from storage.volume.journal import Journal
from storage.volume.records_check import RecordsCheck
from storage.volume.sweep_book import SweepBook


class SweptSide:
    """The part of a volume that its sweep calls. Thread-safe."""

    _index: Index
    _book: SweepBook
    _foreground: ForegroundMeter
    _journal: Journal
    _gate: Gate
    _changes: list[Reason]
    _group_lock: threading.Lock

    def object_folder(self, object_id: str) -> PurePosixPath:
        """Where the object lies, relative to the root."""
        return object_folder(object_id)

    def stored_object(self, object_id: str) -> StoredObject | None:
        """As `stat`."""
        return self._index.stored_object(object_id)

    def objects_to_sweep(self, selection: Selection, before: str, limit: int) -> list[StoredObject]:
        """Known-bad first, then the longest unchecked."""
        return self._index.sweep.objects_to_sweep(selection, before, limit)

    def objects_by_id(self, after: str, limit: int) -> list[StoredObject]:
        """Objects from behind `after` on."""
        return self._index.objects(after, limit)

    def holdings(self) -> list[SourceHolding]:
        """What each source has here."""
        return self._index.sweep.holdings()

    def checked_span(self, sources: Sequence[str], before: str) -> tuple[str, str] | None:
        """Oldest and youngest time of checking of what was not looked at since `before`."""
        return self._index.sweep.checked_span(sources, before)

    def record_swept(self, checks: Sequence[ObjectCheck], at: str) -> None:
        """Remember that these were looked at."""
        self._book.record_swept(checks, at)

    def record_finding(self, object_id: str, damage: Damage, at: str) -> bool:
        """Keep the finding; False if it is open already."""
        return self._book.record_finding(object_id, damage, at)

    def is_committing(self, object_id: str) -> bool:
        """Whether a copy or a version of this object is being published at this moment."""
        return self._book.is_committing(object_id)

    def owns_folder(self, folder: PurePosixPath) -> bool:
        """Whether something that belongs here lies in `folder`."""
        return self._book.owns_folder(folder)

    def quarantine_stray(self, path: PurePosixPath) -> None:
        """Move what nobody owns to quarantine."""
        self._book.quarantine_stray(path)

    def takes_records(self) -> bool:
        """Whether what a sweep finds can be put on record."""
        full = self._gate.waits_for_room
        return self._journal.takes_records and not self._index.failed and not full

    def records_check(self) -> RecordsCheck:
        """A check of journal and index, to be run in a process of the sweep."""
        return self._book.records_check()

    def settle_records(self, damages: Sequence[Damage], at: str) -> None:
        """Put on record what the check found; a damaged index is made anew."""
        with self._group_lock:
            self._book.settle_records(damages, at)

    def close_findings(self, kind: DamageKind, outcome: str) -> None:
        """What was wrong with the volume itself is so no more."""
        self._book.close_findings(kind, outcome)

    def sweep_cycles(self, after: int, limit: int) -> list[SweepCycle]:
        """Passes with a greater number, in their order."""
        return self._index.sweep.cycles(after, limit)

    def checked_counts(self, edges: Sequence[tuple[str, str]]) -> list[int]:
        """Swept objects by when they were last found intact."""
        return self._index.sweep.checked_counts(edges)

    def never_swept_count(self) -> int:
        """Objects that no sweep has found intact yet."""
        return self._index.sweep.never_swept_count()

    def sweep_cycle(self) -> SweepCycle | None:
        """The pass that was begun last."""
        return self._book.sweep_cycle()

    def current_passes(self) -> list[SweepCycle]:
        """Passes that run, and the last of each kind over a class or the node."""
        return self._index.sweep.current_passes()

    def keep_sweep_cycle(self, cycle: SweepCycle) -> None:
        """Remember the pass over a restart."""
        self._book.keep_sweep_cycle(cycle)

    def sweep_progress(self, number: int) -> Progress:
        """How far a pass is."""
        return self._index.sweep.progress(number)

    def keep_sweep_progress(self, number: int, progress: Progress) -> None:
        """Remember how far a pass is."""
        self._index.sweep.keep_progress(number, progress)

    def forget_future(self, now: str) -> None:
        """Nothing has been checked after `now`, and no pass that runs began then."""
        step = self._index.sweep.forget_future(now)
        for cycle in self._index.sweep.current_passes():
            if cycle.finished_at is None and cycle.started_at > now:
                began = rfc3339(datetime.fromisoformat(cycle.started_at) - step)
                self._book.keep_sweep_cycle(replace(cycle, started_at=min(now, began)))

    def changes(self) -> list[Reason]:
        """What was different when this volume was opened; told once."""
        told, self._changes = self._changes, []
        return told

    def io_errors(self) -> int:
        """How often the disk refused a read to others."""
        return self._foreground.io_errors()

    def foreground(self) -> ForegroundLoad:
        """How long others wait for this disk now."""
        return self._foreground.load()

    def object_count(self) -> int:
        """How many objects are kept."""
        return self._index.reached().objects

    def oldest_checked_at(self) -> str | None:
        """The smallest `checked_at`."""
        return self._index.sweep.oldest_checked_at()
