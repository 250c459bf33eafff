"""Turn what was seen of a file into damage with its evidence: how much is wrong, and where.

docs/operations/repair.md, "Evidence". Reads file lists and block lists to say more; whether a file
is damaged at all was decided before, by check_object.py.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.file_list import FileListInvalid, read_file_list
from storage.model import FileEntry, ObservedDigest
from storage.sweep.bad_range import bad_blocks, unreadable_range
from storage.sweep.evidence import BadRange, Evidence
from storage.sweep.model import Damage, DamageKind, ObjectToCheck

_FILE_LIST = "lantai/files.jsonl"


@dataclass(frozen=True, slots=True)
class Seen:
    observed: ObservedDigest
    size_bytes: int
    content: bytes | None  # of small files that were asked for
    leaves: bytes = b""  # of its blocks, where it was looked at a second time


@dataclass(frozen=True, slots=True)
class Altered:
    """A file that is not what was signed, both times it was looked at."""

    sha256: str  # signed
    seen: Seen


class Judge:
    """Of the files of one copy."""

    def __init__(self, target: ObjectToCheck) -> None:
        self._target = target
        self._device = _device(target.folder)

    def altered(self, altered: dict[str, Altered]) -> Iterator[Damage]:
        """Say which of the altered files were cut, and where: each version's file list tells."""
        versions = {path.partition("/")[0] for path in altered}
        entries = {
            path: entry
            for version in sorted(versions)
            for path, entry in self._signed_entries(version, altered)
        }
        for path, found in altered.items():
            entry, actual_bytes = entries.get(path), found.seen.size_bytes
            cut = actual_bytes == 0 or (entry is not None and actual_bytes < entry.size_bytes)
            kind = DamageKind.TRUNCATED if cut else DamageKind.ALTERED
            expected = "" if entry is None else f" of {entry.size_bytes}"
            detail = f"another SHA-256 than the inventory's; {actual_bytes}{expected} bytes"
            where = None if entry is None else self._where(path, entry, found.seen)
            signed_bytes = None if entry is None else entry.size_bytes
            evidence = self.evidence(found.sha256, found.seen, signed_bytes, where)
            yield Damage(kind, path, detail, evidence)

    def _signed_entries(
        self, version: str, wanted: dict[str, Altered]
    ) -> Iterator[tuple[str, FileEntry]]:
        prefix = f"{version}/content/"
        if prefix + _FILE_LIST in wanted:
            return
        try:
            for entry in read_file_list(self._target.folder / prefix / _FILE_LIST):
                if prefix + entry.path in wanted:
                    yield prefix + entry.path, entry
        except (OSError, FileListInvalid):
            return

    def _where(self, path: str, entry: FileEntry, seen: Seen) -> BadRange | None:
        if self._target.blocks is None:
            return None
        leaves_file = self._target.blocks / f"{path}.leaves"
        return bad_blocks(entry, leaves_file, seen.leaves, seen.size_bytes)

    def evidence(
        self,
        sha256: str | None,
        seen: Seen | None,
        expected_bytes: int | None = None,
        where: BadRange | None = None,
        number: int | None = None,
    ) -> Evidence:
        return Evidence(
            expected_sha256=sha256,
            observed=None if seen is None else seen.observed,
            expected_bytes=expected_bytes,
            observed_bytes=None if seen is None else seen.size_bytes,
            first_bad_offset=None if where is None else where.first_offset,
            bad_end_offset=None if where is None else where.end_offset,
            granularity_bytes=None if where is None else where.granularity_bytes,
            bad_blocks=None if where is None else where.blocks,
            errno=number,
            device=self._device,
        )

    def unread(self, error: OSError, path: str, read_bytes: int) -> Damage:
        evidence = self.evidence(None, None, number=error.errno)
        if is_gone(error):
            detail = "the inventory names it, the disk has no such file"
            return Damage(DamageKind.MISSING, path, detail, evidence)
        if error.errno == errno.ELOOP:
            detail = "a symbolic link stands in its place"
            return Damage(DamageKind.MISSING, path, detail, evidence)
        where = unreadable_range(self._target.folder / path, read_bytes)
        evidence = self.evidence(None, None, where=where, number=error.errno)
        reason = error.strerror or str(error)
        detail = f"{reason}, after {read_bytes} bytes"
        return Damage(DamageKind.UNREADABLE, path, detail, evidence)


def is_gone(error: OSError) -> bool:
    """Whether nothing is there, and not only nothing to be read."""
    return error.errno in {errno.ENOENT, errno.ENOTDIR}


def _device(folder: Path) -> str | None:
    try:
        device = folder.lstat().st_dev
    except OSError:
        return None
    return f"{os.major(device)}:{os.minor(device)}"
