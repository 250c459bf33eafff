"""Open one name below a folder that a stranger may be changing at this moment.

openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_XDEV: no link is followed, no
mount is crossed, and nothing outside the folder is reached, whatever is swapped in between.
Nothing here waits: pipes and devices are opened without blocking, and refused by the caller.
"""

import ctypes
import errno
import os
import sys

_libc = ctypes.CDLL(None, use_errno=True)

# The same number on every architecture that has the call; Linux 5.6 and later.
_SYS_OPENAT2 = 437
_RESOLVE_NO_XDEV = 0x01
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_ALL = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH

FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_beneath(folder: int, name: bytes, flags: int) -> int:
    """Open `name` in the folder open at `folder`; the caller closes the descriptor.

    Raises OSError: ELOOP for a symbolic link, EXDEV for a mount or a way out, and the usual ones.
    """
    how = _OpenHow(flags, 0, _ALL)
    descriptor: int = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(folder),
        ctypes.c_char_p(name),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if descriptor >= 0:
        return descriptor
    number = ctypes.get_errno()
    if number == errno.ENOSYS:
        return _open_plainly(folder, name, flags)
    raise OSError(number, os.strerror(number), os.fsdecode(name))


def _open_plainly(folder: int, name: bytes, flags: int) -> int:
    """Where the kernel or a sandbox lacks openat2: bind mounts of the same disk go unseen."""
    assert sys.platform == "linux"
    if b"/" in name or name in {b"", b".."}:
        raise OSError(errno.EXDEV, "not one plain name", os.fsdecode(name))
    descriptor = os.open(name, flags, dir_fd=folder)
    if os.fstat(descriptor).st_dev != os.fstat(folder).st_dev:
        os.close(descriptor)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), os.fsdecode(name))
    return descriptor
