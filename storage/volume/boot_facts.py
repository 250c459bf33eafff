"""What a node runs on: kernel, disk, software. When one has changed, stored bytes are looked at.

sysfs of Linux (Documentation/ABI). What cannot be read is empty and never counts as a change.
Reads only; what a change leads to is storage/sweep/plan.py's affair.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monitoring.metrics import product_version
from storage.sweep.model import Reason

_SYSFS_BLOCK = Path("/sys/dev/block")
# Where kinds of disks say who they are: device mapper, RAID, NVMe and SCSI, virtio, loop.
_IDENTITIES = (
    "dm/uuid",
    "md/uuid",
    "wwid",
    "device/wwid",
    "device/serial",
    "serial",
    "loop/backing_file",
)


@dataclass(frozen=True, slots=True)
class BootFacts:
    """Empty where unknown."""

    kernel: str
    device: str
    software: str


@dataclass(frozen=True, slots=True)
class LastOpening:
    """How the volume was opened last, and whether it was closed since."""

    closed: bool
    facts: BootFacts


def present_facts(root: Path) -> BootFacts:
    """Of this machine and the disk that `root` lies on."""
    return BootFacts(os.uname().release, _device_identity(root.stat().st_dev), product_version())


def changes_since(last: LastOpening | None, present: BootFacts) -> list[Reason]:
    """What gives reason to look at stored bytes; nothing at the first opening."""
    if last is None:
        return []
    pairs = (
        (Reason.DEVICE_CHANGED, last.facts.device, present.device),
        (Reason.KERNEL_CHANGED, last.facts.kernel, present.kernel),
        (Reason.SOFTWARE_CHANGED, last.facts.software, present.software),
    )
    changed = [reason for reason, before, now in pairs if before and now and before != now]
    return changed if last.closed else [Reason.UNCLEAN_STOP, *changed]


def _device_identity(device: int) -> str:
    folder = _SYSFS_BLOCK / f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        folder = folder.resolve(strict=True)
        if (folder / "partition").exists():
            folder = folder.parent
    for name in _IDENTITIES:
        with suppress(OSError):
            if identity := (folder / name).read_text(errors="replace").strip():
                return f"{name}: {identity}"
    return ""
