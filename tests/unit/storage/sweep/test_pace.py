"""How fast a sweep reads, on a clock of the test's own."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.sweep.model import ForegroundLoad
from storage.sweep.pace import (
    UNLIMITED,
    Allowance,
    Courtesy,
    HoursOfDay,
    Patience,
    Tranquilizer,
    after_open_time,
    is_open,
    open_share,
)

MIB = 1024 * 1024
QUIET = ForegroundLoad()
SLOW_READS = ForegroundLoad(read_latency_s=0.2)


def sweep_for(
    seconds: float, rate: float, *, readers: int, read_bytes: int, disk_bytes_s: float
) -> float:
    """Bytes per second that processes read, who obey the allowance as worker.py does."""
    allowance, tick_s = Allowance(), 0.05
    used, busy_until = 0, [0.0] * readers
    now_s = 0.0
    while now_s < seconds:
        granted = allowance.grant(now_s, rate, used)
        turn_s = now_s
        while turn_s < now_s + tick_s:
            for reader in range(readers):
                while busy_until[reader] <= turn_s and used <= granted:
                    used += read_bytes
                    began_s = max(busy_until[reader], turn_s - 0.005)
                    busy_until[reader] = began_s + read_bytes / disk_bytes_s * readers
            turn_s += 0.005
        now_s += tick_s
    return used / seconds


@pytest.mark.parametrize("readers", [1, 2, 8])
@pytest.mark.parametrize("read_bytes", [2048, MIB])
@pytest.mark.parametrize("rate", [100_000, 50 * MIB])
def test_the_cap_is_held_within_a_twentieth_however_many_read(
    readers: int, read_bytes: int, rate: int
) -> None:
    disk = 2_000_000_000 if read_bytes == MIB else 400_000 * readers
    achieved = sweep_for(120, rate, readers=readers, read_bytes=read_bytes, disk_bytes_s=disk)
    expected = min(rate, disk)
    assert achieved == pytest.approx(expected, rel=0.05) or achieved < expected


@settings(max_examples=40)
@given(st.integers(1, 8), st.sampled_from([65536, MIB]), st.floats(2e6, 2e8))
def test_at_any_cap_the_achieved_rate_is_within_a_tenth(
    readers: int, read_bytes: int, rate: float
) -> None:
    achieved = sweep_for(60, rate, readers=readers, read_bytes=read_bytes, disk_bytes_s=4e9)
    assert achieved == pytest.approx(rate, rel=0.1)


def test_what_halts_cost_is_made_up_for() -> None:
    allowance, used, rate = Allowance(), 0, 100 * MIB
    for tick in range(1200):  # a minute, and six tenths of every two seconds without a byte
        granted = allowance.grant(tick * 0.05, rate, used)
        used = used if tick % 40 < 12 else max(used, granted)
    assert used / 60 == pytest.approx(rate, rel=0.03)


def test_an_hour_without_reading_is_no_credit_for_a_rush() -> None:
    allowance = Allowance()
    allowance.grant(0, 50 * MIB, 0)
    assert allowance.grant(3600, 50 * MIB, 0) <= 13 * MIB


def test_a_sweep_that_begins_late_begins_at_its_pace() -> None:
    allowance = Allowance()
    granted = [allowance.grant(tick * 0.05, 100 * MIB, 0) for tick in range(200)]
    assert max(granted) <= 25 * MIB


def test_nothing_is_granted_while_the_rate_is_nothing() -> None:
    allowance = Allowance()
    allowance.grant(0, 0, 1000)
    assert allowance.grant(60, 0, 1000) == 1000
    assert allowance.grant(61, 100, 1000) == 1025


def test_what_was_used_before_the_first_grant_costs_nothing() -> None:
    assert Allowance().grant(5, 10, 10**12) == 10**12


def test_without_a_cap_everything_is_granted() -> None:
    assert Allowance().grant(0, None, 5) == UNLIMITED


def test_the_sweep_steps_back_while_others_wait_and_returns_slowly() -> None:
    courtesy = Courtesy(Patience(read_latency_s_max=0.05))
    assert courtesy.share(0, QUIET, urgent=False) == 1
    shares = [courtesy.share(second, SLOW_READS, urgent=False) for second in range(1, 20)]
    assert shares[:3] == [0.5, 0.25, 0.125]
    assert shares[-1] == 0.05
    back = [courtesy.share(20 + second, QUIET, urgent=False) for second in range(30)]
    assert back[0] < 0.2
    assert back == sorted(back)
    assert back[-1] == 1


def test_a_load_measured_ten_times_a_second_halves_the_pace_once_a_second() -> None:
    courtesy = Courtesy(Patience())
    shares = [courtesy.share(tick / 10, SLOW_READS, urgent=False) for tick in range(21)]
    assert shares[0] == shares[9] == 0.5
    assert shares[10] == shares[19] == 0.25


def test_slow_commits_are_felt_and_fast_ones_are_not() -> None:
    patience = Patience(read_latency_s_max=0, commit_latency_s_max=1)
    fast, slow = ForegroundLoad(9, 0.9), ForegroundLoad(9, 1.1)
    assert Courtesy(patience).share(0, fast, urgent=False) == 1
    assert Courtesy(patience).share(0, slow, urgent=False) == 0.5


def test_when_the_deadline_is_in_danger_nobody_is_yielded_to() -> None:
    courtesy = Courtesy(Patience())
    courtesy.share(0, SLOW_READS, urgent=False)
    assert courtesy.share(1, SLOW_READS, urgent=True) == 1


def test_tranquility_pauses_so_many_times_as_long_as_steps_took_in_the_mean() -> None:
    tranquilizer = Tranquilizer(4)
    assert tranquilizer.after_step(0.01) == pytest.approx(0.04)
    assert tranquilizer.after_step(0.03) == pytest.approx(0.08)
    assert Tranquilizer(0).after_step(1) == 0


def test_pauses_too_short_to_sleep_are_saved_up() -> None:
    tranquilizer = Tranquilizer(1)
    pauses = [tranquilizer.after_step(0.001) for _ in range(1000)]
    assert sum(pauses) == pytest.approx(1, abs=0.02)
    assert min(pause for pause in pauses if pause) >= 0.02


NIGHT = HoursOfDay.parse("22:00-06:00")
NOON = HoursOfDay.parse("12:00-13:00")
DAY = datetime(2026, 11, 22)  # noqa: DTZ001 (a wall clock)


def test_windows_open_by_the_wall_clock_and_may_span_midnight() -> None:
    hours = [hour for hour in range(24) if is_open((NIGHT, NOON), DAY.replace(hour=hour))]
    assert hours == [0, 1, 2, 3, 4, 5, 12, 22, 23]
    assert is_open((), DAY)
    assert open_share((NIGHT, NOON)) == 9 / 24
    assert open_share(()) == 1


@pytest.mark.parametrize(
    "text", ["22:00", "25:00-01:00", "1:60-2:00", "a:00-2:00", "1-2", "-1:00-3:00"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        HoursOfDay.parse(text)


def test_midnight_ends_a_window() -> None:
    assert open_share((HoursOfDay.parse("00:00-24:00"),)) == 1
    assert open_share((HoursOfDay.parse("23:00-24:00"),)) == 1 / 24


def test_open_time_is_counted_in_windows_only() -> None:
    morning = DAY.replace(hour=8)
    assert after_open_time((), morning, 3600) == DAY.replace(hour=9)
    assert after_open_time((NOON,), morning, 1800) == DAY.replace(hour=12, minute=30)
    assert after_open_time((NOON,), morning, 5 * 3600) == DAY.replace(hour=13) + timedelta(days=4)
    assert after_open_time((NIGHT,), DAY.replace(hour=23), 2 * 3600) == DAY + timedelta(hours=25)


@given(st.floats(0, 10**7), st.integers(0, 86_399))
def test_open_time_is_never_shorter_than_time(open_s: float, second: int) -> None:
    began = DAY + timedelta(seconds=second)
    ended = after_open_time((NIGHT,), began, open_s)
    assert ended - began >= timedelta(seconds=open_s) - timedelta(milliseconds=1)
    assert (ended - began).total_seconds() <= 3 * open_s + 86_400
