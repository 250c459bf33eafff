"""Judge one stored copy, every byte of it and whatever lies beside, against what was signed.

OCFL 1.1 section 3 (what an object may hold); docs/formats/volume.md. The one fact taken on trust
is the digest of the root inventory, which comes from outside the object. Damage is returned, never
raised, and nothing is condemned on one look. Changes nothing: repair is somebody else's affair.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from storage.blocks import BlockHasher
from storage.file_list import FileListInvalid, read_file_list
from storage.medium import MediumReader, StillCachedError
from storage.model import FileEntry, ObservedDigest, VerifyMode
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    SIDECAR_NAME,
    sidecar,
)
from storage.ocfl.inventory_stream import InventoryUnreadable, digests_and_paths
from storage.sweep.bad_range import bad_blocks, unreadable_range
from storage.sweep.evidence import BadRange, Evidence
from storage.sweep.expected_paths import ExpectedPaths
from storage.sweep.model import Damage, DamageKind, ObjectCheck, ObjectToCheck

# An object with more is to be replaced whole; the list need not be longer, nor the reading.
DAMAGES_MAX = 100

# Lantai's own records of an object, outside its versions (OCFL 1.1 section 3.3).
_LOGS_FOLDER = "logs"
# Up to here an inventory is parsed at once, which is many times faster than as a stream.
_SMALL_INVENTORY_BYTES = 1024 * 1024
_FILE_LIST = "lantai/files.jsonl"

# Told how many bytes each read gave; counts, pauses, or raises SweepStopped.
Pace = Callable[[int], None]


class SweepStopped(Exception):
    """The sweep was told to stop in the middle of an object; what was seen so far says nothing."""


class _EnoughSeenError(Exception):
    """The object has so much damage that reading on serves nobody."""


@dataclass(frozen=True, slots=True)
class _Seen:
    observed: ObservedDigest
    size_bytes: int
    content: bytes | None  # of small files that were asked for
    leaves: bytes = b""  # of its blocks, where it was looked at a second time


def check_object(target: ObjectToCheck, reader: MediumReader, pace: Pace) -> ObjectCheck:
    """Read the whole copy from the medium and say everything that is wrong with it.

    `finished` is False when it was stopped, when a file could not be read past the cache, or when
    the object was replaced meanwhile: then it has to be checked again.
    """
    check = _Check(target, reader, pace)
    before = _identity(target.folder)
    try:
        check.run()
        finished = True
    except _EnoughSeenError:
        finished = True
    except (SweepStopped, StillCachedError):
        finished = False
    return ObjectCheck(
        object_id=target.object_id,
        inventory_sha256=target.inventory_sha256,
        damages=tuple(check.damages),
        read_bytes=check.read_bytes,
        file_count=check.file_count,
        second_looks=check.second_looks,
        finished=finished and _identity(target.folder) == before,
    )


def _device(folder: Path) -> str | None:
    try:
        device = folder.lstat().st_dev
    except OSError:
        return None
    return f"{os.major(device)}:{os.minor(device)}"


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Check:
    """One run over one object; used once."""

    def __init__(self, target: ObjectToCheck, reader: MediumReader, pace: Pace) -> None:
        self._target = target
        self._reader = reader
        self._pace = pace
        self._expected = ExpectedPaths()
        self._device = _device(target.folder)
        self.damages: list[Damage] = []
        self.read_bytes = 0
        self.file_count = 0
        self.second_looks = 0

    def run(self) -> None:
        try:
            mode = self._target.folder.lstat().st_mode
        except OSError as error:
            kind = DamageKind.OBJECT_MISSING if _is_gone(error) else DamageKind.UNREADABLE
            self._add(kind, "", error.strerror or str(error))
            return
        if not stat.S_ISDIR(mode):
            self._add(
                DamageKind.OBJECT_MISSING, "", "in its place lies something that is no folder"
            )
            return
        self._check_declaration()
        inventory = self._check_inventories()
        if inventory is None:
            return
        self._check_content(inventory)
        self._expected.seal()
        self._find_strays()

    def _check_declaration(self) -> None:
        self._expected.add_file(OBJECT_DECLARATION_NAME)
        expected = hashlib.sha256(OBJECT_DECLARATION).hexdigest()
        self._check_file(OBJECT_DECLARATION_NAME, expected, DamageKind.ALTERED)

    def _check_inventories(self) -> "_Inventory | None":
        """Check every inventory and sidecar; the first that has the signed digest, or None."""
        trusted: _Inventory | None = None
        for prefix in ("", f"v{self._target.head}/"):
            path = prefix + INVENTORY_NAME
            seen = self._check_file(
                path, self._target.inventory_sha256, DamageKind.INVENTORY_DAMAGED, keep=True
            )
            if seen is not None and trusted is None:
                trusted = _Inventory(self._target.folder / path, seen.content)
            signed = hashlib.sha256(sidecar(self._target.inventory_sha256)).hexdigest()
            self._check_file(prefix + SIDECAR_NAME, signed, DamageKind.SIDECAR_DAMAGED)
            self._expected.add_file(path)
            self._expected.add_file(prefix + SIDECAR_NAME)
        for version in range(1, self._target.head):
            self._check_earlier_inventory(f"v{version}/")
        return trusted

    def _check_earlier_inventory(self, prefix: str) -> None:
        """An earlier version's inventory is signed by its own sidecar, and by older answers."""
        self._expected.add_file(prefix + INVENTORY_NAME)
        self._expected.add_file(prefix + SIDECAR_NAME)
        seen = self._look(prefix + INVENTORY_NAME, keep=False)
        if isinstance(seen, Damage):
            self._append(replace(seen, kind=DamageKind.INVENTORY_DAMAGED))
            return
        # Not a baseline: the two are held against each other, and differ if either is damaged.
        signed = hashlib.sha256(sidecar(seen.observed.hexadecimal)).hexdigest()
        self._check_file(prefix + SIDECAR_NAME, signed, DamageKind.SIDECAR_DAMAGED)

    def _check_content(self, inventory: "_Inventory") -> None:
        altered: dict[str, _Altered] = {}
        try:
            for sha256, path in inventory.manifest():
                self._expected.add_file(path)
                self.file_count += 1
                seen = self._check_file(path, sha256, None)
                if seen is not None and not seen.observed.is_that_of(sha256):
                    altered[path] = _Altered(sha256, seen)
                    if len(altered) + len(self.damages) >= DAMAGES_MAX:
                        raise _EnoughSeenError
        except InventoryUnreadable as error:
            # Its digest is the signed one, so it was written like this: no disk's fault.
            self._add(DamageKind.INVENTORY_DAMAGED, INVENTORY_NAME, str(error))
        finally:
            self._judge_altered(altered)

    def _judge_altered(self, altered: "dict[str, _Altered]") -> None:
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
            evidence = self._evidence(found.sha256, found.seen, signed_bytes, where)
            self.damages.append(Damage(kind, path, detail, evidence))

    def _signed_entries(
        self, version: str, wanted: "dict[str, _Altered]"
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

    def _where(self, path: str, entry: FileEntry, seen: _Seen) -> BadRange | None:
        if self._target.blocks is None:
            return None
        leaves_file = self._target.blocks / f"{path}.leaves"
        return bad_blocks(entry, leaves_file, seen.leaves, seen.size_bytes)

    def _evidence(
        self,
        sha256: str | None,
        seen: _Seen | None,
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

    def _check_file(
        self, path: str, sha256: str, kind: DamageKind | None, *, keep: bool = False
    ) -> _Seen | None:
        """Look once, and again if it is wrong.

        With a `kind` every damage is reported as that, and None is returned; without one an
        altered file is returned as it was seen, for the caller to judge.
        """
        seen = self._look(path, keep=keep)
        if isinstance(seen, Damage) or not seen.observed.is_that_of(sha256):
            again = self._look(path, keep=keep, with_leaves=kind is None)
            if not isinstance(again, Damage) and again.observed.is_that_of(sha256):
                self.second_looks += 1
            seen = again
        if isinstance(seen, Damage):
            self._append(seen if kind is None else replace(seen, kind=_kind(kind, seen.kind)))
            return None
        if kind is not None and not seen.observed.is_that_of(sha256):
            detail = f"another SHA-256 than was signed; {seen.size_bytes} bytes"
            self._append(Damage(kind, path, detail, self._evidence(sha256, seen)))
            return None
        return seen

    def _look(self, path: str, *, keep: bool, with_leaves: bool = False) -> _Seen | Damage:
        try:
            return self._read(self._reader, path, keep=keep, with_leaves=with_leaves)
        except StillCachedError:
            # Someone reads the file at this moment; O_DIRECT goes past what they hold in memory.
            direct = MediumReader(VerifyMode.DIRECT)
            seen = self._read(direct, path, keep=keep, with_leaves=with_leaves)
            if isinstance(seen, Damage) and seen.kind is DamageKind.UNREADABLE:
                raise
            return seen

    def _read(
        self, reader: MediumReader, path: str, *, keep: bool, with_leaves: bool
    ) -> _Seen | Damage:
        digest = hashlib.sha256()
        blocks = BlockHasher() if with_leaves else None
        size_bytes = 0
        kept = bytearray()
        try:
            for chunk in reader.chunks(self._target.folder / path):
                digest.update(chunk)
                if blocks is not None:
                    blocks.update(chunk)
                size_bytes += len(chunk)
                if keep and size_bytes <= _SMALL_INVENTORY_BYTES:
                    kept += chunk
                self.read_bytes += len(chunk)
                self._pace(len(chunk))
        except OSError as error:
            return self._damage_of(error, path, size_bytes)
        small = keep and size_bytes <= _SMALL_INVENTORY_BYTES
        leaves = b"" if blocks is None else blocks.leaves()
        observed = ObservedDigest(digest.hexdigest())
        return _Seen(observed, size_bytes, bytes(kept) if small else None, leaves)

    def _damage_of(self, error: OSError, path: str, read_bytes: int) -> Damage:
        evidence = self._evidence(None, None, number=error.errno)
        if _is_gone(error):
            detail = "the inventory names it, the disk has no such file"
            return Damage(DamageKind.MISSING, path, detail, evidence)
        if error.errno == errno.ELOOP:
            detail = "a symbolic link stands in its place"
            return Damage(DamageKind.MISSING, path, detail, evidence)
        where = unreadable_range(self._target.folder / path, read_bytes)
        evidence = self._evidence(None, None, where=where, number=error.errno)
        reason = error.strerror or str(error)
        detail = f"{reason}, after {read_bytes} bytes"
        return Damage(DamageKind.UNREADABLE, path, detail, evidence)

    def _find_strays(self) -> None:
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(self._target.folder / folder) as entries:
                    pending += self._expected_folders(folder, entries)
            except OSError as error:
                self._add(DamageKind.UNREADABLE, folder, error.strerror or str(error))

    def _expected_folders(
        self, folder: str, entries: Iterable["os.DirEntry[str]"]
    ) -> Iterator[str]:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if self._expected.has_folder(path):
                    yield path
                elif path != _LOGS_FOLDER:
                    self._add(DamageKind.STRAY, path, "a folder that the inventory does not name")
            elif entry.is_symlink():
                self._add(DamageKind.STRAY, path, "a symbolic link; nothing in an object is one")
            elif not self._expected.has_file(path):
                self._add(DamageKind.STRAY, path, "a file that the inventory does not name")

    def _add(self, kind: DamageKind, path: str, detail: str) -> None:
        self._append(Damage(kind, path, detail))

    def _append(self, damage: Damage) -> None:
        self.damages.append(damage)
        if len(self.damages) >= DAMAGES_MAX:
            raise _EnoughSeenError


@dataclass(frozen=True, slots=True)
class _Altered:
    """A file that is not what was signed, both times it was looked at."""

    sha256: str  # signed
    seen: _Seen


class _Inventory:
    """An inventory whose digest was found to be the signed one."""

    def __init__(self, path: Path, content: bytes | None) -> None:
        self._path = path
        self._content = content

    def manifest(self) -> Iterator[tuple[str, str]]:
        """(digest, content path) of every file of every version. Raises InventoryUnreadable."""
        if self._content is None:
            with self._path.open("rb") as stream:
                yield from digests_and_paths(stream, "manifest")
            return
        try:
            manifest = json.loads(self._content)["manifest"].items()
            files = [(sha256.lower(), path) for sha256, paths in manifest for path in paths]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InventoryUnreadable(f"{self._path} is no inventory: {error!r}") from error
        yield from files


def _is_gone(error: OSError) -> bool:
    return error.errno in {errno.ENOENT, errno.ENOTDIR}


def _kind(wanted: DamageKind, actual: DamageKind) -> DamageKind:
    """A missing declaration is missing; a missing inventory or sidecar is damage of that kind."""
    return actual if wanted is DamageKind.ALTERED else wanted
