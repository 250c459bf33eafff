"""Decompress a zip's entries in the order they lie, each exactly as its directory entry says.

APPNOTE.TXT 6.3 sections 4.3.7-4.3.9; attack catalogue A22, A24, A25, A27. Local headers are
compared with the directory for the whole archive before anything is decompressed; then output is
counted, never believed. Names and the directory are zip_directory.py's.
"""

import bz2
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ingest_watch.archives.content import Content
from ingest_watch.archives.ratio import RatioGuard
from ingest_watch.archives.zip_directory import (
    FLAG_DESCRIPTOR,
    FLAG_ENCRYPTED,
    FLAG_MASKED,
    FLAG_STRONG,
    FLAG_UTF8,
)
from ingest_watch.archives.zip_fields import extra_fields, zip64_values
from ingest_watch.findings import PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.listing import Listing
from ingest_watch.opening_rules import (
    ARCHIVE_DAMAGED,
    ARCHIVE_TRAILING,
    ZIP_INCONSISTENT,
    ZIP_OVERLAP,
)
from storage.whole_reads import read_range

_LOCAL = struct.Struct("<4s5H3L2H")
_IMPORTANT_FLAGS = FLAG_ENCRYPTED | FLAG_DESCRIPTOR | FLAG_STRONG | FLAG_UTF8 | FLAG_MASKED
_PIECE_BYTES = 1024 * 1024
_INPUT_BYTES = 256 * 1024
_DESCRIPTORS = {
    12: struct.Struct("<3L"),
    16: struct.Struct("<4x3L"),
    20: struct.Struct("<L2Q"),
    24: struct.Struct("<4xL2Q"),
}


class _Decompressor(Protocol):
    """What zlib's and bz2's decompressors are wrapped into."""

    @property
    def ended(self) -> bool: ...

    def feed(self, data: bytes) -> bytes: ...

    def pending(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry as the directory has it."""

    start_bytes: int
    path: str
    raw_name: bytes
    is_folder: bool
    flags: int
    method: int
    crc: int
    compressed_bytes: int
    size_bytes: int


def zip_contents(archive: int, listing: Listing, limits: IntakeLimits) -> Iterator[Content]:
    """Yield every file's content in the order of the archive. Raises PackageRejected."""
    (directory_start,) = listing.query("SELECT start_bytes FROM zip_directory").fetchone()
    position = 0
    for entry, following in _with_following(listing, directory_start):
        _check_local(archive, entry, position, following)
        position = following
    if position != directory_start:
        raise PackageRejected(ARCHIVE_TRAILING.found(detail="before the directory"))
    guard = RatioGuard(limits, directory_start)
    for entry, _ in _with_following(listing, directory_start):
        start = _content_start(archive, entry)
        pieces = _pieces(archive, entry, start, guard)
        if entry.is_folder:
            for _ in pieces:
                pass
        else:
            yield Content(entry.path, entry.size_bytes, pieces)


def _with_following(listing: Listing, directory_start: int) -> Iterator[tuple[_Entry, int]]:
    """Yield each entry by position, with the start of whatever follows it."""
    previous: _Entry | None = None
    for row in listing.query("SELECT * FROM zip_entry ORDER BY start_bytes"):
        start_bytes, path, raw_name, is_folder, *numbers = row
        entry = _Entry(start_bytes, path, raw_name, bool(is_folder), *numbers)
        if previous is not None:
            yield previous, entry.start_bytes
        previous = entry
    if previous is not None:
        yield previous, directory_start


def _content_start(archive: int, entry: _Entry) -> int:
    header = read_range(archive, _LOCAL.size, entry.start_bytes)
    lengths: tuple[int, int] = _LOCAL.unpack(header)[-2:]
    return entry.start_bytes + _LOCAL.size + sum(lengths)


def _check_local(archive: int, entry: _Entry, position: int, following: int) -> None:
    """Compare one local header with the directory, and the entry's extent with its neighbours."""
    if entry.start_bytes != position:
        raise PackageRejected(ARCHIVE_TRAILING.found(entry.path, detail="before this entry"))
    header = read_range(archive, _LOCAL.size + 2 * 0xFFFF, entry.start_bytes)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        _contradiction(entry, "no local header where the directory says")
    _, _, flags, method, _, _, crc, compressed, size, name_bytes, extra_bytes = _LOCAL.unpack_from(
        header
    )
    name_end = _LOCAL.size + name_bytes
    if header[_LOCAL.size : name_end] != entry.raw_name:
        _contradiction(entry, "local header and directory name different files")
    if method != entry.method or (flags ^ entry.flags) & _IMPORTANT_FLAGS:
        _contradiction(entry, "local header and directory differ in method or flags")
    extra = extra_fields(header[name_end : name_end + extra_bytes])
    size, compressed = zip64_values(extra, (size, 8), (compressed, 8))
    actual = (crc, compressed, size)
    expected = (entry.crc, entry.compressed_bytes, entry.size_bytes)
    if actual != expected and not (flags & FLAG_DESCRIPTOR and _left_open(actual, expected)):
        _contradiction(entry, "local header and directory differ in size or CRC")
    _check_extent(archive, entry, entry.start_bytes + name_end + extra_bytes, following)


def _left_open(actual: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """With a descriptor behind the data, the local header may leave its values out, as zeros."""
    unknown = {0, 0xFFFFFFFF}
    return all(
        value in unknown or value == meant for value, meant in zip(actual, expected, strict=True)
    )


def _check_extent(archive: int, entry: _Entry, start: int, following: int) -> None:
    end = start + entry.compressed_bytes
    if end > following:
        raise PackageRejected(ZIP_OVERLAP.found(entry.path))
    rest = following - end
    if rest == 0:
        return
    if not entry.flags & FLAG_DESCRIPTOR or rest not in _DESCRIPTORS:
        raise PackageRejected(ARCHIVE_TRAILING.found(entry.path, detail="behind this entry"))
    descriptor = read_range(archive, rest, end)
    signed = rest in {16, 24}
    crc, compressed, size = _DESCRIPTORS[rest].unpack(descriptor)
    if (signed and not descriptor.startswith(b"PK\x07\x08")) or (crc, compressed, size) != (
        entry.crc,
        entry.compressed_bytes,
        entry.size_bytes,
    ):
        _contradiction(entry, "data descriptor and directory differ")


def _pieces(archive: int, entry: _Entry, start: int, guard: RatioGuard) -> Iterator[memoryview]:
    """Yield the entry's bytes; raises PackageRejected unless they are exactly as declared."""
    guard.begin(entry.path, entry.compressed_bytes)
    crc = 0
    size_bytes = 0
    try:
        for piece in _decompressed(archive, entry, start):
            size_bytes += len(piece)
            guard.count(len(piece))
            if size_bytes > entry.size_bytes:
                _contradiction(entry, "the content is longer than declared")
            crc = zlib.crc32(piece, crc)
            yield memoryview(piece)
    except (zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PackageRejected(
            ARCHIVE_DAMAGED.found(entry.path, detail="the compressed data is damaged")
        ) from None
    if size_bytes != entry.size_bytes:
        _contradiction(entry, "the content is shorter than declared")
    if crc != entry.crc:
        raise PackageRejected(ARCHIVE_DAMAGED.found(entry.path, detail="the CRC is wrong"))


def _decompressed(archive: int, entry: _Entry, start: int) -> Iterator[bytes]:
    decompressor: _Decompressor = _MAKERS[entry.method]()
    position, end = start, start + entry.compressed_bytes
    while position < end:
        data = os.pread(archive, min(_INPUT_BYTES, end - position), position)
        if not data:
            raise PackageRejected(ARCHIVE_DAMAGED.found(entry.path, detail="cut short"))
        position += len(data)
        piece = decompressor.feed(data)
        while piece:
            yield piece
            piece = decompressor.feed(b"")
    if not decompressor.ended or decompressor.pending():
        _contradiction(entry, "the compressed data does not end where declared")


class _Stored:
    """Method 0: the bytes as they are."""

    @property
    def ended(self) -> bool:
        return True

    def feed(self, data: bytes) -> bytes:
        return data

    def pending(self) -> bytes:
        return b""


class _Deflate:
    """Method 8, at most one piece at a time."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def ended(self) -> bool:
        return self._inner.eof

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, _PIECE_BYTES)

    def pending(self) -> bytes:
        return self._inner.unconsumed_tail + self._inner.unused_data


class _Bzip2:
    """Method 12, at most one piece at a time."""

    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()
        self._surplus = b""

    @property
    def ended(self) -> bool:
        return self._inner.eof

    def feed(self, data: bytes) -> bytes:
        if self._inner.eof:
            self._surplus += data
            return b""
        return self._inner.decompress(data, _PIECE_BYTES)

    def pending(self) -> bytes:
        return self._inner.unused_data + self._surplus


_MAKERS: dict[int, type[_Stored] | type[_Deflate] | type[_Bzip2]] = {
    0: _Stored,
    8: _Deflate,
    12: _Bzip2,
}


def _contradiction(entry: _Entry, detail: str) -> None:
    raise PackageRejected(ZIP_INCONSISTENT.found(entry.path, detail=detail))
