"""The bytes of a tar, plain or gzipped, as one stream that is read once and forwards.

RFC 1952 (gzip, several members allowed); attack catalogue A23, A25. Gzip output is counted while
it comes; anything behind the last gzip member is refused.
"""

import os
import zlib
from typing import Protocol

from ingest_watch.archives.ratio import RatioGuard
from ingest_watch.findings import PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.opening_rules import ARCHIVE_DAMAGED, ARCHIVE_TRAILING

_INPUT_BYTES = 256 * 1024
_OUTPUT_BYTES = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class TarStream(Protocol):
    """A stream of bytes."""

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, at least one unless the stream has ended."""
        ...

    def skip(self, count: int) -> None:
        """Pass over `count` bytes; a stream that is shorter shows at the next read."""
        ...


def tar_stream(archive: int, limits: IntakeLimits, *, compressed: bool) -> TarStream:
    """Return the tar in the open archive file, from its start."""
    return _Gzip(archive, limits) if compressed else _Plain(archive)


class _Plain:
    def __init__(self, archive: int) -> None:
        self._archive = archive
        self._position = 0

    def read(self, count: int) -> bytes:
        data = os.pread(self._archive, count, self._position)
        self._position += len(data)
        return data

    def skip(self, count: int) -> None:
        self._position += count


class _Gzip:
    def __init__(self, archive: int, limits: IntakeLimits) -> None:
        self._archive = archive
        self._position = 0
        self._input = b""
        self._output = memoryview(b"")
        self._inner = zlib.decompressobj(_GZIP)
        self._guard = RatioGuard(limits, os.fstat(archive).st_size)

    def read(self, count: int) -> bytes:
        if not self._output:
            self._output = memoryview(self._next_piece())
        data = bytes(self._output[:count])
        self._output = self._output[count:]
        return data

    def skip(self, count: int) -> None:
        while count > 0:
            passed = len(self.read(min(count, _OUTPUT_BYTES)))
            if passed == 0:
                return
            count -= passed

    def _next_piece(self) -> bytes:
        while True:
            if self._inner.eof and not self._start_member():
                return b""
            if not self._input:
                self._input = self._pull()
            piece = self._decompress()
            if piece:
                self._guard.count(len(piece))
                return piece
            if not self._input and not self._inner.eof and not self._more():
                raise PackageRejected(ARCHIVE_DAMAGED.found(detail="the gzip data is cut short"))

    def _decompress(self) -> bytes:
        try:
            piece = self._inner.decompress(self._input, _OUTPUT_BYTES)
        except zlib.error:
            raise PackageRejected(
                ARCHIVE_DAMAGED.found(detail="the gzip data is damaged")
            ) from None
        self._input = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
        return piece

    def _start_member(self) -> bool:
        """Start the next gzip member; False at the end of the file."""
        if not self._input and not self._more():
            return False
        if len(self._input) < 2:
            self._input += self._pull()
        if not self._input.startswith(b"\x1f\x8b"):
            raise PackageRejected(ARCHIVE_TRAILING.found(detail="behind the gzip data"))
        self._inner = zlib.decompressobj(_GZIP)
        return True

    def _more(self) -> bool:
        self._input = self._pull()
        return bool(self._input)

    def _pull(self) -> bytes:
        data = os.pread(self._archive, _INPUT_BYTES, self._position)
        self._position += len(data)
        return data
