"""Which objects a pass looks at, in which order, and up to where it has come.

Full passes ask the index for what they have not looked at, oldest first: the index remembers, so
a restart goes on by itself. Quick passes go by object id behind a cursor. Called from the event
loop; the volume is asked in threads.
"""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import replace

from storage.model import StoredObject, source_of
from storage.sweep.model import (
    PassKind,
    PassScope,
    Progress,
    Selection,
    SweepCycle,
    SweptVolume,
    Work,
)
from storage.sweep.plan import SweepSettings, class_of, is_sampled, rotation

# Objects asked of the index at once.
_LISTED_OBJECTS = 256


def sources_of_class(name: str, volume: SweptVolume, settings: SweepSettings) -> tuple[str, ...]:
    """The sources on this disk whose objects are in the class."""
    held = (each.source for each in volume.holdings())
    return tuple(source for source in held if class_of(source, settings) == name)


def held_by_class(volume: SweptVolume, settings: SweepSettings) -> dict[str, Work]:
    """What each class has on this disk."""
    held = {each.name: Work() for each in settings.all_classes()}
    for holding in volume.holdings():
        held[class_of(holding.source, settings)] += holding.work
    return held


class PassList:
    """The objects of one pass, from where it stopped."""

    def __init__(
        self,
        volume: SweptVolume,
        settings: SweepSettings,
        cycle: SweepCycle,
        progress: Progress,
        *,
        chance: float,
    ) -> None:
        self._volume = volume
        self._settings = settings
        self._cycle = cycle
        self._chance = chance
        self._done = progress.done
        self._others = [
            each
            for each in volume.current_passes()
            if each.finished_at is None
            and (each.kind, each.scope) == (PassKind.FULL, PassScope.CLASS)
            and each.number != cycle.number
        ]
        self._credits: dict[int, Work] = {}  # what this pass did of others, by their numbers
        self._cursor = self._listed_to = progress.cursor
        self._handed_out: list[str] = []  # by a quick pass, in order, from the cursor on
        self._looked_at: set[str] = set()  # of these
        self._after: tuple[str, str] | None = None
        self._is_rotated = False
        self._began = False

    @property
    def progress(self) -> Progress:
        """Up to where everything was looked at."""
        return Progress(self._done, self._cursor)

    def looked_at(self, objects: Sequence[StoredObject]) -> None:
        """These are done with, whatever was seen."""
        for stored in objects:
            work = Work(1, stored.file_count, stored.content_bytes)
            self._done += work
            if self._cycle.kind is PassKind.FULL:
                self._credit(stored, work)
        if self._cycle.kind is PassKind.QUICK:
            self._looked_at.update(stored.object_id for stored in objects)
            while self._handed_out and self._handed_out[0] in self._looked_at:
                self._cursor = self._handed_out.pop(0)
                self._looked_at.remove(self._cursor)

    def keep_progress(self) -> None:
        """Write down how far this pass is, and what it did of others. Called in a thread."""
        volume = self._volume
        volume.keep_sweep_progress(self._cycle.number, self.progress)
        earned, self._credits = self._credits, {}
        for number, work in earned.items():
            progress = volume.sweep_progress(number)
            volume.keep_sweep_progress(number, replace(progress, done=progress.done + work))

    def _credit(self, stored: StoredObject, work: Work) -> None:
        """What one pass has read, another one of the same time need not read again."""
        name = class_of(source_of(stored.object_id), self._settings)
        for other in self._others:
            if other.subject == name and stored.checked_at < other.started_at:
                self._credits[other.number] = self._credits.get(other.number, Work()) + work

    async def more(self, skipped: Set[str]) -> list[StoredObject]:
        """The next objects without `skipped`; none when the pass has been through."""
        if self._cycle.scope is PassScope.PACKAGE:
            stored = await asyncio.to_thread(self._volume.stored_object, self._cycle.subject)
            fresh = stored is not None and not self._began and stored.object_id not in skipped
            self._began = True
            return [stored] if stored is not None and fresh else []
        if self._cycle.kind is PassKind.QUICK:
            return await asyncio.to_thread(self._quick, skipped)
        return await asyncio.to_thread(self._full, skipped)

    def _quick(self, skipped: Set[str]) -> list[StoredObject]:
        while found := self._volume.objects_by_id(self._listed_to, _LISTED_OBJECTS):
            self._listed_to = found[-1].object_id
            wanted = [each for each in found if self._wants(each) and each.object_id not in skipped]
            self._handed_out += [each.object_id for each in wanted]
            if wanted:
                return wanted
        return []

    def _full(self, skipped: Set[str]) -> list[StoredObject]:
        if not self._began:
            self._began = True
            self._rotate()
        while True:
            selection = Selection(self._sources(), after=self._after)
            limit = _LISTED_OBJECTS + len(skipped)
            found = self._volume.objects_to_sweep(selection, self._cycle.started_at, limit)
            if self._cycle.scope is PassScope.SAMPLE and found:
                last = max((each.checked_at, each.object_id) for each in found)
                self._after = max(self._after or last, last)
            wanted = [each for each in found if self._wants(each) and each.object_id not in skipped]
            if wanted:
                return wanted
            if self._is_rotated and self._cycle.scope is not PassScope.SAMPLE:
                self._is_rotated, self._after = False, None  # once more from the oldest
            elif len(found) < limit or self._cycle.scope is not PassScope.SAMPLE:
                return []

    def _rotate(self) -> None:
        """A pass out of turn is ordered of all nodes at once: they do not read in step."""
        if self._cycle.scope not in {PassScope.NODE, PassScope.SOURCE}:
            return
        holdings = [each.source for each in self._volume.holdings()]
        span = self._volume.checked_span(self._sources() or holdings, self._cycle.started_at)
        if span is not None:
            self._after = (rotation(*span, self._chance), "")
            self._is_rotated = True

    def _sources(self) -> tuple[str, ...] | None:
        if self._cycle.scope is PassScope.SOURCE:
            return (self._cycle.subject,)
        if self._cycle.scope is PassScope.CLASS:
            return sources_of_class(self._cycle.subject, self._volume, self._settings)
        return None

    def _wants(self, stored: StoredObject) -> bool:
        if self._cycle.scope is PassScope.SAMPLE:
            return is_sampled(stored.object_id, self._cycle)
        if self._cycle.kind is PassKind.QUICK and self._cycle.scope is PassScope.SOURCE:
            return stored.object_id.startswith(f"lantai:{self._cycle.subject}/")
        return True
