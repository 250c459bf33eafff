"""Passes over a real volume: by class, by order, quick, and after what happened to the node."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.ocfl.layout import object_folder
from storage.signing import SigningKey
from storage.sweep.model import (
    PassKind,
    PassOrder,
    PassScope,
    Reason,
    SweepCycle,
    rfc3339,
)
from storage.sweep.plan import StorageClass, SweepSettings
from storage.sweep.sweeper import Sweeper, TrailPlace
from storage.sweep.trail import TrailRule
from storage.volume.volume import Volume
from tests.fault_page import record_fault
from tests.volume_packages import make_package, new_volume, settings_for, store

WaitUntil = Callable[..., Awaitable[None]]
QUIET = SweepSettings(quick_period_hours=0)
CONTENT = "v1/content/received/"


@pytest.fixture
async def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
async def volume(tmp_path: Path, key: SigningKey) -> AsyncIterator[Volume]:
    """Ten packages of each of two sources."""
    volume = new_volume(tmp_path, key)
    for source in ("a", "b"):
        for number in range(10):
            files = {"received/x": b"x" * 5000, "received/y": bytes([number]) * 3000}
            await store(volume, make_package(files, f"lantai:{source}/{number}"))
    yield volume
    volume.close()


def right_time() -> datetime:
    return datetime.now(UTC)


def a_year_ahead() -> datetime:
    return datetime.now(UTC) + timedelta(days=365)


@asynccontextmanager
async def sweeping(
    volume: Volume, settings: SweepSettings = QUIET, now: Callable[[], datetime] = right_time
) -> AsyncIterator[Sweeper]:
    stop = asyncio.Event()
    # Small batches: what these tests stop is stopped in the middle.
    place = TrailPlace(volume.settings.trails, TrailRule(batch_s=0.2))
    sweeper = Sweeper(volume, settings, chance=0.5, now=now, trails=place)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sweeper.run(stop))
        yield sweeper
        stop.set()


def passes(volume: Volume, **wanted: object) -> list[SweepCycle]:
    """Current passes of which all this is true, finished ones only."""
    return [
        each
        for each in volume.current_passes()
        if each.finished_at and all(getattr(each, name) == is_ for name, is_ in wanted.items())
    ]


def spoil(volume: Volume, object_id: str, path: str, data: bytes) -> None:
    file = volume.root / object_folder(object_id) / path
    file.chmod(0o600)
    file.write_bytes(data)
    os.sync()


def found(volume: Volume) -> set[tuple[str, str]]:
    return {(each.object_id, each.kind) for each in volume.findings(0, 1000)}


async def test_each_class_is_swept_by_itself_and_forecast_by_itself(
    volume: Volume, wait_until: WaitUntil
) -> None:
    settings = replace(QUIET, classes=(StorageClass("vital", 10, ("b",)),))
    async with sweeping(volume, settings) as sweeper:
        await wait_until(lambda: len(passes(volume, scope=PassScope.CLASS)) == 2, within_s=60)
        status = await sweeper.status()
    done = {each.subject: each.checked_objects for each in passes(volume)}
    assert done == {"default": 10, "vital": 10}
    default, vital = status.forecasts
    assert (default.name, vital.name) == ("default", "vital")
    assert (default.deadline_days, vital.deadline_days) == (90, 10)
    assert 9 * 86_400 < vital.slack_s + 4.8 * 86_400 < 10.01 * 86_400
    assert default.left_bytes == sum(each.content_bytes for each in volume.objects("", 10))


async def test_a_source_a_package_and_a_sample_are_swept_on_demand(
    volume: Volume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume) as sweeper:
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
        before = {each.object_id: each.checked_at for each in volume.objects("", 100)}

        def newly_checked() -> set[str]:
            return {
                each.object_id
                for each in volume.objects("", 100)
                if each.checked_at > before[each.object_id]
            }

        sweeper.start_now(PassOrder(scope=PassScope.PACKAGE, subject="lantai:a/3"))
        await wait_until(lambda: passes(volume, scope=PassScope.PACKAGE), within_s=60)
        assert newly_checked() == {"lantai:a/3"}
        sweeper.start_now(PassOrder(scope=PassScope.SOURCE, subject="b"))
        await wait_until(lambda: passes(volume, scope=PassScope.SOURCE), within_s=60)
        assert newly_checked() == {"lantai:a/3", *(f"lantai:b/{number}" for number in range(10))}
        sweeper.start_now(PassOrder(scope=PassScope.SAMPLE, subject="0.5"))
        await wait_until(lambda: passes(volume, scope=PassScope.SAMPLE), within_s=60)
        sample = passes(volume, scope=PassScope.SAMPLE)[0].checked_objects
        assert 1 <= sample <= 19


async def test_a_quick_look_finds_what_is_lost_or_cut_and_no_flipped_byte(
    volume: Volume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume) as sweeper:
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
        checked = volume.oldest_checked_at()
        (volume.root / object_folder("lantai:a/1") / CONTENT / "x").unlink()
        spoil(volume, "lantai:a/2", CONTENT + "x", b"x" * 4000)
        spoil(volume, "lantai:a/3", CONTENT + "x", b"x" * 5001)
        spoil(volume, "lantai:a/4", CONTENT + "x", b"y" * 5000)
        spoil(volume, "lantai:a/5", "inventory.json", b"{}")
        (volume.root / object_folder("lantai:a/6") / CONTENT / "stray").write_bytes(b"")
        (volume.root / object_folder("lantai:a/7")).rename(volume.root.parent / "lost")
        sweeper.start_now(PassOrder(PassKind.QUICK))
        await wait_until(lambda: passes(volume, kind=PassKind.QUICK), within_s=60)
        status = await sweeper.status()
    assert found(volume) == {
        ("lantai:a/1", "missing"),
        ("lantai:a/2", "truncated"),
        ("lantai:a/3", "altered"),
        ("lantai:a/5", "inventory-damaged"),
        ("lantai:a/6", "stray"),
        ("lantai:a/7", "object-missing"),
    }
    assert status.checked_bytes < 20 * 8000
    assert volume.oldest_checked_at() == checked


async def test_an_unclean_stop_is_followed_by_a_quick_look_and_a_sample(
    volume: Volume, tmp_path: Path, key: SigningKey, wait_until: WaitUntil
) -> None:
    """1. A node ends in order: nothing is called for. 2. Its journal loses the record of that, as
    if it had been killed: the next opening calls for a look."""
    volume.close()
    again = Volume.open(settings_for(tmp_path), key)
    assert again.changes() == []
    again.close()
    segment = tmp_path / "journal" / "00000001.log"
    content = segment.read_bytes()
    segment.write_bytes(content[: content[:-1].rfind(b"\n") + 1])
    for part in tmp_path.glob("index.sqlite*"):
        part.unlink()
    killed = Volume.open(settings_for(tmp_path), key)
    async with sweeping(killed):
        await wait_until(lambda: len(passes(killed, reason=Reason.UNCLEAN_STOP)) == 2, within_s=60)
    kinds = {(each.kind, each.scope) for each in passes(killed, reason=Reason.UNCLEAN_STOP)}
    assert kinds == {(PassKind.QUICK, PassScope.NODE), (PassKind.FULL, PassScope.SAMPLE)}
    assert killed.findings(0, 10) == []
    killed.close()


async def test_a_paused_sweep_goes_on_by_itself_when_the_time_is_over(
    volume: Volume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume) as sweeper:
        sweeper.pause(1.5)
        status = await sweeper.status()
        assert status.paused
        assert status.paused_until is not None
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
        assert not (await sweeper.status()).paused


async def test_a_pass_that_gives_way_goes_on_where_it_stopped(
    volume: Volume, wait_until: WaitUntil
) -> None:
    """A slow pass over everything, a package asked for in the middle of it."""
    slow = replace(QUIET, read_bytes_per_second_max=60_000)
    async with sweeping(volume, slow) as sweeper:

        async def has_begun() -> bool:
            return (await sweeper.status()).checked_objects > 3

        await wait_until(has_begun, within_s=60)
        sweeper.start_now(PassOrder(scope=PassScope.PACKAGE, subject="lantai:b/9"))
        await wait_until(lambda: passes(volume, scope=PassScope.PACKAGE), within_s=60)
        assert passes(volume, scope=PassScope.CLASS) == []
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
    whole = passes(volume, scope=PassScope.CLASS)[0]
    assert whole.checked_objects == 19


async def test_a_long_pass_gives_way_to_quick_ones_that_fall_due_and_ends_all_the_same(
    volume: Volume, wait_until: WaitUntil
) -> None:
    """Nobody orders anything: quick looks come round every few seconds of a pass that takes ten."""
    settings = SweepSettings(quick_period_hours=3 / 3600, read_bytes_per_second_max=25_000)
    async with sweeping(volume, settings):
        await wait_until(lambda: passes(volume, kind=PassKind.QUICK), within_s=30)
        (whole,) = [each for each in volume.current_passes() if each.scope is PassScope.CLASS]
        assert whole.finished_at is None, "it gave way in the middle"
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
    assert passes(volume, scope=PassScope.CLASS)[0].checked_objects == 20


async def test_a_clock_set_back_by_a_year_makes_nothing_look_checked(
    volume: Volume, wait_until: WaitUntil
) -> None:
    """1. A pass half done by a clock that is a year ahead. 2. The right time: the pass ends, and
    no object is said to have been checked after now."""

    slow = replace(QUIET, read_bytes_per_second_max=60_000)
    async with sweeping(volume, slow, now=a_year_ahead) as early:

        async def has_begun() -> bool:
            return (await early.status()).checked_objects > 3

        await wait_until(has_begun, within_s=60)
    async with sweeping(volume):
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
    now = rfc3339(datetime.now(UTC))
    assert all(each.checked_at <= now for each in volume.objects("", 100))
    assert passes(volume, scope=PassScope.CLASS)[0].checked_objects == 20
    record_fault("F44", observed="sweep: nothing looks checked that was not")


async def test_a_clock_set_back_in_a_second_pass_makes_it_skip_nothing(
    volume: Volume, wait_until: WaitUntil
) -> None:
    """1. A whole pass, and half of another one, by a clock a year ahead. 2. The right time: the
    other one reads all that it had not read, though all of it was checked in the future."""

    async with sweeping(volume, now=a_year_ahead):
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
    slow = replace(QUIET, read_bytes_per_second_max=60_000)
    async with sweeping(volume, slow, now=a_year_ahead) as early:
        early.start_now(PassOrder())

        async def is_half_through() -> bool:
            status = await early.status()
            return status.scope == PassScope.NODE and status.checked_objects >= 4

        await wait_until(is_half_through, within_s=60)
    (begun,) = [
        each
        for each in volume.current_passes()
        if each.scope is PassScope.NODE and each.finished_at is None
    ]
    read_before = volume.sweep_progress(begun.number).done.objects
    assert 0 < read_before < 20
    async with sweeping(volume):
        await wait_until(lambda: passes(volume, scope=PassScope.NODE), within_s=60)
    whole = passes(volume, scope=PassScope.NODE)[0]
    assert (whole.number, whole.checked_objects) == (begun.number, 20)
    assert all(each.checked_at <= rfc3339(datetime.now(UTC)) for each in volume.objects("", 100))


async def test_a_clock_set_back_while_a_pass_runs_lets_it_end(
    volume: Volume, wait_until: WaitUntil
) -> None:
    ahead = timedelta(days=365)
    slow = replace(QUIET, read_bytes_per_second_max=60_000)
    async with sweeping(volume, slow, now=lambda: datetime.now(UTC) + ahead) as sweeper:

        async def has_begun() -> bool:
            return (await sweeper.status()).checked_objects > 3

        await wait_until(has_begun, within_s=60)
        ahead = timedelta(0)
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)
    now = rfc3339(datetime.now(UTC))
    assert passes(volume, scope=PassScope.CLASS)[0].started_at <= now
    assert all(each.checked_at <= now for each in volume.objects("", 100))
    record_fault("F44", observed="sweep: a pass goes on and ends")


async def test_a_pause_ends_although_the_clock_is_set_back(
    volume: Volume, wait_until: WaitUntil
) -> None:
    ahead = timedelta(days=365)
    async with sweeping(volume, now=lambda: datetime.now(UTC) + ahead) as sweeper:
        sweeper.pause(1)
        ahead = timedelta(0)
        await wait_until(lambda: passes(volume, scope=PassScope.CLASS), within_s=60)


async def test_what_another_pass_has_read_is_not_forecast_again(
    volume: Volume, wait_until: WaitUntil
) -> None:
    """A slow pass over a class gives way to its only source; then little of it is left."""
    slow = replace(QUIET, read_bytes_per_second_max=60_000)
    async with sweeping(volume, slow) as sweeper:
        sweeper.start_now(PassOrder(scope=PassScope.SOURCE, subject="b"))
        await wait_until(lambda: passes(volume, scope=PassScope.SOURCE), within_s=60)
        (unfinished,) = [each for each in volume.current_passes() if each.finished_at is None]
        done = volume.sweep_progress(unfinished.number).done
        left = (await sweeper.status()).forecasts[0].left_bytes
    held = sum(each.content_bytes for each in volume.objects("", 100))
    assert done.objects >= 10
    assert left <= held / 2
