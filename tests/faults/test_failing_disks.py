"""Disks that run full, out of names, read-only, or short under a volume: what it does then.

Fresh loop images of ext4 and XFS, because the machine's own file system may have no journal.
"""

import asyncio
import os
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from storage.model import SignedAnswer, VerifyMode
from storage.sweep.model import SweepCycle
from storage.sweep.plan import SweepSettings
from storage.sweep.sweeper import Sweeper
from storage.volume.events import Event
from storage.volume.journal import Journal
from storage.volume.refusals import (
    VolumeFull,
    VolumeReadOnly,
    VolumeRefusal,
)
from tests.conftest import WaitUntil
from tests.fault_page import record_fault
from tests.repair_world import repair_world
from tests.volume_packages import make_package, names, new_volume, send, store

pytestmark = pytest.mark.needs_root

MEBIBYTE = 1024 * 1024
AT = "2026-11-22T09:00:00.000000Z"
LoopFilesystem = Callable[..., Path]


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
async def test_a_disk_that_fills_up_in_the_middle_of_a_group_loses_nothing_and_goes_on_by_itself(
    loop_filesystem: LoopFilesystem, wait_until: WaitUntil, kind: str
) -> None:
    """1. A package is sealed; somebody else takes all the space. 2. Its commit is refused as full.

    3. So is a record of the sweep; reading goes on. 4. The space comes back: the volume tests
    itself, takes the package and the record, and needs nobody.
    """
    disk = loop_filesystem(kind, size_mib=400)
    volume = new_volume(disk, allow_unproven=False, journal_segment_bytes_max=4096)
    kept = make_package({"received/a": b"kept"}, "lantai:s/kept")
    answer = await store(volume, kept)
    fill_to_the_last_byte(disk / "somebody-else")
    refused = 0
    while volume.state().state == "ready":
        refused += 1
        assert refused < 200, "a full disk is written to for ever"
        try:
            volume.keep_sweep_cycle(SweepCycle(refused, AT, None))
        except VolumeFull:
            break
    assert volume.state().state == "read-only"
    assert "full" in volume.state().message
    volume.watch_disk()
    assert volume.state().state == "read-only", "it opened without room"
    with pytest.raises(VolumeRefusal):
        volume.begin(make_package(object_id="lantai:s/refused").order)
    assert volume.begin(kept.order) == answer
    assert volume.read("lantai:s/kept", "v1/content/received/a", 0, 9) == b"kept"
    (disk / "somebody-else").unlink()
    began_s = monotonic()

    def has_opened() -> bool:
        volume.watch_disk()
        return volume.state().state == "ready"

    await wait_until(has_opened, 30, "the room, which an XFS gives back by and by")
    assert isinstance(await store(volume, make_package()), SignedAnswer)
    assert names(volume.settings.staging) == []
    volume.rebuild_index()
    assert volume.state().objects == 2
    volume.close()
    record_fault(
        "F13",
        observed=f"{kind}: refused as full; reads went on; opened by itself once there was room",
        figure=f"{monotonic() - began_s:.1f} s after room",
    )


async def test_a_sweep_waits_while_a_disk_is_full_and_goes_on_when_there_is_room(
    loop_filesystem: LoopFilesystem, wait_until: WaitUntil
) -> None:
    disk = loop_filesystem("ext4", size_mib=100)
    volume = new_volume(disk, allow_unproven=False, journal_segment_bytes_max=4096)
    await store(volume, make_package())
    fill_to_the_last_byte(disk / "somebody-else")
    sweeper = Sweeper(volume, SweepSettings(workers=1), chance=0.5)
    for _ in range(20):
        sweeper.start_now()  # each is put on record
    stop = asyncio.Event()
    sweeping = asyncio.create_task(sweeper.run(stop))
    await wait_until(lambda: volume.state().state != "ready" or sweeping.done(), 60, "the refusal")
    assert not sweeping.done(), sweeping.exception()
    (disk / "somebody-else").unlink()
    volume.watch_disk()
    assert volume.state().state == "ready"
    sweeper.start_now()
    await wait_until(
        lambda: any(each.finished_at for each in volume.sweep_cycles(0, 100)) or sweeping.done(),
        60,
        "the end of a pass",
    )
    assert not sweeping.done(), sweeping.exception()
    stop.set()
    await sweeping
    volume.close()


def test_a_journal_believes_the_medium_and_not_what_memory_still_holds(
    loop_filesystem: LoopFilesystem, tmp_path: Path
) -> None:
    """As after an fsync that failed in an earlier process: whole in memory, and nowhere else."""
    disk = loop_filesystem("ext4", size_mib=64)
    folder, quarantine = disk / "journal", disk / "quarantine"
    folder.mkdir()
    quarantine.mkdir()
    marker = os.urandom(16).hex()
    journal = Journal(folder, quarantine, VerifyMode.EVICTED)
    for reason in ("first", marker):
        event = Event("read-only", {"reason": reason})
        journal.append(partial(_one, event))
    sequence = journal.sequence
    journal.close()
    os.sync()
    flip_a_bit(tmp_path / "disk-0.img", marker.encode())
    assert marker in (folder / "00000001.log").read_text(), "memory forgot it: this shows nothing"
    journal = Journal(folder, quarantine, VerifyMode.EVICTED)
    assert journal.sequence == sequence - 1
    assert journal.torn_bytes > 0
    journal.close()


def _one(event: Event, _sequence: int, _at: str) -> list[Event]:
    return [event]


def flip_a_bit(image: Path, marker: bytes) -> None:
    """Of the last place where `marker` lies on the medium, past the mounted file system."""
    position = image.read_bytes().rfind(marker)
    assert position > 0
    with image.open("r+b") as stream:
        stream.seek(position)
        stream.write(bytes([marker[0] ^ 1]))
        os.fsync(stream.fileno())


def fill_to_the_last_byte(path: Path) -> None:
    """Nothing is left, for nobody: large pieces first, then ever smaller ones."""
    with path.open("wb") as stream:
        end, piece = 0, 64 * MEBIBYTE
        while piece >= 512:
            try:
                os.posix_fallocate(stream.fileno(), end, piece)
                end += piece
            except OSError:
                piece //= 2


async def test_a_disk_without_names_is_refused_before_any_data_and_used_again_later(
    tmp_path: Path,
) -> None:
    disk = mounted(tmp_path, "mkfs.ext4", "-q", "-N", "512")
    try:
        volume = new_volume(disk, allow_unproven=False)
        others = disk / "others"
        others.mkdir()
        taken = 0
        while os.statvfs(disk).f_favail > 0:
            (others / str(taken)).touch()
            taken += 1
        package = make_package()
        with pytest.raises(VolumeFull, match="inodes"):
            volume.begin(package.order)
        assert volume.state().state == "ready"
        assert names(volume.settings.staging) == []
        subprocess.run(["rm", "-r", str(others)], check=True)
        assert isinstance(await store(volume, package), SignedAnswer)
        volume.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    record_fault("F14", observed="refused before any data; kept once there were names again")


async def test_a_file_system_that_stops_at_an_error_is_noticed_without_a_writer(
    tmp_path: Path,
) -> None:
    """ext4 with errors=remount-ro, as it does when its journal cannot be written."""
    disk = mounted(tmp_path, "mkfs.ext4", "-q", options="loop,errors=remount-ro")
    try:
        volume = new_volume(disk, allow_unproven=False)
        package = make_package({"received/a": b"kept"})
        answer = await store(volume, package)
        sealed = send(volume, make_package(object_id="lantai:s/sealed"))
        stop_at_an_error(disk)
        began_s = monotonic()
        volume.watch_disk()
        seconds = monotonic() - began_s
        assert volume.state().state == "read-only"
        assert "takes no writes" in volume.state().message
        with pytest.raises(VolumeRefusal):
            await volume.commit(sealed)
        with pytest.raises(VolumeReadOnly):
            volume.begin(make_package(object_id="lantai:s/later").order)
        assert volume.begin(package.order) == answer
        path = "v1/content/received/a"
        assert volume.read(package.order.object_id, path, 0, 9) == b"kept"
        with pytest.raises(VolumeRefusal):
            volume.self_test()
        assert volume.state().state == "read-only"
        volume.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    record_fault(
        "F15",
        observed="read-only at the next look, which a node has every 2 s; reads went on",
        figure=f"{seconds:.3f} s for the look",
    )


def stop_at_an_error(disk: Path) -> None:
    """Have the kernel act as if it had met one."""
    found = subprocess.run(
        ["findmnt", "-no", "SOURCE", str(disk)], check=True, capture_output=True, text=True
    )
    name = Path(found.stdout.strip()).name
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")


def mounted(tmp_path: Path, *make: str, options: str = "loop") -> Path:
    """A file system of 64 MiB, made and mounted so."""
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as stream:
        stream.truncate(64 * MEBIBYTE)
    subprocess.run([*make, str(image)], check=True, capture_output=True)
    subprocess.run(["mount", "-o", options, str(image), str(disk)], check=True)
    return disk


async def test_an_unreadable_range_is_found_and_mended_from_another_copy(tmp_path: Path) -> None:
    """1. Three nodes keep a package; one of them lies on a disk of its own.

    2. That disk's image is cut short under it: reads of what lay there fail with EIO. 3. The sweep
    finds it and says where. 4. The disk takes other sectors for the bad ones, which hold zeros
    now, as disks do; the copy is mended, the bad one is in quarantine.
    """
    place = tmp_path / "node-2"
    place.mkdir()
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(200 * MEBIBYTE)
    # What describes the files lies before all of them.
    make = ["mkfs.ext4", "-q", "-E", "packed_meta_blocks=1", str(image)]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        async with repair_world(tmp_path) as world:
            package = make_package({"received/large": os.urandom(24 * MEBIBYTE)}, "lantai:gov/a")
            await world.store([package])
            began_s = monotonic()
            file = world.nodes["node-2"].folder("lantai:gov/a") / "v1/content/received/large"
            cut_short(image, file)
            await world.nodes["node-2"].sweep()
            await world.learn()
            assert await world.found() == {("node-2", "lantai:gov/a")}
            (finding,) = world.nodes["node-2"].volume.open_findings("lantai:gov/a")
            assert finding.kind == "unreadable", finding
            os.truncate(image, 200 * MEBIBYTE)
            await world.mend()
            assert all(world.holds_good(node, "lantai:gov/a") for node in world.nodes)
            seconds = monotonic() - began_s
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    record_fault(
        "F18",
        observed="found in one sweep, named, mended",
        figure=f"whole again in {seconds:.0f} s",
    )


def cut_short(image: Path, file: Path) -> None:
    """Take the last MiB of `file` away from the medium, and whatever lies behind it."""
    os.sync()
    told = subprocess.run(
        ["filefrag", "-v", "-b4096", str(file)], check=True, capture_output=True, text=True
    )
    extents = re.findall(r"^ *\d+: +\d+\.\. +\d+: +\d+\.\. +(\d+):", told.stdout, re.MULTILINE)
    os.truncate(image, (int(extents[-1]) + 1) * 4096 - MEBIBYTE)
