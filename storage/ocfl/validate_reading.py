"""Look at a stranger's folders and read a stranger's files without being led astray.

No link is followed, no pipe or device is opened, and every failure is a value or an OSError. The
only module of the validator that touches a disk. Judges nothing.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

CHUNK_BYTES = 1024 * 1024
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Kind(Enum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    SPECIAL = "pipe, socket or device"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder, as lstat sees it."""

    name: str  # undecodable bytes as surrogates, as Python has them
    kind: Kind
    inode: tuple[int, int] | None  # (device, inode) of a file with several hard links


def entries_of(folder: Path) -> list[Entry]:
    """All entries, sorted by name. Raises OSError if the folder cannot be read."""
    with os.scandir(folder) as found:
        return sorted((_entry(entry) for entry in found), key=lambda entry: entry.name)


def chunks_of(path: Path) -> Iterator[bytes]:
    """A regular file's bytes. Raises OSError; a link, pipe or device is never read."""
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file", str(path))
        while chunk := os.read(descriptor, CHUNK_BYTES):
            yield chunk
    finally:
        os.close(descriptor)


def read_up_to(path: Path, limit_bytes: int) -> bytes | None:
    """A regular file's bytes, or None if there are more than `limit_bytes`. Raises OSError."""
    held: list[bytes] = []
    held_bytes = 0
    for chunk in chunks_of(path):
        held_bytes += len(chunk)
        if held_bytes > limit_bytes:
            return None
        held.append(chunk)
    return b"".join(held)


def reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _entry(entry: os.DirEntry[str]) -> Entry:
    status = entry.stat(follow_symlinks=False)
    kind = _kind(status.st_mode)
    shared = kind is Kind.FILE and status.st_nlink > 1
    return Entry(entry.name, kind, (status.st_dev, status.st_ino) if shared else None)


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.SPECIAL
