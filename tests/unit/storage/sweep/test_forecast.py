"""When a class will be done: against sweeps of mixed sizes, simulated, and against the deadline."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from storage.sweep.forecast import ClassLoad, Speed, SpeedMeter, forecast
from storage.sweep.model import Work
from storage.sweep.pace import HoursOfDay
from storage.sweep.plan import read_cost

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY_S = 86_400
MIB = 1024 * 1024
UTC_OFFSET = timedelta(0)


def load(
    left_bytes: int,
    name: str = "default",
    begins_in_days: float = 0,
    span_days: tuple[float, float] = (50, 40),
    deadline_days: float = 90,
) -> ClassLoad:
    oldest, youngest = (NOW - timedelta(days=days) for days in span_days)
    return ClassLoad(
        name,
        deadline_days,
        Work(content_bytes=left_bytes),
        NOW + timedelta(days=begins_in_days),
        oldest,
        youngest,
    )


def test_what_is_left_takes_as_long_as_the_pace_says() -> None:
    (said,) = forecast([load(10 * DAY_S * MIB)], NOW, UTC_OFFSET, Speed(MIB, None), ())
    assert said.finish_at == "2026-12-02T08:00:00.000000Z"
    assert (said.left_bytes, said.rate_bytes_per_second) == (10 * DAY_S * MIB, MIB)


def test_slack_is_that_of_the_first_or_of_the_last_object_whichever_is_less() -> None:
    speed = Speed(MIB, None)
    (soon,) = forecast([load(DAY_S * MIB)], NOW, UTC_OFFSET, speed, ())
    assert soon.slack_s == 40 * DAY_S  # the oldest is 50 days old and goes first
    (late,) = forecast([load(60 * DAY_S * MIB)], NOW, UTC_OFFSET, speed, ())
    assert late.slack_s == -10 * DAY_S  # the youngest is 40 days old and waits for 60


def test_the_alarm_is_days_before_the_deadline_and_not_after_it() -> None:
    """No object is overdue yet; at this pace one will be in 50 days."""
    (said,) = forecast([load(60 * DAY_S * MIB)], NOW, UTC_OFFSET, Speed(MIB, None), ())
    assert said.slack_s < 0
    assert NOW - timedelta(days=50) + timedelta(days=90) > NOW


def test_a_class_that_waits_is_swept_after_the_one_that_runs() -> None:
    loads = [load(DAY_S * MIB, "later", begins_in_days=0.5), load(DAY_S * MIB, "now")]
    later, now = forecast(loads, NOW, UTC_OFFSET, Speed(MIB, None), ())
    assert (later.name, now.name) == ("later", "now")
    assert now.finish_at == "2026-11-23T08:00:00.000000Z"
    assert later.finish_at == "2026-11-24T08:00:00.000000Z"


def test_closed_windows_put_the_finish_off() -> None:
    night = (HoursOfDay.parse("00:00-06:00"),)
    (said,) = forecast([load(DAY_S * MIB)], NOW, timedelta(hours=8), Speed(MIB, None), night)
    # Four nights of six hours; it is four in the afternoon there now.
    assert said.finish_at == "2026-11-25T22:00:00.000000Z"


def test_a_cap_on_files_is_foreseen() -> None:
    speed = Speed(1e9, 10.0)
    assert speed.seconds(Work(1, 600, 10)) == 60
    assert speed.seconds(Work(1, 1, 10**10)) == pytest.approx(10, rel=0.01)


def test_an_empty_class_has_all_its_deadline_for_slack() -> None:
    empty = ClassLoad("default", 90, Work(), NOW, None, None)
    (said,) = forecast([empty], NOW, UTC_OFFSET, Speed(MIB, None), ())
    assert said.slack_s == 90 * DAY_S


@pytest.mark.parametrize("seed", range(20))
def test_the_forecast_of_a_paced_sweep_of_mixed_sizes_is_within_a_twentieth(seed: int) -> None:
    """Objects from 1 KB to 10 GB in any order, at a pace that wavers by a tenth; asked a hundred
    times while it runs, as long as a minute is left."""
    chance = random.Random(seed)
    works = [
        Work(1, chance.randrange(1, 40), int(10 ** chance.uniform(3, 10))) for _ in range(4000)
    ]
    total = Work()
    for work in works:
        total += work
    pace = read_cost(total) / (6 * 3600)
    meter, done, moments, now_s, cost = SpeedMeter(), Work(), [], 0.0, 0.0
    for work in works:
        # Objects of any size are read piece by piece; the meter sees each piece.
        left = float(read_cost(work))
        while left > 0:
            piece = min(left, pace * 5)
            now_s += piece / pace * chance.uniform(0.9, 1.1)
            cost += piece
            left -= piece
            meter.measure(now_s, cost, let_go=True)
        done += work
        moments.append((now_s, total.less(done), meter.bytes_per_second(pace)))
    for at_s, left_work, speed in moments[:: len(moments) // 100]:
        remaining_s = now_s - at_s
        if remaining_s > 60:
            said_s = Speed(speed, None).seconds(left_work)
            assert said_s == pytest.approx(remaining_s, rel=0.05), f"seed {seed}, at {at_s} s"


def test_a_pause_is_not_taken_for_a_slow_disk() -> None:
    meter = SpeedMeter()
    cost = 0.0
    for second in range(0, 3600, 5):
        goes = not 1000 <= second < 3000
        cost += 5 * MIB if goes else 0
        meter.measure(second, cost, let_go=goes)
    assert meter.bytes_per_second(1.0) == pytest.approx(MIB, rel=0.02)


def test_the_time_between_two_passes_is_not_taken_for_a_slow_disk() -> None:
    meter = SpeedMeter()
    for second in range(0, 60, 5):
        meter.measure(second, second * MIB, let_go=True)
    meter.interrupt()
    for second in range(0, 60, 5):
        meter.measure(5000 + second, (60 + second) * MIB, let_go=True)
    assert meter.bytes_per_second(1.0) == pytest.approx(MIB)


def test_before_enough_was_read_the_pace_that_was_set_is_believed() -> None:
    meter = SpeedMeter()
    assert meter.bytes_per_second(5.0) == 5.0
    meter.measure(0, 0, let_go=True)
    meter.measure(6, 600, let_go=True)
    assert meter.bytes_per_second(5.0) == 5.0
