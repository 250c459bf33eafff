"""The sweep as it runs on a node: real processes over real files, a volume kept in memory."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from storage.canary.flock import SMALL
from storage.canary.planting import plant_canaries
from storage.model import StoredObject
from storage.ocfl.layout import object_folder
from storage.sweep.account import CheckedAges
from storage.sweep.model import (
    ObjectToCheck,
    PassOrder,
    PassScope,
    Reason,
    Selection,
    rfc3339,
)
from storage.sweep.pace import HoursOfDay
from storage.sweep.plan import SweepSettings
from storage.sweep.recording import VolumeVanished
from storage.sweep.sweeper import Sweeper
from tests.swept_volume import COMMITTED_AT, SETTINGS, MemoryVolume, has_finished, sweeping

CONTENT = "v1/content/received/"


class Root(Protocol):
    """What conftest.py builds."""

    root: Path

    def add(self, object_id: str, received: dict[str, bytes] = ...) -> ObjectToCheck: ...


WaitUntil = Callable[..., "asyncio.Future[None]"]


@pytest.fixture
def volume(built_root: Root) -> MemoryVolume:
    """Forty objects, all intact."""
    volume = MemoryVolume(built_root.root)
    for number in range(40):
        received = {"received/a": b"a" * 5000, "received/data/申请.pdf": bytes([number]) * 3000}
        volume.keep(built_root.add(f"lantai:s/{number}", received))
    return volume


async def test_one_cycle_finds_every_damage_and_every_stray(
    volume: MemoryVolume, wait_until: WaitUntil, flip_bit: Callable[[Path], None]
) -> None:
    def folder(number: int) -> Path:
        return volume.root / object_folder(f"lantai:s/{number}")

    flip_bit(folder(3) / CONTENT / "data/申请.pdf")
    os.truncate(folder(4) / CONTENT / "a", 100)
    (folder(5) / CONTENT / "a").unlink()
    (folder(6) / CONTENT / "planted").write_bytes(b"x")
    flip_bit(folder(7) / "inventory.json")
    (folder(8) / "v1/inventory.json.sha256").unlink()
    flip_bit(folder(9) / "0=ocfl_object_1.1")
    folder(10).rename(volume.root.parent / "lost")
    (volume.root / "abc/def/planted").mkdir(parents=True)
    (volume.root / "abc/def/planted/x").write_bytes(b"x")
    (volume.root / "planted.txt").write_bytes(b"x")
    async with sweeping(volume) as sweeper:
        await wait_until(has_finished(volume, 1), within_s=60)
        status = await sweeper.status()
    assert set(volume.findings) == {
        ("lantai:s/3", "altered", CONTENT + "data/申请.pdf"),
        ("lantai:s/4", "truncated", CONTENT + "a"),
        ("lantai:s/5", "missing", CONTENT + "a"),
        ("lantai:s/6", "stray", CONTENT + "planted"),
        ("lantai:s/7", "inventory-damaged", "inventory.json"),
        ("lantai:s/8", "sidecar-damaged", "v1/inventory.json.sha256"),
        ("lantai:s/9", "altered", "0=ocfl_object_1.1"),
        ("lantai:s/10", "object-missing", ""),
        ("", "stray-object", "abc/def/planted"),
        ("", "stray-object", "planted.txt"),
    }
    assert set(volume.quarantined) == {"abc/def/planted", "planted.txt"}
    assert sorted(volume.order) == sorted(volume.objects)
    checked = {name for name, stored in volume.objects.items() if stored.checked_at > COMMITTED_AT}
    assert len(checked) == 32
    assert (status.checked_objects, status.damaged_objects, status.total_objects) == (40, 8, 40)
    assert status.oldest_checked_at == COMMITTED_AT
    assert status.checked_bytes > 32 * 8000
    assert not status.running


async def test_the_known_bad_and_the_longest_unchecked_come_first(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    oldest = replace(volume.objects["lantai:s/30"], checked_at="2026-10-01T00:00:00.000000Z")
    volume.objects["lantai:s/30"] = oldest
    volume.findings.append(("lantai:s/20", "altered", "x"))
    async with sweeping(volume, SweepSettings(workers=1)):
        await wait_until(has_finished(volume, 1), within_s=60)
    assert volume.order[:2] == ["lantai:s/20", "lantai:s/30"]


async def test_what_is_damaged_after_a_sweep_is_found_when_one_is_asked_for(
    volume: MemoryVolume, wait_until: WaitUntil, flip_bit: Callable[[Path], None]
) -> None:
    async with sweeping(volume) as sweeper:
        await wait_until(has_finished(volume, 1), within_s=60)
        assert volume.findings == []
        flip_bit(volume.root / object_folder("lantai:s/3") / CONTENT / "a")
        sweeper.start_now()
        await wait_until(has_finished(volume, 2), within_s=60)
    assert volume.findings == [("lantai:s/3", "altered", CONTENT + "a")]


async def test_asking_while_a_sweep_runs_begins_a_new_one_over_everything(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    """The first is so slow that it would take minutes."""
    slow = SweepSettings(read_bytes_per_second_max=4000)
    async with sweeping(volume, slow) as sweeper:

        async def reads() -> bool:
            return (await sweeper.status()).checked_bytes > 0

        await wait_until(reads, within_s=60)
        sweeper.start_now()
        await wait_until(lambda: volume.cycles[-1].number == 2, within_s=60)
    assert {cycle.number for cycle in volume.cycles} == {1, 2}
    assert {cycle.finished_at for cycle in volume.cycles} == {None}


async def test_a_stopped_sweep_is_resumed_and_reads_nothing_twice(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    """1. A sweep is stopped in the middle. 2. Another process goes on with the same cycle."""
    async with sweeping(volume, SweepSettings(read_bytes_per_second_max=400_000)):
        await wait_until(lambda: volume.order, within_s=60)
    assert len(volume.order) < 40
    started_at = volume.cycles[-1].started_at
    async with sweeping(volume):
        await wait_until(has_finished(volume, 1), within_s=60)
    assert sorted(volume.order) == sorted(volume.objects)
    finished = volume.cycles[-1]
    assert finished.started_at == started_at
    assert finished.checked_objects == len(volume.objects)
    assert finished.read_bytes > 0


async def test_a_node_gives_account_of_what_it_has_swept_and_what_never(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume) as sweeper:
        await wait_until(has_finished(volume, 1), within_s=60)
        account = await sweeper.account(0, 10)
        later = await sweeper.account(1, 10)
    assert account.ages == CheckedAges(under_1_day=len(volume.objects))
    assert account.deadline_s == 90 * 86_400
    (cycle,) = account.cycles
    assert (cycle.checked_objects, cycle.damaged_objects) == (len(volume.objects), 0)
    assert cycle.read_bytes > 0
    assert later.cycles == ()


async def test_a_paused_sweep_reads_nothing_until_it_is_resumed(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume) as sweeper:
        sweeper.pause()
        await wait_until(lambda: sweeper.read_bytes() > 0, within_s=60)  # and that is held there
        assert (await sweeper.status()).paused_until
        assert volume.order == []
        sweeper.resume()
        await wait_until(has_finished(volume, 1), within_s=60)


async def test_an_object_exchanged_meanwhile_is_judged_by_its_new_digest_only(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    """A check that was made against an inventory that no longer counts leaves no finding."""
    stale = volume.objects["lantai:s/3"]
    answers = iter([replace(stale, inventory_sha256="0" * 64)])
    current = volume.objects_to_sweep

    def listing(selection: Selection, before: str, limit: int) -> list[StoredObject]:
        found = current(selection, before, limit)
        old = next(answers, stale) if stale in found else stale
        return [old if stored == stale else stored for stored in found]

    volume.objects_to_sweep = listing  # type: ignore[method-assign]  # the volume is the test's own
    async with sweeping(volume):
        await wait_until(has_finished(volume, 1), within_s=60)
    assert volume.findings == []
    assert volume.objects["lantai:s/3"].checked_at > COMMITTED_AT


async def test_when_the_disk_is_gone_nothing_is_concluded_from_it(
    volume: MemoryVolume,
) -> None:
    volume.root.rename(volume.root.with_name("unplugged"))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(60):
            await Sweeper(volume, SETTINGS, chance=0.5).run(asyncio.Event())
    assert caught.group_contains(VolumeVanished)
    assert volume.findings == []


async def test_a_process_that_is_killed_costs_nothing_but_time(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume, SweepSettings(read_bytes_per_second_max=300_000)):
        await wait_until(lambda: volume.order, within_s=60)
        for process in sweeping_processes(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        await wait_until(has_finished(volume, 1), within_s=60)
    assert sorted(volume.order) == sorted(volume.objects)
    assert volume.findings == []


NODE = """
import asyncio, pathlib, sys
sys.path[:0] = [{project!r}, {tests!r}]
from swept_volume import MemoryVolume
from storage.sweep.model import ObjectToCheck
from storage.sweep.pace import HoursOfDay
from storage.sweep.plan import SweepSettings
from storage.sweep.sweeper import Sweeper

async def main():
    volume = MemoryVolume(pathlib.Path({root!r}))
    volume.keep(ObjectToCheck("lantai:s/3", pathlib.Path({folder!r}), 1, "0" * 64))
    slow = SweepSettings(read_bytes_per_second_max=100)
    await Sweeper(volume, slow, chance=0.5).run(asyncio.Event())

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_when_the_node_is_killed_its_sweeping_processes_end_too(
    volume: MemoryVolume, wait_until: WaitUntil, tmp_path: Path
) -> None:
    script = tmp_path / "node.py"
    folder = str(volume.root / object_folder("lantai:s/3"))
    here = Path(__file__)
    script.write_text(
        NODE.format(
            project=str(here.parents[4]),
            tests=str(here.parents[3]),
            root=str(volume.root),
            folder=folder,
        )
    )
    node = await asyncio.create_subprocess_exec(sys.executable, str(script))
    await wait_until(lambda: sweeping_processes(node.pid), within_s=60)
    workers = sweeping_processes(node.pid)
    node.kill()
    await node.wait()
    await wait_until(
        lambda: not any(Path(f"/proc/{pid}/cwd").exists() for pid in workers), within_s=60
    )


def sweeping_processes(node: int) -> list[int]:
    """Processes of the fork server of `node`."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            parents[int(status.parent.name)] = int(fields[1])
    servers = {process for process, parent in parents.items() if parent == node}
    return [process for process, parent in parents.items() if parent in servers]


def test_times_are_written_so_that_their_texts_are_in_order() -> None:
    assert rfc3339(datetime(2026, 11, 22, 8, tzinfo=UTC)) == "2026-11-22T08:00:00.000000Z"


async def test_a_canary_that_is_not_as_planted_stops_the_sweep_until_it_is_again(
    built_root: Root, tmp_path: Path, flip_bit: Callable[[Path], None], wait_until: WaitUntil
) -> None:
    """1. A sound canary is damaged: the sweep says it is broken, and no object counts as checked.
    2. The canary is as planted again: an order to sweep is carried out."""
    canaries = tmp_path / "canaries"
    plant_canaries(canaries)
    spoilt = canaries / object_folder("lantai-canary:sound") / SMALL
    flip_bit(spoilt)
    volume = MemoryVolume(built_root.root)
    volume.keep(built_root.add("lantai:a/1"))
    async with sweeping(volume, canaries=canaries) as sweeper:

        async def is_broken() -> bool:
            return "lantai-canary:sound has nothing wrong" in (await sweeper.status()).broken

        await wait_until(is_broken, within_s=60)
        assert [each.finished_at for each in volume.current_passes()] == [None]
        assert volume.order == []
        flip_bit(spoilt)
        sweeper.start_now()
        await wait_until(has_finished(volume, 2), within_s=60)
        assert (await sweeper.status()).broken == ""
    assert volume.objects["lantai:a/1"].checked_at > COMMITTED_AT


async def test_an_io_error_that_a_reader_met_is_followed_by_a_sweep_of_everything(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    async with sweeping(volume, SweepSettings(quick_period_hours=0)) as sweeper:
        await wait_until(has_finished(volume, 1), within_s=60)
        volume.refused_reads = 3
        sweeper.resume()
        sweeper.start_now(PassOrder(scope=PassScope.PACKAGE, subject="lantai:s/1"))
        await wait_until(has_finished(volume, 3), within_s=60)
    whole = volume.current_passes()[2]
    assert (whole.scope, whole.reason) == (PassScope.NODE, Reason.IO_ERROR)
    assert whole.checked_objects == 39  # the package has just been looked at


async def test_what_changed_under_a_node_is_looked_at_when_it_starts(
    volume: MemoryVolume, wait_until: WaitUntil
) -> None:
    volume.changed = [Reason.DEVICE_CHANGED]
    async with sweeping(volume, SweepSettings(quick_period_hours=0)):
        await wait_until(has_finished(volume, 1), within_s=60)
    first = volume.current_passes()[0]
    assert (first.scope, first.reason) == (PassScope.NODE, Reason.DEVICE_CHANGED)


async def test_nothing_is_read_in_closed_hours(volume: MemoryVolume, wait_until: WaitUntil) -> None:
    """The window opens within an hour, by a clock that stands until it is set on."""
    ahead = timedelta()
    begun = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    local = begun.astimezone() + timedelta(hours=1)
    window = HoursOfDay.parse(f"{local:%H}:00-{(local + timedelta(hours=2)):%H}:00")
    settings = SweepSettings(windows=(window,), quick_period_hours=0)
    stop = asyncio.Event()
    sweeper = Sweeper(volume, settings, chance=0.5, now=lambda: begun + ahead)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sweeper.run(stop))
        await wait_until(lambda: sweeper.read_bytes() > 0, within_s=60)  # and that is held there
        assert volume.order == []
        ahead = timedelta(hours=1)
        await wait_until(has_finished(volume, 1), within_s=60)
        stop.set()
