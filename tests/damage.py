"""Damage as disks, controllers and people do it to files, each with a name.

Sizes and modification times are put back where the damage would not show in them either.
"""

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

SECTOR_BYTES = 512
PAGE_BYTES = 4096
CHUNK_BYTES = 64 * 1024
STRAY_SUFFIX = ".stray"
RENAMED_SUFFIX = ".renamed"


class DamageCase(StrEnum):
    """Twelve ways in which what is read is not what was written."""

    BIT = "bit"
    SECTOR = "512 B"
    PAGE = "4 KiB"
    CHUNK = "64 KiB"
    TRUNCATION = "truncation"
    EXTENSION = "extension"
    ZERO_LENGTH = "zero-length"
    MISDIRECTED = "misdirected block"
    OLD_BLOCK = "old block returned"
    DELETION = "deletion"
    RENAME = "rename"
    STRAY = "stray"


OVERWRITTEN_BYTES = {
    DamageCase.SECTOR: SECTOR_BYTES,
    DamageCase.PAGE: PAGE_BYTES,
    DamageCase.CHUNK: CHUNK_BYTES,
}


def is_meaningful(case: DamageCase, size_bytes: int) -> bool:
    """Whether this damages a file of this size otherwise than the next smaller one did."""
    smaller = {
        DamageCase.SECTOR: 1,
        DamageCase.PAGE: SECTOR_BYTES,
        DamageCase.CHUNK: PAGE_BYTES,
    }
    return size_bytes > smaller.get(case, 0)


def damage(case: DamageCase, file: Path, offset: int = 0) -> None:
    """Do it to `file`, at `offset` where there is a place to choose."""
    status = file.stat()
    file.chmod(0o640)
    offset = min(offset, max(0, status.st_size - 1))
    _ACTS[case](file, offset)
    if case in OVERWRITTEN_BYTES or case in _SILENT:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    if file.exists():
        _sync(file)


def _flip(file: Path, offset: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        byte = stream.read(1)[0]
        stream.seek(offset)
        stream.write(bytes([byte ^ 0x10]))


def _overwriter(length: int) -> Callable[[Path, int], None]:
    def overwrite(file: Path, offset: int) -> None:
        size = file.stat().st_size
        start = max(0, min(offset, size - length))
        _replace(file, start, os.urandom(min(length, size)))

    return overwrite


def _misdirect(file: Path, offset: int) -> None:
    """A page that belongs elsewhere on the disk: one of the same kind, with another number."""
    size = file.stat().st_size
    start = max(0, min(offset, size - PAGE_BYTES))
    _replace(file, start, (b"<page of another file>" * 200)[: min(PAGE_BYTES, size)])


def _return_old(file: Path, offset: int) -> None:
    """What lay there before this was written: on a new disk, nothing."""
    size = file.stat().st_size
    start = max(0, min(offset, size - PAGE_BYTES))
    _replace(file, start, bytes(min(PAGE_BYTES, size)))


def _truncate(file: Path, offset: int) -> None:
    os.truncate(file, offset if offset > 0 else file.stat().st_size // 2)


def _extend(file: Path, _offset: int) -> None:
    with file.open("ab") as stream:
        stream.write(b"\0" * 77)


def _empty(file: Path, _offset: int) -> None:
    os.truncate(file, 0)


def _delete(file: Path, _offset: int) -> None:
    file.unlink()


def _rename(file: Path, _offset: int) -> None:
    file.rename(file.with_name(file.name + RENAMED_SUFFIX))


def _plant(file: Path, _offset: int) -> None:
    file.with_name(file.name + STRAY_SUFFIX).write_bytes(b"nobody sent this")


def _replace(file: Path, start: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(start)
        stream.write(data)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_SILENT = frozenset({DamageCase.BIT, DamageCase.MISDIRECTED, DamageCase.OLD_BLOCK})
_ACTS: dict[DamageCase, Callable[[Path, int], None]] = {
    DamageCase.BIT: _flip,
    DamageCase.SECTOR: _overwriter(SECTOR_BYTES),
    DamageCase.PAGE: _overwriter(PAGE_BYTES),
    DamageCase.CHUNK: _overwriter(CHUNK_BYTES),
    DamageCase.TRUNCATION: _truncate,
    DamageCase.EXTENSION: _extend,
    DamageCase.ZERO_LENGTH: _empty,
    DamageCase.MISDIRECTED: _misdirect,
    DamageCase.OLD_BLOCK: _return_old,
    DamageCase.DELETION: _delete,
    DamageCase.RENAME: _rename,
    DamageCase.STRAY: _plant,
}
