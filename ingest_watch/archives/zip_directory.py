"""Read a zip's central directory, and refuse every zip that two programs could read differently.

APPNOTE.TXT 6.3 sections 4.3 and 4.4; attack catalogue A22-A24, A28. The standard library trusts
the directory (CVE-2024-0450, CVE-2025-8291), so this reads it alone: exactly one end record, at the
very end; the directory right before it; entries that tile the rest of the file without overlap
or gap; each local header equal to its entry. Decompresses nothing: that is zip_contents.py.
"""

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ingest_watch.archives.entry_names import EntryRegister, entry_name
from ingest_watch.archives.zip_end import Directory, find_directory
from ingest_watch.archives.zip_fields import ZipNames, extra_fields, zip64_values
from ingest_watch.findings import Finding, PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.listing import Listing
from ingest_watch.mode_remarks import ModeRemarks
from ingest_watch.opening_rules import (
    ARCHIVE_DAMAGED,
    ENCRYPTED,
    LINK,
    PATH_UNCLEAR,
    SPECIAL,
    TOO_MANY_FILES,
    ZIP_INCONSISTENT,
    ZIP_OVERLAP,
    ZIP_UNSUPPORTED,
)
from storage.whole_reads import read_range

METHODS = frozenset({0, 8, 12})  # stored, deflate, bzip2

FLAG_ENCRYPTED = 0x0001
FLAG_DESCRIPTOR = 0x0008
FLAG_PATCH = 0x0020
FLAG_STRONG = 0x0040
FLAG_UTF8 = 0x0800
FLAG_MASKED = 0x2000

# Signature, made by (version, system), needed (version, system), flags, method, time, date, CRC,
# sizes, lengths of name, extra and comment, disk, internal and external attributes, offset.
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_READ_BYTES = 1024 * 1024
_UNIX, _MACOS = 3, 19
_KIND_OF_FOLDER = 0x10  # MS-DOS attribute

_TABLE = """
CREATE TEMP TABLE zip_entry (
    start_bytes INTEGER PRIMARY KEY,  -- of the local header
    path TEXT, raw BLOB, is_folder INTEGER, flags INTEGER, method INTEGER, crc INTEGER,
    compressed_bytes INTEGER, size_bytes INTEGER
)
"""


@dataclass(frozen=True, slots=True)
class CentralEntry:
    """One entry of the central directory, zip64 resolved."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed_bytes: int
    size_bytes: int
    start_bytes: int
    made_on: int
    external: int
    extra: dict[int, bytes]


def read_zip(
    archive: int,
    register: EntryRegister,
    listing: Listing,
    limits: IntakeLimits,
    names_encoding: str | None = None,
) -> tuple[Finding, ...]:
    """Name every entry in `register`, and keep what the local headers must say.

    Returns remarks on names that were not UTF-8, and on modes. Raises PackageRejected.
    """
    directory = find_directory(archive, os.fstat(archive).st_size)
    if directory.entry_count > 2 * limits.files_max:  # so many files, and so many folders
        raise PackageRejected(TOO_MANY_FILES.found(limit=limits.files_max))
    listing.query(_TABLE)
    names, modes = ZipNames(names_encoding), ModeRemarks()
    for entry in _entries(archive, directory):
        _refuse(entry)
        text = names.decode(entry.raw_name, entry.extra, utf8=bool(entry.flags & FLAG_UTF8))
        name = entry_name(entry.raw_name, text, limits)
        if name is None:
            raise PackageRejected(ZIP_INCONSISTENT.found(detail="an entry without a name"))
        if "\\" in name.path and entry.made_on not in {_UNIX, _MACOS}:
            # Written where a backslash separates folders: some programs would unpack it so.
            raise PackageRejected(PATH_UNCLEAR.found(name.path))
        is_folder = _is_folder(entry, named_so=name.is_folder)
        if entry.made_on in {_UNIX, _MACOS} and not is_folder:
            modes.see(name.path, entry.external >> 16)
        register.add(name, entry.size_bytes, is_folder=is_folder)
        _keep(listing, entry, name.path, is_folder=is_folder)
    listing.query("CREATE TEMP TABLE zip_directory AS SELECT ? AS start_bytes", directory.start)
    return (*names.remarks(), *modes.remarks())


def zip_names(archive: int) -> Iterator[str]:
    """Yield the names in an archive's directory as text, judging nothing but that it is one.

    Raises PackageRejected for what is no zip, or one whose directory cannot be read.
    """
    names = ZipNames()
    for entry in _entries(archive, find_directory(archive, os.fstat(archive).st_size)):
        text = names.decode(entry.raw_name, entry.extra, utf8=bool(entry.flags & FLAG_UTF8))
        if text is not None:
            yield text


def _entries(archive: int, directory: Directory) -> Iterator[CentralEntry]:
    """Yield the entries in directory order; they must fill it exactly."""
    window_start = directory.start
    window = b""
    position = 0  # in the window
    for _ in range(directory.entry_count):
        # The largest possible entry always fits, unless the directory itself ends.
        if len(window) - position < _CENTRAL.size + 3 * 0xFFFF:
            window_start += position
            count = min(_READ_BYTES, directory.end - window_start)
            window = read_range(archive, count, window_start)
            position = 0
        entry, length = _parse(window, position)
        yield entry
        position += length
    if window_start + position != directory.end:
        raise PackageRejected(
            ZIP_INCONSISTENT.found(detail="the directory is longer than its entries")
        )


def _parse(data: bytes, position: int) -> tuple[CentralEntry, int]:
    if len(data) - position < _CENTRAL.size or not data.startswith(b"PK\x01\x02", position):
        raise PackageRejected(ARCHIVE_DAMAGED.found(detail="a directory entry is missing"))
    (
        _, _, made_on, _, _, flags, method, _, _, crc, compressed, size, name_bytes, extra_bytes,
        comment_bytes, disk, _, external, start,
    ) = _CENTRAL.unpack_from(data, position)  # fmt: skip
    length = _CENTRAL.size + name_bytes + extra_bytes + comment_bytes
    if len(data) - position < length:
        raise PackageRejected(ARCHIVE_DAMAGED.found(detail="a directory entry is cut short"))
    extra_start = position + _CENTRAL.size + name_bytes
    raw_name = data[position + _CENTRAL.size : extra_start]
    extra = extra_fields(data[extra_start : extra_start + extra_bytes])
    size, compressed, start, disk = zip64_values(
        extra, (size, 8), (compressed, 8), (start, 8), (disk, 4)
    )
    if disk != 0:
        raise PackageRejected(ZIP_UNSUPPORTED.found(detail="several disks"))
    entry = CentralEntry(
        raw_name, flags, method, crc, compressed, size, start, made_on, external, extra
    )
    return entry, length


def _refuse(entry: CentralEntry) -> None:
    shown_name = entry.raw_name.decode("utf-8", "replace")[-200:]
    if entry.flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED):
        raise PackageRejected(ENCRYPTED.found(shown_name))
    if entry.flags & FLAG_PATCH or entry.method not in METHODS:
        detail = f"method {entry.method}"
        raise PackageRejected(ZIP_UNSUPPORTED.found(shown_name, detail=detail))
    if entry.made_on not in {_UNIX, _MACOS}:
        return
    kind = stat.S_IFMT(entry.external >> 16)
    if kind == stat.S_IFLNK:
        raise PackageRejected(LINK.found(shown_name))
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise PackageRejected(SPECIAL.found(shown_name))


def _is_folder(entry: CentralEntry, *, named_so: bool) -> bool:
    """A folder is what is named with a slash; one that claims otherwise is refused."""
    unix_kind = stat.S_IFMT(entry.external >> 16) if entry.made_on in {_UNIX, _MACOS} else 0
    claimed = unix_kind == stat.S_IFDIR or (
        unix_kind == 0 and bool(entry.external & _KIND_OF_FOLDER)
    )
    if claimed and not named_so:
        raise PackageRejected(
            ZIP_INCONSISTENT.found(detail="an entry is a folder, and is named as a file")
        )
    if named_so and (unix_kind == stat.S_IFREG or entry.size_bytes != 0):
        raise PackageRejected(
            ZIP_INCONSISTENT.found(detail="an entry is named as a folder, and has content")
        )
    return named_so


def _keep(listing: Listing, entry: CentralEntry, path: str, *, is_folder: bool) -> None:
    known = listing.query(
        "INSERT OR IGNORE INTO zip_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        entry.start_bytes, path, entry.raw_name, is_folder, entry.flags, entry.method, entry.crc,
        entry.compressed_bytes, entry.size_bytes,
    )  # fmt: skip
    if known.rowcount == 0:
        raise PackageRejected(ZIP_OVERLAP.found(path))
