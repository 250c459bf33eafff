"""Strays are put away, unless there are so many that the index is more likely what is wrong."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from storage.ocfl.layout import object_folder
from storage.sweep.model import ObjectToCheck
from storage.sweep.plan import SweepSettings, strays_allowed
from tests.swept_volume import MemoryVolume, has_finished, sweeping

WaitUntil = Callable[..., "asyncio.Future[None]"]


class Root(Protocol):
    """What conftest.py builds."""

    root: Path

    def add(self, object_id: str, received: dict[str, bytes] = ...) -> ObjectToCheck: ...


def test_ten_strays_or_one_in_a_hundred_objects_are_the_limit() -> None:
    settings = SweepSettings()
    assert [strays_allowed(settings, objects) for objects in (0, 500, 10**8)] == [3, 5, 10]


def plant(root: Path, count: int) -> list[str]:
    """Folders in the places of objects that no index knows."""
    planted = []
    for number in range(count):
        folder = root / object_folder(f"lantai:s/stray-{number}")
        folder.mkdir(parents=True)
        (folder / "inventory.json").write_text("{}")
        planted.append(str(folder.relative_to(root)))
    return planted


async def test_more_strays_than_may_be_are_left_where_they_are(
    built_root: Root, wait_until: WaitUntil
) -> None:
    """So many strays mean that the index is wrong, not the disk. A person decides."""
    volume = MemoryVolume(built_root.root)
    volume.keep(built_root.add("lantai:s/known"))
    planted = plant(built_root.root, 11)
    async with sweeping(volume):
        await wait_until(has_finished(volume, 1), within_s=60)
    assert volume.quarantined == []
    assert all((built_root.root / path).is_dir() for path in planted)
    assert ("", "stray-storm", "") in volume.findings


async def test_a_few_strays_are_put_away_in_however_small_a_volume(
    built_root: Root, wait_until: WaitUntil
) -> None:
    volume = MemoryVolume(built_root.root)
    planted = plant(built_root.root, 3)
    async with sweeping(volume):
        await wait_until(has_finished(volume, 1), within_s=60)
    assert sorted(volume.quarantined) == sorted(planted)
