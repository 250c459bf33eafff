"""When each class will have been read again, and how much room its deadline leaves.

Alarms come from here: when the forecast slips, and not when the deadline has passed. Pure: what
is left, how fast it goes and what time it is are arguments.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.sweep.model import ClassForecast, Work, rfc3339
from storage.sweep.pace import HoursOfDay, after_open_time
from storage.sweep.plan import read_cost

# The pace that is forecast is that of so much reading …
_REMEMBERED_S = 900.0
# … looked at so often.
_SAMPLE_EVERY_S = 5.0
# Before so much was read, the pace that was set is believed.
_MEASURED_S_MIN = 20.0


@dataclass(frozen=True, slots=True)
class ClassLoad:
    """What one class has before it."""

    name: str
    deadline_days: float
    left: Work  # of the pass that runs; all of it where the next one has not begun
    begins_at: datetime  # of that pass: not after now if it runs
    oldest_checked_at: datetime | None  # of what is left; None when the class holds nothing
    youngest_checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Speed:
    """What a node reads in a second while a window is open."""

    bytes_per_second: float
    files_per_second: float | None  # None: no cap on files

    def seconds(self, work: Work) -> float:
        """How long the work takes: bytes or files, whichever is the narrower."""
        by_bytes = read_cost(work) / self.bytes_per_second
        if not self.files_per_second:
            return by_bytes
        return max(by_bytes, work.files / self.files_per_second)


def forecast(
    loads: Sequence[ClassLoad],
    now: datetime,
    local_offset: timedelta,
    speed: Speed,
    windows: Sequence[HoursOfDay],
) -> tuple[ClassForecast, ...]:
    """One line for each class, in the order given; those that run go before those that wait.

    `local_offset` is that of the clock by which windows open.
    """
    free_at = now
    forecasts: dict[str, ClassForecast] = {}
    for load in sorted(loads, key=lambda load: (max(load.begins_at, now), load.deadline_days)):
        begins_at = max(load.begins_at, free_at)
        local = begins_at.astimezone(UTC).replace(tzinfo=None) + local_offset
        finish_local = after_open_time(windows, local, speed.seconds(load.left))
        finish_at = begins_at + (finish_local - local)
        free_at = finish_at
        forecasts[load.name] = ClassForecast(
            name=load.name,
            deadline_days=load.deadline_days,
            left_bytes=load.left.content_bytes,
            rate_bytes_per_second=round(speed.bytes_per_second),
            finish_at=rfc3339(finish_at),
            slack_s=round(_slack(load, begins_at, finish_at).total_seconds()),
        )
    return tuple(forecasts[load.name] for load in loads)


def _slack(load: ClassLoad, begins_at: datetime, finish_at: datetime) -> timedelta:
    """What is left goes from the oldest to the youngest: the ends are where it is tightest."""
    deadline = timedelta(days=load.deadline_days)
    if load.oldest_checked_at is None or load.youngest_checked_at is None:
        return deadline
    first = load.oldest_checked_at + deadline - begins_at
    last = load.youngest_checked_at + deadline - finish_at
    return min(first, last)


class SpeedMeter:
    """How fast it really goes: of the last quarter of an hour in which it was let go."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()  # seconds, cost of what was done
        self._last: tuple[float, float] | None = None
        self._seconds = 0.0
        self._cost = 0.0

    def measure(self, now_s: float, cost: float, *, let_go: bool) -> None:
        """`cost`: of everything done so far, ever growing. Not `let_go`: paused or closed."""
        if self._last is None or not let_go or cost < self._last[1]:
            self._last = (now_s, cost)
            return
        seconds = now_s - self._last[0]
        if seconds < _SAMPLE_EVERY_S:
            return
        sample = (seconds, cost - self._last[1])
        self._last = (now_s, cost)
        self._samples.append(sample)
        self._seconds += sample[0]
        self._cost += sample[1]
        while self._seconds > _REMEMBERED_S and len(self._samples) > 1:
            old = self._samples.popleft()
            self._seconds -= old[0]
            self._cost -= old[1]

    def interrupt(self) -> None:
        """The time since it was last asked was not spent on reading."""
        self._last = None

    def bytes_per_second(self, planned: float) -> float:
        """As measured; `planned` before enough was."""
        if self._seconds < _MEASURED_S_MIN or self._cost <= 0:
            return planned
        return self._cost / self._seconds
