"""Read tar headers: POSIX ustar and pax, and GNU long names; ordinary files and folders only.

POSIX.1-2017 pax, "ustar Interchange Format"; attack catalogue A6, A8, A29, A30. The standard
library's reader loops on negative sizes (CVE-2025-8194) and rewrites names, so this is our own,
and refuses what it does not know instead of guessing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest_watch.archives.tar_streams import TarStream
from ingest_watch.findings import PackageRejected
from ingest_watch.opening_rules import (
    ARCHIVE_DAMAGED,
    ARCHIVE_TRAILING,
    LINK,
    SPECIAL,
    TAR_UNSUPPORTED,
)

BLOCK_BYTES = 512
# A path has 1 KiB; this leaves room for extended attributes that are read over.
_EXTENDED_BYTES_MAX = 1024 * 1024
_ZEROS = bytes(BLOCK_BYTES)
_FILES = b"0\0" + b"7"
_LINKS, _SPECIALS = b"12", b"346"
_OCTAL = re.compile(rb"[0-7]+")


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One entry, its content next in the stream."""

    raw_name: bytes
    size_bytes: int
    is_folder: bool
    mode: int = 0


@dataclass(slots=True)
class _Extension:
    """What extended headers say about the next entry."""

    raw_name: bytes | None = None
    size_bytes: int | None = None


class TarHeaders:
    """Walks the headers of one tar. The caller reads or skips each content, not the padding."""

    def __init__(self, stream: TarStream) -> None:
        self._stream = stream

    def entries(self) -> Iterator[TarEntry]:
        """Yield each file and folder; raises PackageRejected for anything else."""
        extension = _Extension()
        while (header := self._header()) is not None:
            kind = header[156:157]
            size_bytes = _number(header[124:136])
            if kind in b"xgLK":
                self._extend(extension, kind, self._extended(size_bytes))
                continue
            entry = _entry(header, size_bytes, extension)
            extension = _Extension()
            yield entry
            self._stream.skip(-entry.size_bytes % BLOCK_BYTES)
        if extension != _Extension():
            raise PackageRejected(ARCHIVE_DAMAGED.found(detail="a header without its entry"))
        self._expect_end()

    def _header(self) -> bytes | None:
        """Return the next header, checked, or None at the end mark."""
        header = self._exactly(BLOCK_BYTES)
        if header == _ZEROS:
            return None
        stored = _number(header[148:156])
        blanked = header[:148] + b" " * 8 + header[156:]
        if stored != sum(blanked) and stored != _signed_sum(blanked):
            raise PackageRejected(ARCHIVE_DAMAGED.found(detail="a header's checksum is wrong"))
        return header

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._stream.read(count - len(data))
            if not piece:
                raise PackageRejected(ARCHIVE_DAMAGED.found(detail="it ends in the middle"))
            data += piece
        return data

    def _extended(self, size_bytes: int) -> bytes:
        if size_bytes > _EXTENDED_BYTES_MAX:
            raise PackageRejected(TAR_UNSUPPORTED.found(detail="an endless extended header"))
        data = self._exactly(size_bytes)
        self._stream.skip(-size_bytes % BLOCK_BYTES)
        return data

    def _extend(self, extension: _Extension, kind: bytes, data: bytes) -> None:
        if kind == b"L":
            extension.raw_name = data.rstrip(b"\0")
        elif kind != b"K":  # a link's target: the link itself is refused when it comes
            for key, value in _pax_records(data):
                _apply(extension, key, value, for_all=kind == b"g")

    def _expect_end(self) -> None:
        """After the end mark only zeros may follow: tars are padded to their record size."""
        while piece := self._stream.read(1024 * 1024):
            if piece.count(0) != len(piece):
                raise PackageRejected(ARCHIVE_TRAILING.found(detail="behind the end mark"))


def _signed_sum(data: bytes) -> int:
    """Some old programs summed their headers as signed characters."""
    return sum(byte - 256 if byte > 127 else byte for byte in data)


def _entry(header: bytes, size_bytes: int, extension: _Extension) -> TarEntry:
    raw_name = extension.raw_name if extension.raw_name is not None else _name(header)
    if extension.size_bytes is not None:
        size_bytes = extension.size_bytes
    kind = header[156:157]
    path = raw_name.decode("utf-8", "replace")[-200:]
    if kind in _LINKS:
        raise PackageRejected(LINK.found(path))
    if kind in _SPECIALS:
        raise PackageRejected(SPECIAL.found(path))
    is_folder = kind == b"5" or (kind in _FILES and raw_name.endswith(b"/"))
    if kind not in _FILES and kind != b"5":
        detail = "sparse files" if kind == b"S" else f"entry type {kind!r}"
        raise PackageRejected(TAR_UNSUPPORTED.found(path, detail=detail))
    if is_folder and size_bytes != 0:
        raise PackageRejected(TAR_UNSUPPORTED.found(path, detail="a folder with content"))
    return TarEntry(raw_name, size_bytes, is_folder, _mode(header))


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0]
    # GNU's own format keeps other things where ustar has the prefix.
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _number(field: bytes) -> int:
    """Return an octal or, as GNU and star write large ones, a binary number; never a negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if digits.translate(None, b"01234567"):
        raise PackageRejected(ARCHIVE_DAMAGED.found(detail="a header holds no number"))
    return int(digits, 8)


def _mode(header: bytes) -> int:
    digits = header[100:108].strip(b" \0")
    return int(digits, 8) if _OCTAL.fullmatch(digits) else 0


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records "length key=value\\n" of an extended header."""
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        digits = data[position:space] if space > 0 else b""
        length = int(digits) if digits.isdigit() else 0
        record = data[space + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or position + length > len(data):
            raise PackageRejected(ARCHIVE_DAMAGED.found(detail="an extended header is malformed"))
        yield key, value[:-1]
        position += length


def _apply(extension: _Extension, key: bytes, value: bytes, *, for_all: bool) -> None:
    if key.startswith(b"GNU.sparse"):
        raise PackageRejected(TAR_UNSUPPORTED.found(detail="sparse files"))
    if key not in {b"path", b"size"}:
        return
    if for_all:
        raise PackageRejected(TAR_UNSUPPORTED.found(detail="one name or size for all entries"))
    if key == b"path":
        extension.raw_name = value
    elif value.isdigit() and len(value) <= 20:
        extension.size_bytes = int(value)
    else:
        raise PackageRejected(ARCHIVE_DAMAGED.found(detail="a size is no number"))
