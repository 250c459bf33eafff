"""When a sweep begins, and how fast it reads."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model import StoredObject
from storage.sweep.model import SweepCycle, rfc3339
from storage.sweep.plan import (
    Pacer,
    Sweep,
    SweepSettings,
    Wait,
    cut_batch,
    next_step,
    rate_needed,
    read_rate,
)

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SETTINGS = SweepSettings(deadline_days=30)
MIB = 1024 * 1024


def cycle(days_ago: float, *, finished: bool) -> SweepCycle:
    started_at = rfc3339(NOW - timedelta(days=days_ago))
    return SweepCycle(7, started_at, rfc3339(NOW) if finished else None)


def test_the_first_cycle_begins_at_once() -> None:
    step = next_step(None, NOW, SETTINGS, chance=0.5, asked=False)
    assert step == Sweep(SweepCycle(1, rfc3339(NOW), None))


def test_an_unfinished_cycle_goes_on_where_it_stopped() -> None:
    last = cycle(100, finished=False)
    assert next_step(last, NOW, SETTINGS, chance=0.5, asked=False) == Sweep(last)


def test_someone_who_asks_gets_a_new_cycle_at_once() -> None:
    for last in (cycle(1, finished=True), cycle(1, finished=False)):
        step = next_step(last, NOW, SETTINGS, chance=0.5, asked=True)
        assert step == Sweep(SweepCycle(8, rfc3339(NOW), None))


def test_after_a_finished_cycle_the_next_one_is_awaited() -> None:
    step = next_step(cycle(1, finished=True), NOW, SETTINGS, chance=0.5, asked=False)
    assert step == Wait(NOW + timedelta(days=11))


def test_a_clock_set_back_by_years_does_not_stop_the_sweep() -> None:
    step = next_step(cycle(-1000, finished=True), NOW, SETTINGS, chance=0.5, asked=False)
    assert isinstance(step, Wait)
    assert step.until == NOW + timedelta(days=12)


def test_nodes_begin_at_different_times() -> None:
    steps = [
        next_step(cycle(0, finished=True), NOW, SETTINGS, chance=chance, asked=False)
        for chance in (0.0, 1.0)
    ]
    assert steps == [Wait(NOW + timedelta(days=9.6)), Wait(NOW + timedelta(days=14.4))]


@given(st.floats(0.5, 400), st.floats(0, 1), st.integers(10**12, 10**15))
def test_between_two_looks_at_an_object_there_is_never_more_than_the_deadline(
    deadline_days: float, chance: float, content_bytes: int
) -> None:
    """Looked at when one cycle began, and again when the next one ends."""
    settings = SweepSettings(deadline_days=deadline_days)
    step = next_step(cycle(0, finished=True), NOW, settings, chance=chance, asked=False)
    assert isinstance(step, Wait)
    cycle_s = content_bytes / read_rate(settings, content_bytes)
    assert (step.until - NOW).total_seconds() + cycle_s < deadline_days * 86_400


def test_an_operators_pace_is_kept_even_if_it_is_too_slow() -> None:
    settings = SweepSettings(deadline_days=30, read_bytes_per_second_max=10 * MIB)
    assert read_rate(settings, 10**14) == 10 * MIB
    assert rate_needed(settings, 10**14) > 10 * MIB


def test_a_small_volume_is_not_swept_by_drops() -> None:
    assert read_rate(SETTINGS, 1000) == 32 * MIB


def simulated_rate(pacer: Pacer, *, read_s: float, reads: int, read_bytes: int = MIB) -> float:
    now_s = 1000.0
    for _ in range(reads):
        began_s, now_s = now_s, now_s + read_s
        now_s += pacer.after_read(read_bytes, began_s, now_s)
    return reads * read_bytes / (now_s - 1000.0)


@pytest.mark.parametrize("read_bytes", [2048, MIB, 100 * MIB])
def test_the_pace_is_held_within_a_hundredth(read_bytes: int) -> None:
    pacer = Pacer(bytes_per_second_max=50 * MIB, tranquility=0)
    rate = simulated_rate(pacer, read_s=1e-6, reads=50_000, read_bytes=read_bytes)
    assert rate == pytest.approx(50 * MIB, rel=0.01)


def test_a_disk_slower_than_the_pace_is_never_held_back() -> None:
    pacer = Pacer(bytes_per_second_max=50 * MIB, tranquility=0)
    assert simulated_rate(pacer, read_s=0.1, reads=100) == pytest.approx(10 * MIB)


def test_an_hour_without_reading_is_no_credit_for_a_rush() -> None:
    pacer = Pacer(bytes_per_second_max=50 * MIB, tranquility=0)
    pacer.after_read(MIB, 0, 0)
    at_once = 0
    while pacer.after_read(MIB, 3600, 3600) == 0:
        at_once += 1
    assert at_once <= 52


def test_tranquility_pauses_so_many_times_as_long_as_it_read() -> None:
    pacer = Pacer(bytes_per_second_max=1e12, tranquility=4)
    assert simulated_rate(pacer, read_s=0.01, reads=1000) == pytest.approx(20 * MIB, rel=0.01)


def stored(content_bytes: int) -> StoredObject:
    return StoredObject("lantai:s/x", 1, "0" * 64, 1, content_bytes, rfc3339(NOW))


def test_small_objects_share_a_batch_and_large_ones_go_alone() -> None:
    assert cut_batch([stored(MIB)] * 100) == 32
    assert cut_batch([stored(30 * MIB)] * 100) == 2
    assert cut_batch([stored(1000 * MIB)] * 3) == 1
    assert cut_batch([stored(MIB), stored(1000 * MIB)]) == 1
    assert cut_batch([]) == 0
