"""The sweep over a real volume: damage is recorded, strays are moved, mending clears the record."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from storage.ocfl.layout import object_folder
from storage.sweep.plan import SweepSettings
from storage.sweep.sweeper import Sweeper
from storage.volume.volume import Volume
from tests.volume_packages import MadePackage, again, make_package, names, new_volume, store

WaitUntil = Callable[..., Awaitable[None]]
CONTENT = "v1/content/received/"


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    """On the disk of the machine, not in its memory."""
    volume = new_volume(tmp_path)
    yield volume
    volume.close()


@asynccontextmanager
async def sweeping(volume: Volume) -> AsyncIterator[Sweeper]:
    stop = asyncio.Event()
    sweeper = Sweeper(volume, SweepSettings(), chance=0.5)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sweeper.run(stop))
        yield sweeper
        stop.set()


async def store_packages(volume: Volume, count: int) -> list[MadePackage]:
    packages = [make_package(object_id=f"lantai:s/{number}") for number in range(count)]
    for package in packages:
        await store(volume, package)
    return packages


def folder_of(volume: Volume, package: MadePackage) -> Path:
    return volume.root / object_folder(package.order.object_id)


def open_findings(volume: Volume) -> set[tuple[str, str, str]]:
    found = volume.findings(0, 1000)
    return {(each.object_id, each.kind, each.path) for each in found if each.mended_at is None}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def cycle_finished(volume: Volume, number: int) -> bool:
    cycle = volume.sweep_cycle()
    return cycle is not None and cycle.number >= number and cycle.finished_at is not None


async def test_damage_and_strays_are_found_once_moved_aside_and_cleared_by_mending(
    volume: Volume, wait_until: WaitUntil
) -> None:
    """1. Four objects. 2. One flipped byte, one deleted file, one planted file whose name is no
    UTF-8, three planted folders, one so named too. 3. Two cycles. 4. A new copy of the first.
    5. A third cycle."""
    packages = await store_packages(volume, 4)
    flip(folder_of(volume, packages[0]) / CONTENT / "data/申请表.pdf")
    (folder_of(volume, packages[1]) / CONTENT / "bagit.txt").unlink()
    (folder_of(volume, packages[2]) / CONTENT / os.fsdecode(b"\xc9\xea.pdf")).write_bytes(b"x")
    strays = ("abc/def/planted", "planted", os.fsdecode(b"\xc9\xea"))
    for planted in strays:
        (volume.root / planted).mkdir(parents=True)
        (volume.root / planted / "x").write_bytes(b"x")
    os.sync()
    damaged = {
        ("lantai:s/0", "altered", CONTENT + "data/申请表.pdf"),
        ("lantai:s/1", "missing", CONTENT + "bagit.txt"),
        ("lantai:s/2", "stray", CONTENT + r"\udcc9\udcea.pdf"),
    }
    async with sweeping(volume) as sweeper:
        await wait_until(lambda: cycle_finished(volume, 1), within_s=60)
        first = volume.findings(0, 1000)
        assert open_findings(volume) == damaged
        assert len(first) == 6
        assert not any((volume.root / planted).exists() for planted in ("abc", *strays))
        assert len(names(volume.root.parent / "quarantine")) == 3
        sweeper.start_now()
        await wait_until(lambda: cycle_finished(volume, 2), within_s=60)
        assert volume.findings(0, 1000) == first
        order = replace(packages[0].order, op_id="f" * 32, replaces_damaged=True)
        await store(volume, again(packages[0], op_id=order.op_id, replaces_damaged=True))
        assert {found[0] for found in open_findings(volume)} == {"lantai:s/1", "lantai:s/2"}
        sweeper.start_now()
        await wait_until(lambda: cycle_finished(volume, 3), within_s=60)
    assert {found[0] for found in open_findings(volume)} == {"lantai:s/1", "lantai:s/2"}


async def test_a_clean_volume_has_every_object_checked_anew(
    volume: Volume, wait_until: WaitUntil
) -> None:
    await store_packages(volume, 3)
    before = volume.oldest_checked_at()
    assert before is not None
    async with sweeping(volume) as sweeper:
        await wait_until(lambda: cycle_finished(volume, 1), within_s=60)
        status = await sweeper.status()
    after = volume.oldest_checked_at()
    assert after is not None
    assert after > before
    assert (status.checked_objects, status.damaged_objects) == (3, 0)
    assert volume.findings(0, 10) == []


async def test_a_package_stored_while_the_sweep_runs_is_never_taken_for_a_stray(
    volume: Volume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume) as sweeper:
        for number in range(12):
            sweeper.start_now()
            await store(volume, make_package({"received/a": b"a"}, f"lantai:s/{number}"))
        sweeper.start_now()
        stored = volume.sweep_cycle()
        assert stored is not None
        await wait_until(lambda: cycle_finished(volume, stored.number + 1), within_s=60)
    assert volume.findings(0, 10) == []
    assert volume.object_count() == 12
