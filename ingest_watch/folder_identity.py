"""Which folder this is, so that a share that is not mounted is not taken for an empty one.

A mount point with nothing mounted on it is a folder like any other, and empty. It differs in inode
number, kind of file system and time of birth (statx(2), statfs(2)), which all stay the same over
reboots and renumbered disks; device numbers do not. The identity at first sight is kept in a state
folder of ours. Reads only the folder's own attributes.
"""

import ctypes
import errno
import os
from pathlib import Path

import msgspec

from storage.durable import write_whole_file

_libc = ctypes.CDLL(None, use_errno=True)

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800

# statfs(2) f_type of file systems where other machines write and no event reaches us.
_POLLED_ONLY = {
    0x6969: "nfs",
    0xFF534D42: "cifs",
    0xFE534D42: "smb",
    0x517B: "smbfs",
    0x65735546: "fuse",
    0x01021997: "9p",
    0x00C36400: "ceph",
    0x6B414653: "afs",
}
_UNSIGNED_32 = 0xFFFFFFFF


class _Statfs(ctypes.Structure):
    _fields_ = (("f_type", ctypes.c_long), ("rest", ctypes.c_byte * 248))


class _Statx(ctypes.Structure):
    _fields_ = (
        ("stx_mask", ctypes.c_uint32),
        ("before_birth", ctypes.c_byte * 76),
        ("btime_seconds", ctypes.c_int64),
        ("btime_nanoseconds", ctypes.c_uint32),
        ("rest", ctypes.c_byte * 164),
    )


assert _Statx.btime_seconds.offset == 80, "statx(2) puts stx_btime at offset 80"
assert ctypes.sizeof(_Statx) == 256, "statx(2) fills 256 bytes"


class FolderIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a folder is known by."""

    inode: int
    file_system: int  # statfs f_type
    birth_ns: int  # 0 where the file system does not tell

    def is_same(self, other: "FolderIdentity") -> bool:
        """Tell whether both are the same folder. An unknown time of birth contradicts nothing."""
        births = {self.birth_ns, other.birth_ns} - {0}
        places = {(self.inode, self.file_system), (other.inode, other.file_system)}
        return len(places) == 1 and len(births) <= 1


def identity_of(folder: int) -> FolderIdentity:
    """The identity of the folder open at the descriptor `folder`. Raises OSError."""
    return FolderIdentity(os.fstat(folder).st_ino, _file_system(folder), _birth_ns(folder))


def polled_only(folder: int) -> str | None:
    """The kind of file system, where changes by other machines raise no event; else None."""
    return _POLLED_ONLY.get(_file_system(folder))


def first_seen_identity(state_file: Path, present: FolderIdentity) -> FolderIdentity:
    """The identity on record, after recording `present` if there is none. Raises OSError.

    Raises ValueError if the record cannot be read: it is not replaced, a person has to look.
    """
    try:
        return msgspec.json.decode(state_file.read_bytes(), type=FolderIdentity)
    except FileNotFoundError:
        write_whole_file(state_file, msgspec.json.encode(present) + b"\n", mode=0o640)
        return present
    except msgspec.MsgspecError as error:
        raise ValueError(f"{state_file} is not an identity on record: {error}") from error


def expect_still_mounted(folder: Path, mark: Path) -> None:
    """Raise OSError if `folder` was a mount point, as `mark` has on record, and is none now.

    What is written into it then lies beneath the share, and nobody sees it once that is back.
    """
    if folder.stat().st_dev != folder.parent.stat().st_dev:
        if not mark.exists():
            write_whole_file(mark, b"a mount point\n", mode=0o640)
    elif mark.exists():
        raise OSError(
            errno.ENODEV,
            f"{folder} was a mount point and is none: is its share mounted? "
            f"If that is right, delete {mark}",
        )


def _file_system(folder: int) -> int:
    told = _Statfs()
    if _libc.fstatfs(ctypes.c_int(folder), ctypes.byref(told)) != 0:
        _raise_errno()
    return int(told.f_type) & _UNSIGNED_32


def _birth_ns(folder: int) -> int:
    told = _Statx()
    flags, mask = ctypes.c_int(_AT_EMPTY_PATH), ctypes.c_uint(_STATX_BTIME)
    if _libc.statx(ctypes.c_int(folder), b"", flags, mask, ctypes.byref(told)) != 0:
        _raise_errno()
    if not told.stx_mask & _STATX_BTIME:
        return 0
    return int(told.btime_seconds) * 1_000_000_000 + int(told.btime_nanoseconds)


def _raise_errno() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
