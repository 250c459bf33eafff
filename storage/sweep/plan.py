"""What a node sweeps next and when: decisions only, with clock and chance as arguments.

DESIGN.md, promise 4: every copy is read again before a deadline, which each storage class has of
its own. An object is looked at once in a pass, in the order of the pass before, so between two
looks lies never more than one period plus the length of one pass; both are set so that the sum
stays under the deadline. How fast is pace.py's, when it will be over forecast.py's affair.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storage.model import StoredObject
from storage.sweep.model import (
    DEFAULT_CLASS,
    PassKind,
    PassOrder,
    PassScope,
    Reason,
    SweepCycle,
    Work,
    rfc3339,
)
from storage.sweep.pace import HoursOfDay, Patience, open_share

# A pass begins this share of the aim after the last began …
_PERIOD_SHARE = 0.48
# … give or take this, so that the nodes of a site do not all read at the same time.
_SPREAD_SHARE = 0.16
# A pass that sets its own pace is over in this share of the aim. Passes of several classes take
# turns, the first to be over first: that works out because no period is shorter than this, and
# between two looks lies never more than the longest period and this together.
_CYCLE_SHARE = 0.4
# Slower than this helps no one: the smallest pace that a volume sets for itself.
RATE_MIN = 32 * 1024 * 1024
# One task for a process.
_BATCH_OBJECTS_MAX = 32
_BATCH_BYTES_MAX = 64 * 1024 * 1024
# So many strays are put away in however small a volume.
_STRAYS_ALWAYS = 3
# After an I/O error the whole disk is read again, but not for each of a thousand errors.
_IO_ERROR_REST = timedelta(days=7)
# How much is read in full where a change gives reason to look, but none to fear for every byte.
_SAMPLE_AFTER_CHANGE = "0.05"
_SAMPLE_AFTER_STOP = "0.01"
# What an object costs beside its content: two inventories with a line or two for each file, two
# sidecars, the declaration. Measured on inventories as this product writes them.
_OBJECT_OVERHEAD_BYTES = 1600
_FILE_OVERHEAD_BYTES = 560


@dataclass(frozen=True, slots=True)
class StorageClass:
    """Objects that share a deadline."""

    name: str
    deadline_days: float
    sources: tuple[str, ...]  # of the default class empty: all that no other class names


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """What an operator says of the sweep."""

    deadline_days: float = 90.0  # of the default class
    aim_days: float = 30.0  # sooner than the deadline, wherever the pace allows; 0: no such aim
    classes: tuple[StorageClass, ...] = ()  # beside the default class
    read_bytes_per_second_max: int = 0  # 0: the volume sets it by its contents and the deadline
    read_files_per_second_max: int = 0  # 0: no cap
    tranquility: float = 0.0  # pause this many times as long as reads took in the mean
    workers: int = 2  # processes; small files would only wait for the interpreter in threads
    windows: tuple[HoursOfDay, ...] = ()  # none: at any hour
    patience: Patience = field(default_factory=Patience)
    quick_period_hours: float = 24.0  # 0: no quick passes
    # More strays than this in one cycle, or than this share of the objects: nothing is moved.
    stray_objects_max: int = 10
    stray_share_max: float = 0.01

    def __post_init__(self) -> None:
        assert all(each.deadline_days > 0 for each in self.all_classes()), "a deadline lies ahead"
        assert self.read_bytes_per_second_max >= 0, "0 means that the volume decides"
        assert self.tranquility >= 0, "a pause is not negative"
        assert self.workers >= 1, "somebody has to read"
        assert open_share(self.windows) > 0, "some window opens"

    def all_classes(self) -> tuple[StorageClass, ...]:
        """The default class first."""
        return (StorageClass(DEFAULT_CLASS, self.deadline_days, ()), *self.classes)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Sweep:
    """Go on with this pass, or begin it if it has no trace yet."""

    cycle: SweepCycle


def class_of(source: str, settings: SweepSettings) -> str:
    """The name of the class that a source's objects are in."""
    named = (each.name for each in settings.classes if source in each.sources)
    return next(named, DEFAULT_CLASS)


def aim_days(each: StorageClass, settings: SweepSettings, held: dict[str, Work]) -> float:
    """How soon a class is swept: the aim while the operator's cap allows it, else the deadline.

    An alarm is due at the deadline; what is planned for an earlier day seldom gets there.
    """
    if not 0 < settings.aim_days < each.deadline_days:
        return each.deadline_days
    if settings.read_bytes_per_second_max == 0:
        return settings.aim_days
    return settings.aim_days if _cap_suffices(settings, held) else each.deadline_days


def _cap_suffices(settings: SweepSettings, held: dict[str, Work]) -> bool:
    sooner = {
        each.name: min(each.deadline_days, settings.aim_days) for each in settings.all_classes()
    }
    return _rate_for(settings, held, sooner) <= settings.read_bytes_per_second_max


def read_rate(settings: SweepSettings, held: dict[str, Work]) -> int:
    """Bytes per second that all workers together may read, while a window is open."""
    if settings.read_bytes_per_second_max:
        return settings.read_bytes_per_second_max
    aims = {each.name: aim_days(each, settings, held) for each in settings.all_classes()}
    return max(RATE_MIN, _rate_for(settings, held, aims))


def rate_needed(settings: SweepSettings, held: dict[str, Work]) -> int:
    """Bytes per second without which some class misses its deadline."""
    return _rate_for(
        settings, held, {each.name: each.deadline_days for each in settings.all_classes()}
    )


def _rate_for(settings: SweepSettings, held: dict[str, Work], days: dict[str, float]) -> int:
    """Passes of all classes fit beside each other if each could run alone in its share."""
    per_second = sum(
        read_cost(held.get(name, Work())) / (within * 86_400 * _CYCLE_SHARE)
        for name, within in days.items()
    )
    return round(per_second / open_share(settings.windows))


def read_cost(work: Work) -> int:
    """Bytes that have to be read, inventories and sidecars included."""
    return (
        work.content_bytes
        + work.objects * _OBJECT_OVERHEAD_BYTES
        + work.files * _FILE_OVERHEAD_BYTES
    )


def next_step(
    passes: Sequence[SweepCycle],
    now: datetime,
    settings: SweepSettings,
    held: dict[str, Work],
    *,
    chance: float,
) -> Wait | Sweep:
    """What to do now. `chance` is from 0 to 1 and the same as long as the node keeps its name.

    `passes` are those that run and the last ones of each kind. What a person or an event asked
    for comes first, the smallest before the largest; then the daily quick look; then the class
    whose time runs out first. A pass that gives way goes on later where it stopped.
    """
    unfinished = [each for each in passes if each.finished_at is None]
    if unfinished:
        return Sweep(min(unfinished, key=lambda each: _rank(each, settings, held)))
    orders = regular_orders(settings)
    return Wait(min(due_at(passes, order, now, settings, held, chance=chance) for order in orders))


def due_orders(
    passes: Sequence[SweepCycle],
    now: datetime,
    settings: SweepSettings,
    held: dict[str, Work],
    *,
    chance: float,
) -> list[PassOrder]:
    """What comes round now, to be begun at once: from then on its time runs."""
    return [
        order
        for order in regular_orders(settings)
        if due_at(passes, order, now, settings, held, chance=chance) <= now
    ]


def begin(order: PassOrder, number: int, now: datetime) -> SweepCycle:
    """The pass that is ordered."""
    return SweepCycle(
        number,
        rfc3339(now),
        None,
        kind=order.kind,
        scope=order.scope,
        subject=order.subject,
        reason=order.reason,
    )


def regular_orders(settings: SweepSettings) -> list[PassOrder]:
    """What comes round by itself."""
    orders = [
        PassOrder(PassKind.FULL, PassScope.CLASS, each.name, Reason.DEADLINE)
        for each in settings.all_classes()
    ]
    if settings.quick_period_hours > 0:
        orders.append(PassOrder(PassKind.QUICK, PassScope.NODE, "", Reason.DEADLINE))
    return orders


def due_at(
    passes: Sequence[SweepCycle],
    order: PassOrder,
    now: datetime,
    settings: SweepSettings,
    held: dict[str, Work],
    *,
    chance: float,
) -> datetime:
    """When a regular pass is to begin; far away while one of them runs."""
    period = _period(order, settings, held, chance)
    covering = [each for each in passes if _covers(each, order)]
    if any(each.finished_at is None for each in covering):
        return now + period
    if not covering:
        # The first quick look may wait until the first full one has been.
        first = min((each.started_at for each in passes), default=None)
        if order.kind is PassKind.FULL:
            return now
        return now + period if first is None else min(_moment(first), now) + period
    last = max(covering, key=lambda each: each.started_at)
    due = _moment(last.started_at) + period
    if order.kind is PassKind.QUICK and last.finished_at is not None:
        # Where looking takes longer than the period, half of the time is left for reading.
        took = _moment(last.finished_at) - _moment(last.started_at)
        due = max(due, _moment(last.finished_at) + took)
    # A clock that was set back must not put off the sweep for longer than one period.
    return min(due, now + period)


def finish_by(cycle: SweepCycle, settings: SweepSettings, held: dict[str, Work]) -> datetime:
    """When a pass over a class has to be over."""
    named = (each for each in settings.all_classes() if each.name == cycle.subject)
    each = next(named, settings.all_classes()[0])
    days = aim_days(each, settings, held) * _CYCLE_SHARE
    return _moment(cycle.started_at) + timedelta(days=days)


def _covers(cycle: SweepCycle, order: PassOrder) -> bool:
    if cycle.kind is not order.kind:
        return False
    return cycle.scope is PassScope.NODE or (cycle.scope, cycle.subject) == (
        order.scope,
        order.subject,
    )


def _period(
    order: PassOrder, settings: SweepSettings, held: dict[str, Work], chance: float
) -> timedelta:
    assert 0.0 <= chance <= 1.0, "chance is from 0 to 1"
    spread = 1.0 + _SPREAD_SHARE * (2.0 * chance - 1.0)
    if order.kind is PassKind.QUICK:
        return timedelta(hours=settings.quick_period_hours * spread)
    each = next(each for each in settings.all_classes() if each.name == order.subject)
    return timedelta(days=aim_days(each, settings, held) * _PERIOD_SHARE * spread)


_ASKED_FIRST = {
    PassScope.PACKAGE: 0,
    PassScope.SAMPLE: 2,
    PassScope.SOURCE: 3,
    PassScope.NODE: 4,
    PassScope.CLASS: 5,
}


def _rank(cycle: SweepCycle, settings: SweepSettings, held: dict[str, Work]) -> tuple[int, float]:
    if cycle.scope is PassScope.CLASS and cycle.kind is PassKind.FULL:
        return _ASKED_FIRST[cycle.scope], finish_by(cycle, settings, held).timestamp()
    quick = cycle.kind is PassKind.QUICK and cycle.scope is not PassScope.PACKAGE
    # The newest first: what it reads counts for those before it as well.
    return 1 if quick else _ASKED_FIRST[cycle.scope], -cycle.number


def orders_after(
    reasons: Iterable[Reason], passes: Sequence[SweepCycle], now: datetime
) -> list[PassOrder]:
    """The passes that events call for, without those that are under way already."""
    wanted = [order for reason in reasons for order in _CALLED_FOR.get(reason, ())]
    return [order for order in dict.fromkeys(wanted) if not _is_under_way(order, passes, now)]


def _after(reason: Reason, share: str) -> tuple[PassOrder, ...]:
    return (
        PassOrder(PassKind.QUICK, PassScope.NODE, "", reason),
        PassOrder(PassKind.FULL, PassScope.SAMPLE, share, reason),
    )


_CALLED_FOR = {
    # Another disk holds every byte anew: all of it is read.
    Reason.DEVICE_CHANGED: (PassOrder(reason=Reason.DEVICE_CHANGED),),
    Reason.IO_ERROR: (PassOrder(reason=Reason.IO_ERROR),),
    Reason.KERNEL_CHANGED: _after(Reason.KERNEL_CHANGED, _SAMPLE_AFTER_CHANGE),
    Reason.SOFTWARE_CHANGED: _after(Reason.SOFTWARE_CHANGED, _SAMPLE_AFTER_CHANGE),
    # What was being written is recovered and read back already (docs/formats/volume.md).
    Reason.UNCLEAN_STOP: _after(Reason.UNCLEAN_STOP, _SAMPLE_AFTER_STOP),
}


def _is_under_way(order: PassOrder, passes: Sequence[SweepCycle], now: datetime) -> bool:
    same = [
        each
        for each in passes
        if (each.kind, each.scope, each.subject) == (order.kind, order.scope, order.subject)
    ]
    if any(each.finished_at is None for each in same):
        return True
    rest = _IO_ERROR_REST if order.reason is Reason.IO_ERROR else timedelta(0)
    # One that began after now was begun by a clock that has been set back: it is no reason to rest.
    return any(timedelta(0) <= now - _moment(each.started_at) < rest for each in same)


def looks_for_strays(cycle: SweepCycle) -> bool:
    """Whether the pass also walks the root for what belongs to no object."""
    return cycle.scope is PassScope.NODE or (
        cycle.scope is PassScope.CLASS and cycle.subject == DEFAULT_CLASS
    )


def is_sampled(object_id: str, cycle: SweepCycle) -> bool:
    """Whether a sample holds the object: random from pass to pass, the same in one pass."""
    drawn = hashlib.sha256(f"{cycle.number} {cycle.started_at} {object_id}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64 < float(cycle.subject)


def rotation(oldest: str, youngest: str, chance: float) -> str:
    """Where in the order of checking a pass out of turn begins, so that nodes read apart."""
    first, last = _moment(oldest), _moment(youngest)
    return rfc3339(first + (last - first) * chance)


def cut_batch(objects: Sequence[StoredObject], seconds_bytes: float = _BATCH_BYTES_MAX) -> int:
    """How many of `objects`, from the first, one process should be handed at once.

    Enough small ones to outweigh the hand-over, and few enough bytes to be done soon:
    `seconds_bytes` is what a process reads in the seconds that may be lost with it.
    """
    taken_bytes = 0
    limit = min(_BATCH_BYTES_MAX, seconds_bytes)
    for count, stored in enumerate(objects[:_BATCH_OBJECTS_MAX]):
        taken_bytes += stored.content_bytes
        if count and taken_bytes > limit:
            return count
    return min(len(objects), _BATCH_OBJECTS_MAX)


def strays_allowed(settings: SweepSettings, objects: int) -> int:
    """How many strays may be put away without a person; a few always may.

    More of them, and it is not the strays that are wrong but the record of what belongs here.
    """
    by_share = max(_STRAYS_ALWAYS, int(objects * settings.stray_share_max))
    return min(settings.stray_objects_max, by_share)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
