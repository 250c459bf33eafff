"""The folder that the view is mounted on, and what an earlier view may have left there.

mount(8), proc_pid_mountinfo(5), umount(2). A left-over mount of ours is cleared away; a mount of
anybody else's, or of a view that lives, is never touched.
"""

import ctypes
import errno
import os
import queue
import re
import subprocess
import threading
from pathlib import Path

from monitoring.log import get_log
from storage.errors import Refusal

log = get_log(__name__)

# What `mount` and `df` show, and by which a left-over mount is known to be ours.
MOUNT_SOURCE = "lantai"
MOUNT_TYPE = "fuse.lantai"
# A live mount answers at once; a hung one must not hang the start as well.
_PROBE_S = 5.0
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
_OCTAL = re.compile(r"\\([0-7]{3})")


class MountRefused(Refusal):
    """The view cannot be mounted where it should be; the message says what to do."""

    code = "mount-refused"


def clear_mountpoint(mountpoint: Path) -> None:
    """Make sure that `mountpoint` can be mounted on: unmount what a killed view of ours left.

    Raises MountRefused if it is no empty folder, or if anything else is mounted there.
    """
    if not mountpoint.is_absolute():
        raise MountRefused(f"the mountpoint {mountpoint} must be an absolute path")
    while (mounted := mounted_type(mountpoint)) is not None:
        if mounted != MOUNT_TYPE:
            raise MountRefused(f"a file system ({mounted}) is mounted on {mountpoint} already")
        if _probe(mountpoint) != errno.ENOTCONN:
            if mounted_type(mountpoint) is None:
                break  # the fusermount3 of a killed view was quicker
            raise MountRefused(
                f"another view is mounted on {mountpoint} and its process lives; stop that first, "
                f"or if it hangs: fusermount3 -u -z {mountpoint}"
            )
        log.warning("view.mount.stale", mountpoint=str(mountpoint))
        unmount_lazily(mountpoint)
    try:
        with os.scandir(mountpoint) as entries:
            if next(entries, None) is not None:
                raise MountRefused(f"the mountpoint {mountpoint} is not empty: it would be hidden")
    except OSError as error:
        raise MountRefused(f"the mountpoint {mountpoint}: {error.strerror}") from error


def mounted_type(mountpoint: Path) -> str | None:
    """The type of the file system mounted exactly on `mountpoint`, or None. Touches no mount."""
    return parse_mounted_type(
        Path("/proc/self/mountinfo").read_text(errors="surrogateescape"), str(mountpoint)
    )


def parse_mounted_type(mountinfo: str, mountpoint: str) -> str | None:
    """The type of the topmost mount on `mountpoint` according to the text of mountinfo."""
    found = None
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        # The kernel writes a space, tab, newline or backslash as three octal digits.
        path = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields.split(" ")[4])
        if path == mountpoint:
            found = rest.split(" ")[0]
    return found


def unmount_lazily(mountpoint: Path) -> None:
    """Detach what is mounted on `mountpoint`, also if files are open. Raises MountRefused."""
    if os.geteuid() == 0:
        library = ctypes.CDLL(None, use_errno=True)
        if library.umount2(os.fsencode(mountpoint), _MNT_DETACH | _UMOUNT_NOFOLLOW) == 0:
            return
        reason = os.strerror(ctypes.get_errno())
    else:
        done = subprocess.run(
            ["fusermount3", "-u", "-z", os.fspath(mountpoint)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        reason = done.stderr.strip()
    # The fusermount3 of a killed view may have been quicker here, too.
    if mounted_type(mountpoint) is not None:
        raise MountRefused(f"the mount left on {mountpoint} cannot be removed: {reason}")


def _probe(mountpoint: Path) -> int:
    """The error number of statfs(2) on a mount; 0 if there is none, ETIMEDOUT if it hangs.

    Unlike stat(2), that is never answered from what the kernel remembers. A thread that hangs is
    left behind: it ends with the process.
    """
    answer: queue.SimpleQueue[int] = queue.SimpleQueue()

    def ask() -> None:
        try:
            os.statvfs(mountpoint)
        except OSError as error:
            answer.put(error.errno or errno.EIO)
        else:
            answer.put(0)

    threading.Thread(target=ask, name="mount-probe", daemon=True).start()
    try:
        return answer.get(timeout=_PROBE_S)
    except queue.Empty:
        return errno.ETIMEDOUT
