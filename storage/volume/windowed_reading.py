"""Hashing many files off the medium without waiting for the disk once for each.

docs/formats/volume.md, "Verify modes". In evicted mode all files of a window are first proven to
be out of the page cache, then all asked for at once, then hashed as they come: what is read came
from the medium after the proof. In the other modes files are read one after the other.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from storage.medium import BUFFER_BYTES, MediumReader, evict_and_prove
from storage.model import VerifyMode

# How many files are open and asked for at the same time.
WINDOW_FILES = 32

# Larger files keep the disk busy by themselves.
_AHEAD_BYTES_MAX = 1024 * 1024
_DROP_BYTES = 16 * BUFFER_BYTES
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class WindowedReader:
    """Not for two threads. Leaves nothing that it read in the page cache."""

    def __init__(self, mode: VerifyMode) -> None:
        self._mode = mode
        self._reader = MediumReader(mode)
        self._buffer = memoryview(bytearray(BUFFER_BYTES))

    def digests(self, paths: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Size and SHA-256 of each file, in order; at most WINDOW_FILES of them.

        Raises OSError as it comes, and in evicted mode StillCachedError.
        """
        assert len(paths) <= WINDOW_FILES, "a window is small: its files are open together"
        if self._mode is not VerifyMode.EVICTED:
            for path in paths:
                yield _digest(self._reader.chunks(Path(path)))
            return
        with ExitStack() as stack:
            descriptors = []
            for path in paths:
                descriptor = os.open(path, _OPEN)
                stack.callback(os.close, descriptor)
                descriptors.append(descriptor)
                evict_and_prove(descriptor)
                if os.fstat(descriptor).st_size <= _AHEAD_BYTES_MAX:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            for descriptor in descriptors:
                yield _digest(self._chunks(descriptor))

    def _chunks(self, descriptor: int) -> Iterator[memoryview]:
        offset = dropped = 0
        while read_bytes := os.preadv(descriptor, [self._buffer], offset):
            yield self._buffer[:read_bytes]
            offset += read_bytes
            if offset - dropped >= _DROP_BYTES:
                os.posix_fadvise(descriptor, dropped, offset - dropped, os.POSIX_FADV_DONTNEED)
                dropped = offset
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _digest(chunks: Iterator[memoryview]) -> tuple[int, str]:
    digest = hashlib.sha256()
    size_bytes = 0
    for chunk in chunks:
        digest.update(chunk)
        size_bytes += len(chunk)
    return size_bytes, digest.hexdigest()
