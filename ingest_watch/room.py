"""Room on the staging disk, booked before a byte of a package is written.

Attack catalogue A31, A53. Logical sizes count, holes included. Several packages come at once, so
room is not only asked for: it is taken from the disk at once (fallocate(2), in a file without a
name, which vanishes with its process), and given back piece by piece as the package takes its
place. So the disk keeps the ledger, for all processes, and whatever dies. Also tells the worker's
owner how much there is to do. Where nobody shares the disk room is asked for only.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from errno import EINVAL, EISDIR, ENOSPC, ENOSYS, EOPNOTSUPP
from pathlib import Path
from typing import ClassVar

from ingest_watch.workload import expect
from storage.errors import Refusal

_MEBIBYTE = 1024**2
# Less is the reserve's: to book it would cost the many small packages more than it is worth.
_BOOKED_BYTES_MIN = 16 * _MEBIBYTE
# Given back in such pieces, each before what takes its place is written.
_PIECE_BYTES = 16 * _MEBIBYTE
_UNABLE = frozenset({EINVAL, EISDIR, ENOSYS, EOPNOTSUPP})


class StagingFull(Refusal):
    """The staging disk has no room for the package. Not the sender's fault: wait."""

    code: ClassVar[str] = "staging-full"


@dataclass(frozen=True, slots=True)
class _Shared:
    """A disk that others fill, too."""

    folder: Path
    reserve_bytes: int


class _Booking:
    """Room that is taken; less and less, as what it was taken for is written."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self._left_bytes = size_bytes
        self._held_bytes = size_bytes

    def make_way(self, byte_count: int) -> None:
        """So many bytes are about to be written."""
        self._left_bytes = max(0, self._left_bytes - byte_count)
        if self._left_bytes < self._held_bytes:
            self._held_bytes = max(0, self._left_bytes - _PIECE_BYTES)
            os.ftruncate(self._descriptor, self._held_bytes)


_shared: ContextVar[_Shared | None] = ContextVar("shared", default=None)
_booking: ContextVar[_Booking | None] = ContextVar("booking", default=None)


@contextmanager
def shared_by_others(folder: Path, reserve_bytes: int) -> Iterator[None]:
    """Book room on the disk of `folder` as long as the context lasts, and leave the reserve."""
    token = _shared.set(_Shared(folder, reserve_bytes))
    try:
        yield
    finally:
        _shared.reset(token)


@contextmanager
def room_for(folder: Path | int, needed_bytes: int) -> Iterator[None]:
    """Have so much room below `folder` (a path, or an open folder) while the context lasts.

    Raises StagingFull when there is not so much.
    """
    shared = _shared.get()
    _expect_free(folder, needed_bytes, 0 if shared is None else shared.reserve_bytes)
    expect(needed_bytes)
    if shared is None or needed_bytes < _BOOKED_BYTES_MIN:
        yield
        return
    with _booked(shared, needed_bytes) as booking:
        token = _booking.set(booking)
        try:
            yield
        finally:
            _booking.reset(token)


def make_way(byte_count: int) -> None:
    """So many bytes are about to be written of what room was booked for."""
    booking = _booking.get()
    if booking is not None:
        booking.make_way(byte_count)


@contextmanager
def _booked(shared: _Shared, needed_bytes: int) -> Iterator[_Booking | None]:
    """None where the file system books nothing: then it was asked for, and that is all."""
    try:
        descriptor = os.open(shared.folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        yield None
        return
    try:
        is_taken = _take(descriptor, needed_bytes)
        # Another may have asked at the same moment.
        _expect_free(shared.folder, 0, shared.reserve_bytes)
        yield _Booking(descriptor, needed_bytes) if is_taken else None
    finally:
        os.close(descriptor)


def _take(descriptor: int, size_bytes: int) -> bool:
    """Take the room; False where the file system cannot. Raises StagingFull, OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size_bytes)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNABLE:
        return False
    if number == ENOSPC:
        raise StagingFull(f"staging has no room for {size_bytes} bytes more 暂存空间不足")
    raise OSError(number, os.strerror(number))


def _expect_free(folder: Path | int, needed_bytes: int, reserve_bytes: int) -> None:
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    if needed_bytes + reserve_bytes > free_bytes:
        kept = f" beside a reserve of {reserve_bytes}" if reserve_bytes else ""
        raise StagingFull(
            f"staging has {free_bytes} bytes free and the package needs {needed_bytes}{kept}: "
            "make room below the staging folder, or let it wait for others 暂存空间不足"
        )
