"""How fast a sweep may read at each moment: decisions only, with clock and load as arguments.

DESIGN.md, promise 4; knowledge, durability §2.3. Bytes and files are granted to all processes
together, from one place, so that the pace does not depend on how many of them are busy. Sleeps
nowhere and reads no clock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.sweep.model import ForegroundLoad

_DAY_MINUTES = 24 * 60
# Time in which nothing was read is no credit for a rush beyond this.
_BURST_S = 0.25
# What halts a sweep as it goes, such as many small files or a process that waits for its turn, is
# made up for; else each halt is time lost, and the rate stays below the cap.
_HALT_S = 1.0
# What is granted when there is no cap: more than any disk gives in a year.
UNLIMITED = 2**62
# Below this share the sweep never goes: some of it gets done beside any load.
_SHARE_MIN = 0.05
# Halved while others wait too long, and given back slowly, as TCP does.
_SHARE_GROWTH_PER_S = 0.05
# One step back a second: a load that lasts is felt in the next measurement only.
_BACK_OFF_EVERY_S = 1.0
# Garage's tranquilizer: the mean of so many steps.
_STEPS_REMEMBERED = 30
# Shorter pauses are saved up: a sleep of microseconds costs more than it gives.
_PAUSE_MIN_S = 0.02


@dataclass(frozen=True, slots=True)
class HoursOfDay:
    """A window in which the sweep may read, in minutes after local midnight; may span midnight."""

    from_minute: int
    to_minute: int  # not included

    def __post_init__(self) -> None:
        assert 0 <= self.from_minute < _DAY_MINUTES, "minutes of a day"
        assert 0 <= self.to_minute <= _DAY_MINUTES, "minutes of a day"

    @classmethod
    def parse(cls, text: str) -> "HoursOfDay":
        """From "20:00-07:30". Raises ValueError."""
        start, dash, end = text.partition("-")
        if not dash:
            raise ValueError(f"{text!r} is no window such as 20:00-07:30")
        return cls(_minute(start) % _DAY_MINUTES, _minute(end))

    def holds(self, minute: int) -> bool:
        """Whether the minute lies in the window."""
        if self.from_minute < self.to_minute:
            return self.from_minute <= minute < self.to_minute
        return minute >= self.from_minute or minute < self.to_minute


def is_open(windows: Sequence[HoursOfDay], local: datetime) -> bool:
    """Whether the sweep may read now; no window at all means always."""
    minute = local.hour * 60 + local.minute
    return not windows or any(window.holds(minute) for window in windows)


def open_share(windows: Sequence[HoursOfDay]) -> float:
    """The share of a day in which the sweep may read."""
    if not windows:
        return 1.0
    return len(_open_minutes(windows)) / _DAY_MINUTES


def after_open_time(windows: Sequence[HoursOfDay], local: datetime, open_s: float) -> datetime:
    """When `open_s` seconds of open windows will have passed."""
    if not windows:
        return local + timedelta(seconds=open_s)
    minutes = _open_minutes(windows)
    assert minutes, "a window that never opens is refused when it is configured"
    days, rest_s = divmod(open_s, len(minutes) * 60)
    if days and rest_s == 0:  # at the end of a window, and not at the same hour of the next day
        days, rest_s = days - 1, len(minutes) * 60.0
    moment = local + timedelta(days=days)
    minute = moment.hour * 60 + moment.minute
    step_s = 60 - moment.second - moment.microsecond / 1e6  # to the end of this minute
    while rest_s > 0:
        if minute % _DAY_MINUTES in minutes:
            if rest_s <= step_s:
                return moment + timedelta(seconds=rest_s)
            rest_s -= step_s
        moment += timedelta(seconds=step_s)
        minute, step_s = minute + 1, 60.0
    return moment


def _open_minutes(windows: Sequence[HoursOfDay]) -> frozenset[int]:
    return frozenset(
        minute for minute in range(_DAY_MINUTES) if any(window.holds(minute) for window in windows)
    )


def _minute(text: str) -> int:
    hours, colon, minutes = text.strip().partition(":")
    if not (colon and len(minutes) == 2 and hours.isascii() and (hours + minutes).isdecimal()):
        raise ValueError(f"{text!r} is no time such as 07:30")
    minute = int(hours) * 60 + int(minutes)
    if minute > _DAY_MINUTES or int(minutes) > 59:
        raise ValueError(f"{text!r} is no time of a day")
    return minute


class Allowance:
    """How much of something may have been used by now; grows with time at a rate."""

    def __init__(self) -> None:
        self._granted = 0.0
        self._at_s: float | None = None
        self._used = 0
        self._used_at_s = float("-inf")

    def grant(self, now_s: float, rate: float | None, used: int) -> int:
        """The total that may be used by now; `rate` is per second, None for no limit.

        What went unused for longer than a second is forfeited; what nobody was about to use, after
        a quarter of one.
        """
        if self._at_s is None:
            self._at_s, self._granted, self._used = now_s, float(used), used
        if used != self._used:
            self._used, self._used_at_s = used, now_s
        elapsed_s = max(0.0, now_s - self._at_s)
        self._at_s = now_s
        if rate is None:
            self._granted = float(used)
            return UNLIMITED
        credit_s = _HALT_S if now_s - self._used_at_s <= _HALT_S else _BURST_S
        self._granted = min(self._granted + rate * elapsed_s, used + rate * credit_s)
        return int(self._granted)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long others may wait for the disk before the sweep steps back; 0: it never does."""

    read_latency_s_max: float = 0.05
    commit_latency_s_max: float = 1.0


class Courtesy:
    """Which share of its pace the sweep may use, by how long others wait for the disk."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._share = 1.0
        self._at_s: float | None = None
        self._backed_off_s: float | None = None

    def share(self, now_s: float, load: ForegroundLoad, *, urgent: bool) -> float:
        """From 0.05 to 1. `urgent`, with the deadline in danger, yields to nobody."""
        elapsed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        if urgent:
            self._share = 1.0
        elif not self._is_felt(load):
            self._share = min(1.0, self._share + _SHARE_GROWTH_PER_S * elapsed_s)
        elif self._backed_off_s is None or now_s - self._backed_off_s >= _BACK_OFF_EVERY_S:
            self._backed_off_s = now_s
            self._share = max(_SHARE_MIN, self._share / 2)
        return self._share

    def _is_felt(self, load: ForegroundLoad) -> bool:
        patience = self._patience
        return (
            0 < patience.read_latency_s_max < load.read_latency_s
            or 0 < patience.commit_latency_s_max < load.commit_latency_s
        )


class Tranquilizer:
    """Pauses `tranquility` times as long as steps took in the mean. One for each process."""

    def __init__(self, tranquility: float) -> None:
        self._tranquility = tranquility
        self._steps_s: deque[float] = deque(maxlen=_STEPS_REMEMBERED)
        self._rest_s = 0.0

    def after_step(self, step_s: float) -> float:
        """Seconds to pause now."""
        if self._tranquility == 0:
            return 0.0
        self._steps_s.append(step_s)
        self._rest_s += self._tranquility * sum(self._steps_s) / len(self._steps_s)
        if self._rest_s < _PAUSE_MIN_S:
            return 0.0
        pause_s, self._rest_s = self._rest_s, 0.0
        return pause_s
