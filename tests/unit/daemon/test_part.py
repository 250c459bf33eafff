"""A part's heartbeat, with a clock that the test turns."""

import asyncio

import pytest

from daemon.lifecycle import Part, PartEnded
from storage.catalogue.errors import CatalogueUnavailable


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_part_is_alive_until_it_has_been_silent_too_long() -> None:
    clock = Clock()
    inside, leave = asyncio.Event(), asyncio.Event()

    async def work(_part: Part) -> None:
        inside.set()
        await leave.wait()

    part = Part("sweep", work, silence_s_max=30, clock=clock)
    assert not part.health().alive
    task = asyncio.create_task(part.run())
    await inside.wait()
    clock.now += 30
    assert part.health().alive
    clock.now += 1
    assert not part.health().alive
    part.beat("reading node-1")
    assert part.health().alive
    assert part.health().status == "reading node-1"
    leave.set()
    with pytest.raises(PartEnded, match="sweep"):
        await task
    assert not part.health().alive


async def test_a_part_that_waits_for_a_slow_disk_is_not_silent() -> None:
    clock = Clock()
    seen: list[bool] = []

    async def work(part: Part) -> None:
        with part.patient("waiting for the disk"):
            clock.now += 3600
            seen.append(part.health().alive)
        clock.now += 31
        seen.append(part.health().alive)

    with pytest.raises(PartEnded):
        await Part("commit", work, silence_s_max=30, clock=clock).run()
    assert seen == [True, False]


async def test_a_pause_ends_early_when_woken_and_takes_the_wake_with_it() -> None:
    wake = asyncio.Event()
    part = Part("scan", lambda part: part.pause(60, wake), silence_s_max=30)
    wake.set()
    async with asyncio.timeout(5):
        with pytest.raises(PartEnded):
            await part.run()
    assert not wake.is_set()


async def test_a_part_begins_anew_when_the_catalogue_was_away_and_for_nothing_else() -> None:
    """Even out of a group of tasks; what else goes wrong ends it."""
    begun: list[str] = []

    async def work(part: Part) -> None:
        begun.append(part.status)
        if len(begun) == 1:
            async with asyncio.TaskGroup() as group:
                group.create_task(_refused())
        raise ValueError("a bug")

    part = Part("packages", work, away_s=0.01)
    with pytest.raises(ValueError, match="a bug"):
        await part.run()
    assert begun == ["starting", "Waiting for the catalogue 等待目录库"]


async def _refused() -> None:
    raise CatalogueUnavailable("the server is being restarted")
