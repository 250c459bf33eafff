"""A disk of its own as a file: a fresh ext4 or XFS in an image, mounted by a loop device.

The power is cut by copying the image while it is mounted and mounting the copy in its place: what
was not synced is not in it (knowledge M5). Needs root.
"""

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK_BYTES = 4096
_COPY_BYTES = 1024 * 1024
# Nothing is written back by time alone, so only what was synced survives.
# Where, and what is there.
Blocks = list[tuple[int, bytes]]
_JBD2_MAGIC, _JBD2_COMMIT = 0xC03B3998, 2
_OPTIONS = {"ext4": "commit=300", "xfs": "nouuid"}


class DiskUnusable(Exception):
    """The file system in an image cannot be mounted any more."""


@dataclass
class LoopDisk:
    """One image, mounted at one place for as long as it is in use."""

    image: Path
    kind: str
    target: Path
    number: int = field(default=0)

    @classmethod
    def make(cls, image: Path, kind: str, target: Path, size_mib: int = 512) -> "LoopDisk":
        """A fresh file system, mounted."""
        with image.open("wb") as stream:
            stream.truncate(size_mib * 1024 * 1024)
        subprocess.run([f"mkfs.{kind}", "-q", str(image)], check=True, capture_output=True)
        target.mkdir(parents=True, exist_ok=True)
        disk = cls(image, kind, target)
        disk.mount()
        return disk

    def mount(self) -> None:
        """Raises DiskUnusable."""
        options = f"loop,{_OPTIONS[self.kind]}"
        command = ["mount", "-t", self.kind, "-o", options, str(self.image), str(self.target)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise DiskUnusable(done.stderr)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.target)], check=False, capture_output=True)

    def taken(self) -> Path:
        """A copy of the image as it is at this moment."""
        self.number += 1
        copy = self.image.with_name(f"{self.image.name.partition('.')[0]}.{self.number}")
        copy_sparse(self.image, copy)
        return copy

    def come_back(self, image: Path) -> None:
        """Whoever used the disk is gone: `image` takes its place. Raises DiskUnusable."""
        self.unmount()
        self.image.unlink()
        self.image = image
        self.mount()

    def sync(self) -> None:
        """Have all that was written reach the image, as the kernel does by and by."""
        subprocess.run(["sync", "--file-system", str(self.target)], check=True)

    def remove(self) -> None:
        self.unmount()
        self.image.unlink(missing_ok=True)


def copy_sparse(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)


def tear(before: Path, after: Path, kind: str, chance: random.Random) -> None:
    """Give `before` some of the blocks that `after` has otherwise, by chance.

    So the disk had begun to write back, in an order of its own, when its power went. An order of
    its own ends at a flush: what a file system writes only after one is there only with all that
    came before it. A disk that ignores flushes is burn-in's affair.
    """
    changed = list(_changed(before, after))
    stages = _stages_of_ext4(changed, after) if kind == "ext4" else _stages_of_xfs(changed, after)
    last = chance.randrange(len(stages))
    written = [each for stage in stages[:last] for each in stage]
    written += [each for each in stages[last] if chance.random() < 0.5]
    with before.open("r+b") as old:
        for offset, block in written:
            os.pwrite(old.fileno(), block, offset)


def _stages_of_ext4(changed: Blocks, image: Path) -> list[Blocks]:
    """Content and the journal's blocks; where the journal begins; its commit blocks; what they
    committed, in its place.

    fs/jbd2: the journal's first block says where it begins, and a commit block has a header of its
    own.
    """
    said = subprocess.run(
        ["debugfs", "-R", "blocks <8>", str(image)], check=True, capture_output=True, text=True
    )
    journal = [int(number) * BLOCK_BYTES for number in said.stdout.split()]
    places, first = frozenset(journal), journal[0]
    committed = {block for offset, block in changed if offset in places}
    stages: list[Blocks] = [[], [], [], []]
    for offset, block in changed:
        if offset in places:
            is_commit = struct.unpack(">II", block[:8]) == (_JBD2_MAGIC, _JBD2_COMMIT)
            stages[1 if offset == first else 2 * is_commit].append((offset, block))
        else:
            stages[3 if block in committed or offset == 0 else 0].append((offset, block))
    return stages


def _stages_of_xfs(changed: Blocks, image: Path) -> list[Blocks]:
    """Content; then the log, whose records are checked when it is replayed (`struct xfs_dsb`)."""
    with image.open("rb") as stream:
        superblock = stream.read(128)
    block_bytes, group_blocks, log_blocks = (_at(">I", superblock, at) for at in (4, 84, 96))
    start, group_bits = _at(">Q", superblock, 48), superblock[124]
    group, within = start >> group_bits, start & ((1 << group_bits) - 1)
    first = (group * group_blocks + within) * block_bytes
    log = range(first, first + log_blocks * block_bytes)
    return [
        [each for each in changed if each[0] not in log],
        [each for each in changed if each[0] in log],
    ]


def _at(form: str, raw: bytes, offset: int) -> int:
    (value,) = struct.unpack_from(form, raw, offset)
    return int(value)


def _changed(before: Path, after: Path) -> Iterator[tuple[int, bytes]]:
    with before.open("rb") as old, after.open("rb") as new:
        size, offset = after.stat().st_size, 0
        while offset < size:
            was, now = (os.pread(each.fileno(), _COPY_BYTES, offset) for each in (old, new))
            if was != now:
                for at in range(0, len(now), BLOCK_BYTES):
                    if was[at : at + BLOCK_BYTES] != now[at : at + BLOCK_BYTES]:
                        yield offset + at, now[at : at + BLOCK_BYTES]
            offset += _COPY_BYTES


def unmount_below(folder: Path) -> None:
    """What a process that was killed has left mounted there; the innermost first."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for target in reversed([each for each in mounted if Path(each).is_relative_to(folder)]):
        subprocess.run(["umount", "--lazy", target], check=False, capture_output=True)


def remove_all(disks: list[LoopDisk], folder: Path) -> None:
    """Unmount, innermost first, and remove what lies in `folder`."""
    for disk in reversed(disks):
        disk.remove()
    shutil.rmtree(folder, ignore_errors=True)
