"""What the kernel tells of the disk below a folder: who it is, how it is mounted, what it counts.

sysfs (Documentation/ABI, Documentation/block/stat), proc_pid_mountinfo(5), fstab(5). Reads only.
What cannot be read is empty or None; what follows from any of it is checks.py's affair.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECTOR_BYTES = 512

_SYSFS_BLOCK = Path("/sys/dev/block")
_SYSFS_EXT4 = Path("/sys/fs/ext4")
_MOUNTS = Path("/proc/self/mountinfo")
_FSTAB = Path("/etc/fstab")
_BY_UUID = Path("/dev/disk/by-uuid")
# Where kinds of disks say who they are: SCSI and ATA, NVMe, virtio, device mapper, RAID, loop.
_SERIALS = ("device/serial", "serial", "dm/uuid", "md/uuid", "loop/backing_file")
_WWIDS = ("wwid", "device/wwid", "dm/uuid", "md/uuid")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """Empty where unknown. What must be the same for as long as it is the same disk."""

    filesystem: str  # ext4, xfs, …
    filesystem_uuid: str
    device: str  # as the kernel names it: sda, nvme0n1, dm-3
    model: str
    serial: str
    wwid: str
    size_bytes: int

    @property
    def is_known(self) -> bool:
        """Whether another disk of the same kind would be told from this one."""
        return bool(self.serial or self.wwid)

    def is_same_disk(self, other: "DeviceFacts") -> bool:
        """Whether both are one disk; the kernel may give it another name at each start."""
        mine = (self.filesystem, self.filesystem_uuid, self.serial, self.wwid, self.size_bytes)
        theirs = (other.filesystem, other.filesystem_uuid, other.serial, other.wwid)
        return mine == (*theirs, other.size_bytes)


@dataclass(frozen=True, slots=True)
class MountFacts:
    """How it is mounted."""

    mount_point: str
    options: frozenset[str]  # of the mount and of the file system
    by_uuid: bool | None  # whether /etc/fstab names it by UUID or label; None if it does not


@dataclass(frozen=True, slots=True)
class Counters:
    """What has reached the device since the machine started; flushes are None before Linux 5.5."""

    read_bytes: int
    written_bytes: int
    flushes: int | None


class Device:
    """The block device below `folder`, or none, as on tmpfs and over a network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = folder.stat().st_dev
        self._node = _SYSFS_BLOCK / f"{os.major(self._number)}:{os.minor(self._number)}"
        with suppress(OSError):
            self._node = self._node.resolve(strict=True)
        self._disk = self._node.parent if (self._node / "partition").exists() else self._node

    def facts(self) -> DeviceFacts:
        """Who it is now; asked twice, the answers must agree."""
        sectors = self._number_in("size") or 0
        return DeviceFacts(
            self._mount_line()[0],
            self._uuid(),
            self._node.name if self._node.exists() else "",
            self._first("device/model", "dm/name"),
            self._first(*_SERIALS),
            self._first(*_WWIDS),
            sectors * SECTOR_BYTES,
        )

    def mount(self) -> MountFacts:
        """How it is mounted now."""
        _, point, options = self._mount_line()
        return MountFacts(point, options, _named_by_uuid(point))

    def counters(self) -> Counters | None:
        """None where the device counts nothing."""
        try:
            fields = [int(each) for each in (self._node / "stat").read_text().split()]
        except (OSError, ValueError):
            return None
        flushes = fields[15] if len(fields) > 15 else None
        return Counters(fields[2] * SECTOR_BYTES, fields[6] * SECTOR_BYTES, flushes)

    def write_cache(self) -> str:
        """`write back`, `write through`, or empty."""
        return self._first("queue/write_cache")

    def has_fua(self) -> bool | None:
        """Whether single writes can be forced to the medium."""
        said = self._first("queue/fua")
        return said == "1" if said else None

    def error_count(self) -> int | None:
        """Errors that the disk's driver or the file system has counted; None where none counts."""
        counts = [self._number_in("device/ioerr_cnt", 16), self._filesystem_errors()]
        told = [count for count in counts if count is not None]
        return sum(told) if told else None

    def has_journal(self) -> bool | None:
        """Whether the file system journals its metadata; None where nobody says so."""
        kind = self._mount_line()[0]
        if kind != "ext4":
            return True if kind == "xfs" else None
        try:
            task = (_SYSFS_EXT4 / self._node.name / "journal_task").read_text().strip()
        except OSError:
            return None  # a sandbox or a container hides it
        return task != "<none>"

    def sparse_image(self) -> Path | None:
        """The file behind a loop device, if it has less room than it promises."""
        image = Path(self._first("loop/backing_file"))
        with suppress(OSError):
            facts = image.stat()
            if image.is_file() and facts.st_blocks * SECTOR_BYTES < facts.st_size:
                return image
        return None

    def _filesystem_errors(self) -> int | None:
        with suppress(OSError, ValueError):
            return int((_SYSFS_EXT4 / self._node.name / "errors_count").read_text())
        return None

    def _uuid(self) -> str:
        with suppress(OSError):
            for link in _BY_UUID.iterdir():
                if link.stat().st_rdev == self._number:
                    return link.name
        return ""

    def _first(self, *names: str) -> str:
        for name in names:
            for place in (self._node, self._disk):
                with suppress(OSError):
                    if said := (place / name).read_text(errors="replace").strip():
                        return said
        return ""

    def _number_in(self, name: str, radix: int = 10) -> int | None:
        try:
            return int(self._first(name), radix)
        except ValueError:
            return None

    def _mount_line(self) -> tuple[str, str, frozenset[str]]:
        """Kind, mount point and options, of the mount that is over `folder`."""
        found = "", "", frozenset[str]()
        wanted = f"{os.major(self._number)}:{os.minor(self._number)}"
        for line in _MOUNTS.read_text().splitlines():
            before, _, after = line.partition(" - ")
            fields, kind = before.split(), after.split()
            point = _unescaped(fields[4])
            if fields[2] == wanted and self._folder.resolve().is_relative_to(point):
                options = {*fields[5].split(","), *kind[2].split(",")}
                found = kind[0], point, frozenset(options)
        return found


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def _named_by_uuid(mount_point: str) -> bool | None:
    with suppress(OSError):
        for line in _FSTAB.read_text(errors="replace").splitlines():
            fields = line.split()
            if len(fields) > 1 and fields[1] == mount_point and not line.startswith("#"):
                return fields[0].startswith(("UUID=", "PARTUUID=", "LABEL=", "/dev/disk/by-"))
    return None
