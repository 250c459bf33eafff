"""Ground to measure on: fresh ext4 file systems in loop devices, one for each disk of a site.

knowledge/performance.md, "Traps": a used root file system slows down over a run, and may have no
journal. The loop devices bypass the cache of what they lie on, so a cold read reaches the disk.
Without root plain folders take their place, and the report says so.
"""

import os
import shutil
import subprocess
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

_UNMOUNT_S = 30.0


class Ground(AbstractContextManager["Ground"]):
    """A folder on a file system of its own, where more can be mounted; all gone at the end."""

    def __init__(self, base: Path, disk_bytes: int) -> None:
        self.folder = base / "ground"
        self._images = base / "images"
        self._disk_bytes = disk_bytes
        self._disks = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for folder in (self._images, self.folder):
            folder.mkdir(parents=True)
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.mount(self.folder)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def mount(self, folder: Path) -> Path:
        """Put another fresh disk at `folder`, which is made if need be; return `folder`."""
        folder.mkdir(exist_ok=True)
        if not is_real():
            return folder
        self._disks += 1
        image = self._images / f"{self._disks}.img"
        with image.open("wb") as stream:
            stream.truncate(self._disk_bytes)
        # Everything laid out now, so that no kernel thread does it during the measurement.
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazy, str(image))
        device = _run("losetup", "--direct-io=on", "-f", "--show", str(image)).strip()
        self._stack.callback(_run, "losetup", "-d", device)
        _run("mount", "-o", "noatime", device, str(folder))
        self._stack.callback(_unmount, folder)
        (folder / "lost+found").rmdir()
        return folder


def is_real() -> bool:
    """Whether this process can have file systems of its own."""
    return os.geteuid() == 0 and shutil.which("losetup") is not None


def describe() -> str:
    """What the figures were measured on."""
    if is_real():
        return "fresh ext4 images, one loop device (direct I/O) for the intake and for each copy"
    return "plain folders on one file system (no root: no images); ratios are less certain"


def _unmount(folder: Path) -> None:
    """Once nobody uses it: the last workers of a stopped appliance are still going."""
    deadline = time.monotonic() + _UNMOUNT_S
    while subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{folder} is still in use: see `fuser -vm {folder}`")
        time.sleep(0.1)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
