"""Serving the view: with which options it is mounted, and whether it can be mounted at all.

fusermount3(1), fuse(4). In the demo, libfuse mounts through fusermount3; in production the
descriptor comes mounted from starter.py. Answers no request of the kernel itself: filesystem.py.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monitoring.log import get_log
from storage.view.filesystem import ReadOnlyTree, Session, serve
from storage.view.holdings import Holdings
from storage.view.mountpoint import MOUNT_SOURCE, MountRefused, clear_mountpoint
from storage.view.reader import Reader
from storage.view.walk import Walker

log = get_log(__name__)

_DEVICE = Path("/dev/fuse")


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """`mountpoint` is an absolute path to an empty folder.

    `device_descriptor` is a /dev/fuse that starter.py has mounted there, or None to mount through
    fusermount3. `allow_other` (which starter.py always gives) lets other users read: for root, or
    with `user_allow_other` in /etc/fuse.conf.
    """

    mountpoint: Path
    allow_other: bool = False
    device_descriptor: int | None = None


def can_mount() -> str | None:
    """Why this process cannot mount a FUSE file system, or None if it should be able to."""
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        # fusermount3 opens it with the rights of whoever calls it.
        return f"{_DEVICE} may not be opened by this user: udev's rules usually give it mode 0666"
    except OSError as error:
        return f"{_DEVICE} cannot be opened ({error.strerror}): is the module fuse loaded?"
    if os.geteuid() == 0:
        return None
    if shutil.which("fusermount3") is None:
        return "fusermount3 is missing: install the package fuse3"
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        return "fusermount3 cannot work under NoNewPrivileges: start as root, or without that"
    return None


async def serve_view(
    holdings: Holdings,
    reader: Reader,
    settings: ViewSettings,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Mount the view, call `ready`, and serve it until `stop` is set or somebody unmounts it.

    Leaves nothing mounted, except with a `device_descriptor`: then whoever mounted unmounts. Needs
    a process of its own, which must not read its own mount. Raises MountRefused before it mounts.
    """
    session = _prepare(settings)
    tree = ReadOnlyTree(Walker(holdings, reader), started_ns=time.time_ns())
    log.info("view.mount.started", mountpoint=str(settings.mountpoint))
    try:
        await serve(tree, session, stop, ready)
    except RuntimeError as error:
        raise MountRefused(
            f"libfuse cannot mount on {settings.mountpoint} ({error}); standard error says why"
        ) from error
    log.info("view.mount.ended", mountpoint=str(settings.mountpoint))


def _prepare(settings: ViewSettings) -> Session:
    options = {f"fsname={MOUNT_SOURCE}", f"subtype={MOUNT_SOURCE}"}
    if settings.device_descriptor is not None:
        target = f"/dev/fd/{settings.device_descriptor}"
        return Session(target, frozenset(options), unmount=False)
    reason = can_mount()
    if reason is not None:
        raise MountRefused(f"the view cannot be mounted: {reason}")
    clear_mountpoint(settings.mountpoint)
    options |= {"ro", "nosuid", "nodev", "noexec", "default_permissions"}
    if settings.allow_other:
        options.add("allow_other")
    # fusermount3 then waits beside us, and unmounts if we are killed.
    if shutil.which("fusermount3") is not None:
        options.add("auto_unmount")
    return Session(str(settings.mountpoint), frozenset(options), unmount=True)
