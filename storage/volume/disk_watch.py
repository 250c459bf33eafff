"""What a look at the disk tells that no writer has met yet: it went away, or takes no writes.

docs/formats/volume.md, "Read-only". Asks the kernel and writes nothing; what follows is the
volume's affair.
"""

import os

from storage.burn_in.device import Device
from storage.volume.identity import MountGuard
from storage.volume.refusals import DiskChanged, VolumeRefusal, WriteLost
from storage.volume.settings import VolumeSettings

# What a file system says of itself once it has stopped at an error (ext4; since Linux 6.15 without
# the flag that every file system has).
_STOPPED = frozenset({"ro", "emergency_ro", "shutdown"})
# A recovery makes folders and files of its own.
_NAMES_MIN = 64


def what_is_wrong(guard: MountGuard, settings: VolumeSettings) -> VolumeRefusal | None:
    """Why this disk takes no writes, as far as that can be seen; None if nothing is seen."""
    try:
        guard.check()
        state = os.statvfs(settings.staging)
    except DiskChanged as changed:
        return changed
    except OSError as error:
        return WriteLost(f"the disk is gone: {error}")
    stopped = Device(settings.staging).mount().options & _STOPPED
    if state.f_flag & os.ST_RDONLY or stopped:
        return WriteLost(f"the file system of {settings.root} takes no writes any more: read-only")
    return None


def has_room(settings: VolumeSettings) -> bool:
    """Whether a self-test fits beside the reserve again."""
    state = os.statvfs(settings.staging)
    names_are_left = state.f_files == 0 or state.f_favail >= _NAMES_MIN
    usable_bytes = state.f_bavail * state.f_frsize - settings.reserve_bytes
    return names_are_left and usable_bytes >= settings.self_test_bytes
