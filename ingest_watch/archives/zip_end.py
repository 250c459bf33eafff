"""Find a zip's central directory from the one end record that the file ends with.

APPNOTE.TXT 6.3 sections 4.3.14-4.3.16; attack catalogue A23. A file in which two end records could
be meant, or in which anything follows or contradicts the end record, is refused.
"""

import struct
from dataclasses import dataclass

from ingest_watch.findings import PackageRejected
from ingest_watch.opening_rules import (
    ARCHIVE_DAMAGED,
    ARCHIVE_TRAILING,
    ZIP_INCONSISTENT,
    ZIP_UNSUPPORTED,
)
from storage.whole_reads import read_range

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_COMMENT_BYTES_MAX = 0xFFFF
_SIGNATURE = b"PK\x05\x06"
# What precedes `size of record` and is not counted in it.
_END64_UNCOUNTED_BYTES = 12


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory lies, in bytes from the start of the file."""

    start: int
    end: int
    entry_count: int


def find_directory(archive: int, archive_bytes: int) -> Directory:
    """Return the directory; raises PackageRejected unless there is exactly one reading."""
    end_start = _end_record(archive, archive_bytes)
    _, disk, start_disk, disk_entries, entries, size, start, _ = _END.unpack(
        read_range(archive, _END.size, end_start)
    )
    directory_end = end_start
    located = (
        _LOCATOR.size <= end_start
        and read_range(archive, 4, end_start - _LOCATOR.size) == b"PK\x06\x07"
    )
    limits = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    short = (disk, start_disk, disk_entries, entries, size, start)
    if located:
        directory_end, long = _end64(archive, end_start)
        for value, limit, meant in zip(short, limits, long, strict=True):
            if value not in {limit, meant}:
                _contradiction("the two end records differ")
        disk, start_disk, disk_entries, entries, size, start = long
    elif any(value == limit for value, limit in zip(short[4:], limits[4:], strict=True)):
        _contradiction("a zip64 end record is announced and missing")
    if disk != 0 or start_disk != 0 or disk_entries != entries:
        raise PackageRejected(ZIP_UNSUPPORTED.found(detail="several disks"))
    if start + size != directory_end:
        detail = "before the first entry, or before the end record"
        raise PackageRejected(ARCHIVE_TRAILING.found(detail=detail))
    return Directory(start, directory_end, entries)


def _end_record(archive: int, archive_bytes: int) -> int:
    """Return where the only end record starts that fits the end of the file."""
    tail_start = max(0, archive_bytes - _END.size - _COMMENT_BYTES_MAX)
    tail = read_range(archive, archive_bytes - tail_start, tail_start)
    fitting: list[int] = []
    seen = False
    position = tail.find(_SIGNATURE)
    while position >= 0:
        seen = True
        record = tail[position : position + _END.size]
        if len(record) == _END.size:
            comment_bytes = _END.unpack(record)[-1]
            if position + _END.size + comment_bytes == len(tail):
                fitting.append(position)
        position = tail.find(_SIGNATURE, position + 1)
    if not fitting:
        if seen:
            raise PackageRejected(ARCHIVE_TRAILING.found(detail="after the end record"))
        raise PackageRejected(ARCHIVE_DAMAGED.found(detail="the end record is missing"))
    if len(fitting) > 1 or _SIGNATURE in tail[fitting[0] + _END.size :]:
        _contradiction("it has more than one end record")
    return tail_start + fitting[0]


def _end64(archive: int, end_start: int) -> tuple[int, tuple[int, int, int, int, int, int]]:
    """Return where the zip64 end record starts, and its six values in the old record's order."""
    locator_start = end_start - _LOCATOR.size
    _, locator_disk, start, disks = _LOCATOR.unpack(
        read_range(archive, _LOCATOR.size, locator_start)
    )
    record = read_range(archive, _END64.size, start) if start < locator_start else b""
    if len(record) != _END64.size or not record.startswith(b"PK\x06\x06"):
        _contradiction("the zip64 locator points to nothing")
    _, length, _, _, disk, start_disk, disk_entries, entries, size, directory = _END64.unpack(
        record
    )
    if start + _END64_UNCOUNTED_BYTES + length != locator_start:
        _contradiction("the zip64 end record does not end at its locator")
    if locator_disk != 0 or disks > 1:
        raise PackageRejected(ZIP_UNSUPPORTED.found(detail="several disks"))
    return start, (disk, start_disk, disk_entries, entries, size, directory)


def _contradiction(detail: str) -> None:
    raise PackageRejected(ZIP_INCONSISTENT.found(detail=detail))
