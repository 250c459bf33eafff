"""Disks that lose writes, run full, are unmounted, or read from memory."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.durable import SyncDescriptor
from storage.model import SignedAnswer, VerifyMode
from storage.signing import SigningKey
from storage.volume.incoming import Incoming
from storage.volume.refusals import (
    DiskChanged,
    IdentityWrong,
    MediumUnproven,
    OperationClosed,
    VolumeFull,
    VolumeReadOnly,
    VolumeRefusal,
    WriteLost,
)
from storage.volume.volume import Volume
from tests.fault_page import record_fault
from tests.volume_packages import again, make_package, names, new_volume, send, settings_for, store

pytestmark = pytest.mark.needs_root

MEBIBYTE = 1024 * 1024
LoopFilesystem = Callable[..., Path]


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_lost_write_is_never_acknowledged_and_ends_all_writing(losing_disk: Path) -> None:
    """1. A small package is kept. 2. A large one is written, and the medium loses it.

    3. Its commit is refused, another operation that was open is condemned, nothing new begins,
    nothing of it is visible, and the small one is still read.
    """
    key = SigningKey.generate()
    volume = new_volume(losing_disk, key, allow_unproven=False)
    kept = make_package({"received/small": b"small"}, "lantai:s/kept")
    answer = await store(volume, kept)
    bystander = volume.begin(make_package(object_id="lantai:s/bystander").order)
    assert isinstance(bystander, Incoming)
    large = make_package({"received/large": os.urandom(150 * MEBIBYTE)}, "lantai:s/large")
    with pytest.raises(VolumeRefusal) as caught:
        await store(volume, large)
    assert isinstance(caught.value, WriteLost)
    assert volume.state().state == "read-only"
    with pytest.raises(VolumeRefusal):
        bystander.write(0, b"x")
    with pytest.raises(VolumeReadOnly):
        volume.begin(again(large, op_id="ab" * 16).order)
    assert volume.stat("lantai:s/large") is None
    assert not (volume.root / volume.object_folder("lantai:s/large")).exists()
    assert volume.begin(kept.order) == answer
    assert volume.read("lantai:s/kept", "v1/content/received/small", 0, 9) == b"small"
    volume.close()
    record_fault(
        "F10", observed="asked once; that package and all open ones refused; the node only reads"
    )


async def test_a_full_disk_is_refused_politely_and_the_next_package_is_kept(
    loop_filesystem: LoopFilesystem,
) -> None:
    disk = loop_filesystem("ext4", size_mib=64)
    volume = new_volume(disk, allow_unproven=False)
    with pytest.raises(VolumeFull, match="reserve"):
        volume.begin(replace(make_package().order, content_bytes=100 * MEBIBYTE))
    package = make_package({"received/large": os.urandom(20 * MEBIBYTE)})
    incoming = volume.begin(package.order)
    assert isinstance(incoming, Incoming)
    fill(disk / "somebody-else")
    with pytest.raises(VolumeFull):
        incoming.write(0, package.stream)
    assert volume.state().state == "ready"
    assert names(volume.settings.staging) == []
    (disk / "somebody-else").unlink()
    assert isinstance(await store(volume, package), SignedAnswer)
    volume.close()
    record_fault(
        "F13",
        observed="refused before any data; a package cut off is gone, and kept once there is room",
    )


def fill(path: Path) -> None:
    """Take all the space that is left."""
    state = os.statvfs(path.parent)
    with path.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, state.f_bavail * state.f_frsize * 98 // 100)


@pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
def test_a_file_system_in_memory_is_refused_unless_allowed(tmp_path: Path, kind: str) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    mount("-t", "tmpfs", "-o", "size=99m", "tmpfs", str(memory))
    disk = memory / "disk"
    if kind == "overlay":
        layers = {name: memory / name for name in ("lowerdir", "upperdir", "workdir")}
        for folder in (*layers.values(), disk):
            folder.mkdir()
        options = ",".join(f"{name}={folder}" for name, folder in layers.items())
        mount("-t", "overlay", "-o", options, "none", str(disk))
    key = SigningKey.generate()
    try:
        with pytest.raises(MediumUnproven):
            new_volume(disk, key, allow_unproven=False)
        volume = Volume.open(settings_for(disk, allow_unproven=True), key)
        assert volume.verify_mode is VerifyMode.UNPROVEN
        volume.close()
    finally:
        if kind == "overlay":
            unmount(disk)
        unmount(memory)


async def test_an_unmounted_disk_is_refused_and_nothing_is_written_below_it(
    loop_filesystem: LoopFilesystem,
) -> None:
    disk = loop_filesystem("ext4", size_mib=64)
    key = SigningKey.generate()
    volume = new_volume(disk, key, allow_unproven=False)
    sealed = send(volume, make_package(object_id="lantai:s/sealed"))
    unmount(disk)
    with pytest.raises(DiskChanged):
        volume.begin(make_package().order)
    with pytest.raises(VolumeRefusal):
        await volume.commit(sealed)
    assert names(disk) == []
    volume.close()
    with pytest.raises(IdentityWrong):
        Volume.open(settings_for(disk), key)
    assert names(disk) == []
    record_fault(
        "F16",
        observed="refused; what was sealed is refused, too",
        figure="0 bytes below the mount point",
    )


async def test_another_disk_in_its_place_is_refused(loop_filesystem: LoopFilesystem) -> None:
    disk, other = loop_filesystem("ext4", size_mib=64), loop_filesystem("ext4", size_mib=64)
    volume = new_volume(disk, allow_unproven=False)
    new_volume(other, allow_unproven=False).close()
    mount("--bind", str(other), str(disk))
    try:
        with pytest.raises(DiskChanged):
            volume.begin(make_package().order)
    finally:
        unmount(disk)
    assert isinstance(await store(volume, make_package()), SignedAnswer)
    volume.close()
    record_fault("F17", observed="refused while it is there; goes on when the right one is back")


async def test_a_clean_self_test_opens_a_condemned_volume_again(
    loop_filesystem: LoopFilesystem,
) -> None:
    """1. A sealed package is condemned with the volume. 2. A clean self-test opens the volume.

    3. The package is sent again and kept.
    """
    volume = new_volume(loop_filesystem("ext4", size_mib=64), allow_unproven=False)
    package = make_package()
    sealed = send(volume, package)
    volume._condemn(WriteLost("as if the kernel had said so"))
    assert volume.state().state == "read-only"
    with pytest.raises(WriteLost):
        await volume.commit(sealed)
    volume.self_test()
    assert volume.state().state == "ready"
    assert isinstance(await store(volume, package), SignedAnswer)
    volume.close()


async def test_damage_on_the_medium_before_the_read_back_is_seen(
    loop_filesystem: LoopFilesystem, tmp_path: Path
) -> None:
    """The cache still holds the right bytes: only a read past it can tell (knowledge M3)."""
    disk = loop_filesystem("ext4", size_mib=64)
    volume = new_volume(disk, allow_unproven=False)
    marker = b"lantai-marker-" + os.urandom(16).hex().encode()
    package = make_package({"received/a": marker * 400})
    sealed = send(volume, package)
    with SyncDescriptor(disk) as sync:
        sync.ask()
    damage_image(tmp_path / "disk-0.img", marker)
    with pytest.raises(VolumeRefusal, match="is not what was written"):
        await volume.commit(sealed)
    assert volume.state().state == "read-only"
    assert volume.stat(package.order.object_id) is None
    with pytest.raises((OperationClosed, VolumeRefusal)):
        await volume.commit(sealed)
    volume.close()
    record_fault(
        "F11", observed="seen although the cache held the right bytes; refused; the node only reads"
    )


def damage_image(image: Path, marker: bytes) -> None:
    """Flip one bit of the marker in the image, past the mounted file system's cache."""
    content = image.read_bytes()
    position = content.find(marker)
    assert position > 0
    with image.open("r+b") as stream:
        stream.seek(position)
        stream.write(bytes([content[position] ^ 1]))
        os.fsync(stream.fileno())
