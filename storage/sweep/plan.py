"""When a node sweeps its disk and how fast: decisions only, with clock and chance as arguments.

DESIGN.md, promise 4: every copy is read again before a deadline. An object is looked at once in a
cycle, so the longest time between two looks is one period plus the length of one cycle; both are
set so that the sum stays under the deadline. Does no I/O and does not know which objects exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.model import StoredObject
from storage.sweep.model import SweepCycle, rfc3339

# A new cycle begins this share of the deadline after the last began …
_PERIOD_SHARE = 0.4
# … give or take this, so that the nodes of a site do not all read at the same time.
_SPREAD_SHARE = 0.2
# A cycle that sets its own pace is over in this share of the deadline.
_CYCLE_SHARE = 0.5
# Slower than this helps no one: the smallest pace that a volume sets for itself.
_RATE_MIN = 32 * 1024 * 1024
# Shorter pauses are saved up: a sleep of microseconds costs more than it gives.
_PAUSE_MIN_S = 0.02
# One task for a process.
_BATCH_OBJECTS_MAX = 32
_BATCH_BYTES_MAX = 64 * 1024 * 1024
# So many strays are put away in however small a volume.
_STRAYS_ALWAYS = 3
# Time in which nothing was read is no credit for a rush beyond this.
_BURST_S = 1.0


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """What an operator says of the sweep."""

    deadline_days: float = 30.0
    read_bytes_per_second_max: int = 0  # 0: the volume sets it by its contents and the deadline
    tranquility: float = 0.0  # pause this many times as long as each read took
    workers: int = 2  # processes; small files would only wait for the interpreter in threads
    # More strays than this in one cycle, or than this share of the objects: nothing is moved.
    stray_objects_max: int = 10
    stray_share_max: float = 0.01

    def __post_init__(self) -> None:
        assert self.deadline_days > 0, "a deadline lies in the future"
        assert self.read_bytes_per_second_max >= 0, "0 means that the volume decides"
        assert self.tranquility >= 0, "a pause is not negative"
        assert self.workers >= 1, "somebody has to read"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Sweep:
    """Look at every object that was not looked at since the cycle began."""

    cycle: SweepCycle


def next_step(
    last: SweepCycle | None, now: datetime, settings: SweepSettings, *, chance: float, asked: bool
) -> Wait | Sweep:
    """What to do now. `chance` is from 0 to 1 and the same as long as the node keeps its name.

    An unfinished cycle goes on where it stopped, unless someone asked for a new one.
    """
    if last is not None and last.finished_at is None and not asked:
        return Sweep(last)
    if last is None:
        return Sweep(SweepCycle(1, rfc3339(now), None))
    due = _moment(last.started_at) + _period(settings, chance)
    # A clock that was set back must not put off the sweep for longer than one period.
    due = min(due, now + _period(settings, chance))
    if asked or now >= due:
        return Sweep(SweepCycle(last.number + 1, rfc3339(now), None))
    return Wait(due)


def read_rate(settings: SweepSettings, content_bytes: int) -> int:
    """Bytes per second that all workers together may read."""
    if settings.read_bytes_per_second_max:
        return settings.read_bytes_per_second_max
    return max(_RATE_MIN, rate_needed(settings, content_bytes))


def rate_needed(settings: SweepSettings, content_bytes: int) -> int:
    """Bytes per second without which a cycle takes too long for the deadline."""
    return round(content_bytes / (settings.deadline_days * 86_400 * _CYCLE_SHARE))


def cut_batch(objects: Sequence[StoredObject]) -> int:
    """How many of `objects`, from the first, one process should be handed at once.

    Enough small ones to outweigh the hand-over, and few enough bytes to be done soon.
    """
    taken_bytes = 0
    for count, stored in enumerate(objects[:_BATCH_OBJECTS_MAX]):
        taken_bytes += stored.content_bytes
        if count and taken_bytes > _BATCH_BYTES_MAX:
            return count
    return min(len(objects), _BATCH_OBJECTS_MAX)


def strays_allowed(settings: SweepSettings, objects: int) -> int:
    """How many strays may be put away without a person; a few always may.

    More of them, and it is not the strays that are wrong but the record of what belongs here.
    """
    by_share = max(_STRAYS_ALWAYS, int(objects * settings.stray_share_max))
    return min(settings.stray_objects_max, by_share)


class Pacer:
    """Says after each read how long to pause; keeps no clock of its own."""

    def __init__(self, *, bytes_per_second_max: float, tranquility: float) -> None:
        assert bytes_per_second_max > 0, "a pace of nothing never ends"
        self._seconds_per_byte = 1.0 / bytes_per_second_max
        self._tranquility = tranquility
        self._allowed_at: float | None = None  # when the bytes read so far have been earned
        self._rest_s = 0.0

    def after_read(self, read_bytes: int, began_s: float, ended_s: float) -> float:
        """Seconds to pause after a read, on any clock that does not run backwards."""
        earned_from = began_s if self._allowed_at is None else self._allowed_at
        earned_from = max(earned_from, began_s - _BURST_S)
        self._allowed_at = earned_from + read_bytes * self._seconds_per_byte
        self._rest_s += self._tranquility * (ended_s - began_s)
        pause_s = max(self._allowed_at - ended_s, self._rest_s)
        if pause_s < _PAUSE_MIN_S:
            return 0.0
        self._rest_s = 0.0
        return pause_s


def _period(settings: SweepSettings, chance: float) -> timedelta:
    assert 0.0 <= chance <= 1.0, "chance is from 0 to 1"
    spread = 1.0 + _SPREAD_SHARE * (2.0 * chance - 1.0)
    return timedelta(days=settings.deadline_days * _PERIOD_SHARE * spread)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
