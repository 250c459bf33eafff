"""Which pass runs when, simulated over years; and how much of a disk's time that takes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.model import StoredObject
from storage.sweep.model import (
    PassKind,
    PassOrder,
    PassScope,
    Reason,
    SweepCycle,
    Work,
    rfc3339,
)
from storage.sweep.pace import HoursOfDay
from storage.sweep.plan import (
    RATE_MIN,
    StorageClass,
    Sweep,
    SweepSettings,
    Wait,
    aim_days,
    begin,
    class_of,
    cut_batch,
    due_orders,
    is_sampled,
    next_step,
    orders_after,
    rate_needed,
    read_cost,
    read_rate,
    rotation,
)

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
NO_QUICK = SweepSettings(deadline_days=90, aim_days=0, quick_period_hours=0)
QUARTER = NO_QUICK.all_classes()[0]
MIB = 1024 * 1024
TERABYTE = 10**12


def held(content_bytes: int, name: str = "default") -> dict[str, Work]:
    return {name: Work(content_bytes // 10**6 + 1, 8 * content_bytes // 10**6, content_bytes)}


def full(number: int, days_ago: float, *, finished: bool, **changes: object) -> SweepCycle:
    at = rfc3339(NOW - timedelta(days=days_ago))
    # The checker cannot know which member has which type.
    return replace(SweepCycle(number, at, at if finished else None), **changes)  # type: ignore[arg-type]


def step(
    passes: list[SweepCycle],
    settings: SweepSettings = NO_QUICK,
    holding: dict[str, Work] | None = None,
    chance: float = 0.5,
) -> Sweep | Wait:
    return next_step(passes, NOW, settings, holding or {}, chance=chance)


def due(passes: list[SweepCycle], settings: SweepSettings = NO_QUICK) -> list[PassOrder]:
    return due_orders(passes, NOW, settings, {}, chance=0.5)


def test_the_first_pass_begins_at_once() -> None:
    (order,) = due([])
    assert begin(order, 1, NOW) == SweepCycle(1, rfc3339(NOW), None)


def test_an_unfinished_pass_goes_on_where_it_stopped() -> None:
    last = full(7, 100, finished=False)
    assert step([last]) == Sweep(last)


def test_after_a_finished_pass_the_next_one_is_awaited() -> None:
    assert step([full(7, 1, finished=True)]) == Wait(NOW + timedelta(days=42.2))


def test_a_clock_set_back_by_years_does_not_stop_the_sweep() -> None:
    assert step([full(7, -1000, finished=True)]) == Wait(NOW + timedelta(days=43.2))


def test_nodes_begin_at_different_times() -> None:
    steps = [step([full(7, 0, finished=True)], chance=chance) for chance in (0.0, 1.0)]
    assert steps == [Wait(NOW + timedelta(days=36.288)), Wait(NOW + timedelta(days=50.112))]


def test_what_a_person_asks_for_goes_before_everything_and_the_smallest_first() -> None:
    orders = [
        PassOrder(scope=PassScope.PACKAGE, subject="lantai:s/1"),
        PassOrder(PassKind.QUICK),
        PassOrder(scope=PassScope.SAMPLE, subject="0.05"),
        PassOrder(scope=PassScope.SOURCE, subject="s"),
        PassOrder(),
    ]
    running = full(1, 1, finished=False)
    asked = [begin(order, number, NOW) for number, order in enumerate(orders, start=2)]
    left = [running, *asked]
    chosen = []
    while left:
        first = step(left)
        assert isinstance(first, Sweep)
        chosen.append(first.cycle)
        left.remove(first.cycle)
    assert chosen == [*asked, running]


def test_a_quick_look_comes_round_daily_while_a_full_pass_is_under_way() -> None:
    settings = SweepSettings()
    running = full(1, 3, finished=False)
    looked = full(2, 1.01, finished=True, kind=PassKind.QUICK, scope=PassScope.NODE, subject="")
    (order,) = due([running, looked], settings)
    quick = begin(order, 3, NOW)
    assert quick.kind is PassKind.QUICK
    assert step([running, looked, quick], settings) == Sweep(quick)
    just_now = replace(looked, started_at=rfc3339(NOW))
    assert due([running, just_now], settings) == []
    assert step([running, just_now], settings) == Sweep(running)


def test_quick_looks_that_take_longer_than_a_day_leave_half_of_the_time_for_reading() -> None:
    """On a slow disk with a hundred million objects nothing else would ever be read."""
    settings = replace(NO_QUICK, quick_period_hours=24)
    running = full(1, 20, finished=False)

    def looked(ended_days_ago: float) -> SweepCycle:
        began = full(
            2, ended_days_ago + 3, finished=False, kind=PassKind.QUICK, scope=PassScope.NODE
        )
        return replace(began, finished_at=rfc3339(NOW - timedelta(days=ended_days_ago)))

    for ended_days_ago, is_due in ((0.1, False), (2.9, False), (3.1, True)):
        passes = [running, looked(ended_days_ago)]
        orders = due_orders(passes, NOW, settings, {}, chance=0.5)
        assert [order.kind for order in orders] == [PassKind.QUICK] * is_due, ended_days_ago


def test_a_sweep_of_the_whole_node_counts_for_every_class() -> None:
    settings = replace(NO_QUICK, classes=(StorageClass("hot", 10, ("a",)),))
    node = full(9, 0, finished=True, scope=PassScope.NODE, subject="")
    assert step([node], settings) == Wait(NOW + timedelta(days=4.8))


def test_the_class_whose_time_runs_out_first_goes_first() -> None:
    settings = replace(NO_QUICK, classes=(StorageClass("hot", 10, ("a",)),))
    slow = full(1, 20, finished=False)
    hot = full(2, 1, finished=False, subject="hot")
    assert step([slow, hot], settings) == Sweep(hot)
    assert class_of("a", settings) == "hot"
    assert class_of("b", settings) == "default"


def test_a_sooner_aim_is_kept_while_the_cap_allows_it() -> None:
    capped = SweepSettings(read_bytes_per_second_max=20 * MIB)
    assert aim_days(capped.all_classes()[0], capped, held(10 * TERABYTE)) == 30
    assert aim_days(capped.all_classes()[0], capped, held(50 * TERABYTE)) == 90
    assert aim_days(QUARTER, NO_QUICK, held(TERABYTE)) == 90
    assert aim_days(QUARTER, SweepSettings(), held(500 * TERABYTE)) == 30


def test_an_operators_pace_is_kept_even_if_it_is_too_slow() -> None:
    settings = SweepSettings(read_bytes_per_second_max=10 * MIB)
    assert read_rate(settings, held(100 * TERABYTE)) == 10 * MIB
    assert rate_needed(settings, held(100 * TERABYTE)) > 10 * MIB


def test_a_small_volume_is_not_swept_by_drops() -> None:
    assert read_rate(NO_QUICK, held(1000)) == RATE_MIN


def test_a_third_of_the_day_asks_for_three_times_the_pace() -> None:
    night = replace(NO_QUICK, windows=(HoursOfDay.parse("22:00-06:00"),))
    whole = rate_needed(NO_QUICK, held(100 * TERABYTE))
    assert rate_needed(night, held(100 * TERABYTE)) == pytest.approx(3 * whole, rel=1e-6)


@settings(max_examples=40)
@given(
    st.floats(30, 400),
    st.floats(0, 1),
    st.lists(st.tuples(st.integers(10**11, 10**14), st.floats(30, 400)), max_size=3),
)
def test_over_years_no_object_waits_longer_than_its_deadline(
    deadline_days: float, chance: float, others: list[tuple[int, float]]
) -> None:
    """A node alone with its classes, swept as planned and as fast as planned for three of the
    longest deadlines: of every class the first and the last object of a pass are looked at."""
    classes = tuple(StorageClass(f"c{n}", days, (f"s{n}",)) for n, (_, days) in enumerate(others))
    sweep = replace(NO_QUICK, deadline_days=deadline_days, classes=classes)
    holding = held(10**13) | {
        f"c{n}": Work(1000, 8000, content_bytes) for n, (content_bytes, _) in enumerate(others)
    }
    rate = read_rate(sweep, holding)
    now, passes, left, seen = NOW, list[SweepCycle](), dict[int, float](), set[int]()
    first_seen, last_seen = dict[str, datetime](), dict[str, datetime]()
    end = NOW + timedelta(days=3 * max([deadline_days, *(days for _, days in others)]))
    deadlines = {each.name: timedelta(days=each.deadline_days) for each in sweep.all_classes()}
    while now < end:
        for order in due_orders(passes, now, sweep, holding, chance=chance):
            cycle = begin(order, len(left) + 1, now)
            passes = [each for each in passes if each.subject != cycle.subject]
            passes.append(cycle)
            left[cycle.number] = read_cost(holding[cycle.subject]) / rate
        chosen = next_step(passes, now, sweep, holding, chance=chance)
        if isinstance(chosen, Wait):
            now = chosen.until
            continue
        cycle = chosen.cycle
        name = cycle.subject
        if cycle.number not in seen:
            seen.add(cycle.number)
            assert now - first_seen.get(name, now) <= deadlines[name]
            first_seen[name] = now
        # Until it is over, or until another may be due.
        lasts_s = min(left[cycle.number], min(deadlines.values()).total_seconds() / 100)
        now += timedelta(seconds=lasts_s)
        left[cycle.number] -= lasts_s
        if left[cycle.number] <= 0:
            passes.remove(cycle)
            passes.append(replace(cycle, finished_at=rfc3339(now)))
            assert now - last_seen.get(name, now) <= deadlines[name]
            last_seen[name] = now
    assert len(last_seen) == len(deadlines)


def test_each_change_calls_for_its_own_passes_and_for_none_twice() -> None:
    whole = orders_after([Reason.DEVICE_CHANGED], [], NOW)
    assert whole == [PassOrder(reason=Reason.DEVICE_CHANGED)]
    stopped = orders_after([Reason.UNCLEAN_STOP], [], NOW)
    assert [(order.kind, order.scope, order.subject) for order in stopped] == [
        (PassKind.QUICK, PassScope.NODE, ""),
        (PassKind.FULL, PassScope.SAMPLE, "0.01"),
    ]
    under_way = [begin(order, number, NOW) for number, order in enumerate(stopped, start=1)]
    assert orders_after([Reason.UNCLEAN_STOP], under_way, NOW) == []
    for reason in (Reason.KERNEL_CHANGED, Reason.SOFTWARE_CHANGED):
        assert [order.subject for order in orders_after([reason], [], NOW)] == ["", "0.05"]


def test_a_thousand_io_errors_call_for_one_sweep_in_a_week() -> None:
    order = PassOrder(reason=Reason.IO_ERROR)
    assert orders_after([Reason.IO_ERROR], [], NOW) == [order]
    done = full(3, 6, finished=True, scope=PassScope.NODE, subject="", reason=Reason.IO_ERROR)
    assert orders_after([Reason.IO_ERROR], [done], NOW) == []
    assert orders_after([Reason.IO_ERROR], [done], NOW + timedelta(days=1.1)) == [order]
    before_it_began = NOW - timedelta(days=365)
    assert orders_after([Reason.IO_ERROR], [done], before_it_began) == [order], "a clock set back"


def test_a_sample_holds_about_its_share_and_another_one_in_the_next_pass() -> None:
    cycles = [
        begin(PassOrder(scope=PassScope.SAMPLE, subject="0.05"), number, NOW) for number in (1, 2)
    ]
    drawn = [
        {name for name in map(str, range(20_000)) if is_sampled(name, cycle)} for cycle in cycles
    ]
    assert all(900 < len(sample) < 1100 for sample in drawn)
    assert len(drawn[0] & drawn[1]) < 100


def test_a_pass_out_of_turn_begins_elsewhere_on_each_node() -> None:
    first, last = "2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z"
    begins = [rotation(first, last, chance) for chance in (0.0, 0.25, 1.0)]
    assert begins == [
        "2026-01-01T00:00:00.000000Z",
        "2026-01-03T12:00:00.000000Z",
        "2026-01-11T00:00:00.000000Z",
    ]


def stored(content_bytes: int) -> StoredObject:
    return StoredObject("lantai:s/x", 1, "0" * 64, 1, content_bytes, rfc3339(NOW))


def test_small_objects_share_a_batch_and_large_ones_go_alone() -> None:
    assert cut_batch([stored(MIB)] * 100) == 32
    assert cut_batch([stored(30 * MIB)] * 100) == 2
    assert cut_batch([stored(1000 * MIB)] * 3) == 1
    assert cut_batch([stored(MIB), stored(1000 * MIB)]) == 1
    assert cut_batch([]) == 0


def test_at_a_slow_pace_little_is_handed_out_at_once() -> None:
    assert cut_batch([stored(MIB)] * 100, 4 * MIB) == 4
    assert cut_batch([stored(MIB)] * 100, 10) == 1
