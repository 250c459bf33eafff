"""What lies before each class at one moment: the figures that forecast.py works with.

Asks the volume and plan.py; called in threads.
"""

from datetime import datetime, timedelta

from storage.sweep.cycle import CycleRun
from storage.sweep.forecast import ClassLoad, Speed, forecast
from storage.sweep.listing import held_by_class, sources_of_class
from storage.sweep.model import (
    ClassForecast,
    PassKind,
    PassOrder,
    PassScope,
    Reason,
    SweepCycle,
    SweptVolume,
    Work,
    rfc3339,
)
from storage.sweep.plan import StorageClass, SweepSettings, due_at


class Outlook:
    """Of one volume, at one moment."""

    def __init__(
        self, volume: SweptVolume, settings: SweepSettings, chance: float, now: datetime
    ) -> None:
        self._volume = volume
        self._settings = settings
        self._chance = chance
        self._now = now
        self._passes = volume.current_passes()
        self.held = held_by_class(volume, settings)

    def forecasts(self, running: CycleRun | None, speed: Speed) -> tuple[ClassForecast, ...]:
        """One for each class, the default class first."""
        loads = [self._load(each, running) for each in self._settings.all_classes()]
        offset = self._now.astimezone().utcoffset() or timedelta(0)
        return forecast(loads, self._now, offset, speed, self._settings.windows)

    def _load(self, each: StorageClass, running: CycleRun | None) -> ClassLoad:
        sources = sources_of_class(each.name, self._volume, self._settings)
        cycle = self._unfinished(each.name)
        since = rfc3339(self._now) if cycle is None else cycle.started_at
        span = self._volume.checked_span(sources, since)
        oldest, youngest = (datetime.fromisoformat(text) for text in span) if span else (None, None)
        return ClassLoad(
            each.name,
            each.deadline_days,
            self._left(each.name, cycle, running),
            self._begins_at(each.name) if cycle is None else self._now,
            oldest,
            youngest,
        )

    def _unfinished(self, name: str) -> SweepCycle | None:
        found = (
            each
            for each in self._passes
            if each.finished_at is None
            and each.kind is PassKind.FULL
            and (each.scope, each.subject) == (PassScope.CLASS, name)
        )
        return next(found, None)

    def _left(self, name: str, cycle: SweepCycle | None, running: CycleRun | None) -> Work:
        if cycle is None:
            return self.held[name]
        if running is None or running.cycle.number != cycle.number:
            return self.held[name].less(self._volume.sweep_progress(cycle.number).done)
        left = self.held[name].less(running.done)
        return left.less(Work(0, 0, running.read_ahead_bytes()))

    def _begins_at(self, name: str) -> datetime:
        order = PassOrder(PassKind.FULL, PassScope.CLASS, name, Reason.DEADLINE)
        return due_at(
            self._passes, order, self._now, self._settings, self.held, chance=self._chance
        )
