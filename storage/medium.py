"""Reading from the medium, and not from the memory that remembers what was written.

docs/formats/volume.md, "Verify modes". Two ways prove something: the file's pages are dropped and
the kernel confirms that none is left (evicted), or O_DIRECT goes past them (direct). Neither does
on tmpfs or an overlay: the volume's self-test decides which mode a file system has earned.
"""

import ctypes
import errno
import mmap
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.digests import sha256_of, sha256_of_file
from storage.errors import LantaiError
from storage.model import VerifyMode

BUFFER_BYTES = 1024 * 1024

# What every block device and file system in use accepts as alignment for O_DIRECT.
_ALIGNMENT_BYTES = 4096
# Pages that another processor holds for a moment are dropped by a later call, at once or when a
# thread that lost its turn has run on: one page in 3,000,000 files needed more than five calls.
_EVICTION_PAUSES_S = (0, 0, 0, 0.001, 0.004, 0.016, 0.064, 0.256)
# mincore(2) is asked in windows, so that a file of 1 TB needs no vector of 256 MB.
_WINDOW_BYTES = 1024 * 1024 * 1024

_SYSCALL_CACHESTAT = 451

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64,
]  # fmt: skip
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
_libc.syscall.restype = ctypes.c_long


class StillCachedError(LantaiError):
    """Pages of a file could not be dropped, so a read of it would prove nothing."""

    code = "still-cached"


class _CacheRange(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _CacheState(ctypes.Structure):
    _fields_ = (
        ("cached", ctypes.c_uint64),
        ("dirty", ctypes.c_uint64),
        ("writeback", ctypes.c_uint64),
        ("evicted", ctypes.c_uint64),
        ("recently_evicted", ctypes.c_uint64),
    )


def evict_and_prove(descriptor: int) -> None:
    """Drop the file's pages and have the kernel confirm that none is resident.

    The file must have been synced before: dirty pages stay. Raises StillCachedError if pages
    remain, for instance because someone reads the file at this moment.
    """
    remaining = 0
    for pause_s in _EVICTION_PAUSES_S:
        if pause_s:
            time.sleep(pause_s)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        remaining = resident_pages(descriptor)
        if remaining == 0:
            return
    raise StillCachedError(f"{remaining} pages stay in the page cache")


def forget_memory_of(path: Path, mode: VerifyMode) -> None:
    """After this a read of the file gives what the medium holds, whatever was written before.

    The file system must have been synced. Raises StillCachedError where memory cannot be emptied,
    OSError (EIO) where it holds other bytes than the medium. In a mode that proves nothing it
    does what it can.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if mode is VerifyMode.EVICTED:
            evict_and_prove(descriptor)
        else:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    if mode is VerifyMode.DIRECT and sha256_of(read_direct(path)) != sha256_of_file(path):
        raise OSError(errno.EIO, f"{path}: memory holds other bytes than the medium")


def resident_pages(descriptor: int) -> int:
    """How many pages of the file are in the page cache.

    cachestat(2), from Linux 6.5, and mincore(2) before. mincore calls every page resident when
    the caller neither owns the file nor may write it: an error on the safe side.
    """
    pages = pages_by_cachestat(descriptor)
    return pages_by_mincore(descriptor) if pages is None else pages


def pages_by_cachestat(descriptor: int) -> int | None:
    """As `resident_pages`; None where the kernel or a sandbox has no cachestat."""
    everything = _CacheRange(0, 0)
    state = _CacheState()
    result = _libc.syscall(
        ctypes.c_long(_SYSCALL_CACHESTAT),
        ctypes.c_uint(descriptor),
        ctypes.byref(everything),
        ctypes.byref(state),
        ctypes.c_uint(0),
    )
    if result == 0:
        return int(state.cached)
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP}:
        return None
    raise OSError(number, f"cachestat: {os.strerror(number)}")


def pages_by_mincore(descriptor: int) -> int:
    """As `resident_pages`, by mapping the file window by window."""
    size_bytes = os.fstat(descriptor).st_size
    pages = 0
    for offset in range(0, size_bytes, _WINDOW_BYTES):
        pages += _window_pages(descriptor, offset, min(_WINDOW_BYTES, size_bytes - offset))
    return pages


def _window_pages(descriptor: int, offset: int, length: int) -> int:
    failed = ctypes.c_void_p(-1).value
    address = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, offset)
    if address == failed:
        raise _last_error("mmap")
    try:
        vector = ctypes.create_string_buffer(-(-length // mmap.PAGESIZE))
        if _libc.mincore(address, length, vector) != 0:
            raise _last_error("mincore")
        return sum(page & 1 for page in vector.raw)
    finally:
        _libc.munmap(address, length)


class MediumReader:
    """Reads files one after the other in one mode, through one aligned buffer.

    Not for two threads, nor for two files at the same time: make one reader for each.
    """

    def __init__(self, mode: VerifyMode, *, buffer_bytes: int = BUFFER_BYTES) -> None:
        assert buffer_bytes % _ALIGNMENT_BYTES == 0, "the buffer is a whole number of pages"
        self.mode = mode
        self._buffer = memoryview(mmap.mmap(-1, buffer_bytes))  # anonymous maps are page-aligned

    def chunks(self, path: Path, offset: int = 0) -> Iterator[memoryview]:
        """The file's bytes from `offset`, a whole MiB, on; a chunk is good until the next.

        Follows no link and does not wait for a pipe. Leaves none of the file in the page cache.
        Raises OSError as it comes, and in evicted mode StillCachedError.
        """
        direct = os.O_DIRECT if self.mode is VerifyMode.DIRECT else 0
        with _opened(path, direct) as descriptor:
            if self.mode is VerifyMode.EVICTED:
                evict_and_prove(descriptor)
            yield from self._read(descriptor, offset)
            if self.mode is not VerifyMode.DIRECT:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def blocks(self, path: Path, offsets: Iterable[int]) -> Iterator[memoryview]:
        """The bytes at each offset, a whole buffer or up to the end of the file; as `chunks`.

        Offsets are multiples of the buffer. Raises OSError where nothing is at an offset.
        """
        direct = os.O_DIRECT if self.mode is VerifyMode.DIRECT else 0
        with _opened(path, direct) as descriptor:
            # What the kernel would read ahead is not asked for.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
            if self.mode is VerifyMode.EVICTED:
                evict_and_prove(descriptor)
            for offset in offsets:
                read_bytes = os.preadv(descriptor, [self._buffer], offset)
                if read_bytes < len(self._buffer):
                    _expect_end(descriptor, offset + read_bytes)
                if not read_bytes:
                    raise OSError(errno.EIO, f"nothing is at byte {offset}")
                yield self._buffer[:read_bytes]
            if self.mode is not VerifyMode.DIRECT:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def _read(self, descriptor: int, offset: int) -> Iterator[memoryview]:
        dropped = offset
        while read_bytes := os.preadv(descriptor, [self._buffer], offset):
            yield self._buffer[:read_bytes]
            offset += read_bytes
            if self.mode is VerifyMode.DIRECT and read_bytes % _ALIGNMENT_BYTES:
                _expect_end(descriptor, offset)
                return
            if self.mode is not VerifyMode.DIRECT and offset - dropped >= 16 * BUFFER_BYTES:
                os.posix_fadvise(descriptor, dropped, offset - dropped, os.POSIX_FADV_DONTNEED)
                dropped = offset


def read_direct(path: Path, *, buffer_bytes: int = BUFFER_BYTES) -> Iterator[memoryview]:
    """The file's bytes by O_DIRECT; each chunk is good until the next is asked for."""
    return MediumReader(VerifyMode.DIRECT, buffer_bytes=buffer_bytes).chunks(path)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    # O_NONBLOCK does nothing to a file, and keeps a planted pipe from holding the sweep for ever.
    safe = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, safe | flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _expect_end(descriptor: int, offset: int) -> None:
    """After a read that was not whole pages the file is at its end, or the disk gave up."""
    if offset < os.fstat(descriptor).st_size:
        raise OSError(errno.EIO, f"the read stopped short at byte {offset}")


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
