"""Mounts the view as root, gives up every privilege, and becomes the view's process.

mount(2), capabilities(7), fuse(4). fusermount3 does not work under NoNewPrivileges, so the unit
starts this instead:

    python -m storage.view.starter --mountpoint /srv/holdings --user lantai-view -- lantai run …

The started program finds the mounted descriptor in LANTAI_FUSE_DESCRIPTOR. The kernel queues what
readers ask until it answers. Reads no configuration and no network: it is all that runs as root.
"""

import argparse
import ctypes
import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from storage.errors import LantaiError
from storage.view.mountpoint import MOUNT_SOURCE, MOUNT_TYPE, MountRefused, clear_mountpoint

DESCRIPTOR_VARIABLE = "LANTAI_FUSE_DESCRIPTOR"

# Flags of mount(2).
_MS_RDONLY = 1
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_NOEXEC = 8
# Option of prctl(2).
_PR_SET_NO_NEW_PRIVS = 38
# Requests of 1 MiB instead of 128 KiB: seven times the throughput of a sequential read.
_READ_AHEAD_KIB = 1024
# EX_CONFIG of sysexits.h: the unit does not try again.
_EXIT_CONFIGURATION = 78


def inherited_descriptor(environment: Mapping[str, str]) -> int | None:
    """The descriptor that a starter has mounted for this process, or None."""
    text = environment.get(DESCRIPTOR_VARIABLE)
    return int(text) if text and text.isdecimal() else None


def open_and_mount(mountpoint: Path, user: pwd.struct_passwd) -> int:
    """Mount a FUSE file system that `user` will answer for; the descriptor is inheritable.

    Raises MountRefused if the mountpoint is unfit or the kernel refuses.
    """
    clear_mountpoint(mountpoint)
    descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    # default_permissions makes allow_other safe: the kernel itself checks the modes.
    options = (
        f"fd={descriptor},rootmode=40000,user_id={user.pw_uid},group_id={user.pw_gid},"
        "allow_other,default_permissions"
    )
    library = ctypes.CDLL(None, use_errno=True)
    flags = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    result = library.mount(
        MOUNT_SOURCE.encode(),
        os.fsencode(mountpoint),
        MOUNT_TYPE.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    if result != 0:
        os.close(descriptor)
        reason = os.strerror(ctypes.get_errno())
        raise MountRefused(f"the kernel refuses to mount on {mountpoint}: {reason}")
    _read_ahead(mountpoint)
    os.set_inheritable(descriptor, True)
    return descriptor


def drop_privileges(user: pwd.struct_passwd) -> None:
    """Become `user`, for good. Raises MountRefused if any privilege is left."""
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    left = [name for name in ("CapInh", "CapPrm", "CapEff", "CapAmb") if int(status[name], 16)]
    if left or status["NoNewPrivs"] != "1":
        raise MountRefused(f"privileges are left after becoming {user.pw_name}: {left}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Mount, drop, and exec the command; returns only if that failed."""
    parser = argparse.ArgumentParser(prog="storage.view.starter", description=__doc__)
    parser.add_argument("--mountpoint", type=Path, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    try:
        user = pwd.getpwnam(options.user)
        if user.pw_uid == 0:
            raise MountRefused("the view does not run as root: name another user")
        descriptor = open_and_mount(options.mountpoint, user)
        drop_privileges(user)
        environment = {**os.environ, DESCRIPTOR_VARIABLE: str(descriptor), "HOME": user.pw_dir}
        os.execvpe(options.command[0], options.command, environment)  # noqa: S606 - from the unit
    except (LantaiError, OSError, KeyError) as error:
        print(f"lantai: {error}", file=sys.stderr)
    return _EXIT_CONFIGURATION


def _read_ahead(mountpoint: Path) -> None:
    """Let the kernel ask for more at once. Only speed: a kernel that will not is no failure."""
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        if fields[4] == os.fspath(mountpoint):
            setting = Path(f"/sys/class/bdi/{fields[2]}/read_ahead_kb")
            try:
                setting.write_text(str(_READ_AHEAD_KIB))
            except OSError as error:
                print(f"lantai: read-ahead is not set: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
