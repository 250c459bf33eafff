"""Judge one stored copy, every byte of it and whatever lies beside, against what was signed.

OCFL 1.1 section 3 (what an object may hold); docs/formats/volume.md. The one fact taken on trust
is the digest of the root inventory, which comes from outside the object. Damage is returned, never
raised, and nothing is condemned on one look. Changes nothing: repair is somebody else's affair.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from storage.blocks import BlockHasher
from storage.digests import sha256_of_file
from storage.medium import MediumReader, StillCachedError
from storage.model import ObservedDigest, VerifyMode
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    SIDECAR_NAME,
    content_path,
    sidecar,
)
from storage.ocfl.inventory_stream import InventoryUnreadable
from storage.sweep.expected_paths import ExpectedPaths
from storage.sweep.judging import Altered, Judge, Seen, is_gone
from storage.sweep.large_file import LargeFiles, Outcome
from storage.sweep.model import (
    CopyIdentity,
    Damage,
    DamageKind,
    ObjectCheck,
    ObjectToCheck,
    PassKind,
)
from storage.sweep.quick_look import absent, is_file_list, wrong_sizes
from storage.sweep.trail import Trail
from storage.sweep.trusted_inventory import SMALL_INVENTORY_BYTES, TrustedInventory
from storage.version_list import VERSION_LIST, VersionListInvalid, read_version_list

# An object with more is to be replaced whole; the list need not be longer, nor the reading.
DAMAGES_MAX = 100

# Lantai's own records of an object, outside its versions (OCFL 1.1 section 3.3).
_LOGS_FOLDER = "logs"

# Told 0 when a file is opened, and how many bytes each read gave; counts, pauses, or raises
# SweepStopped.
Pace = Callable[[int], None]


class SweepStopped(Exception):
    """The sweep was told to stop in the middle of an object; what was seen so far says nothing."""


class _EnoughSeenError(Exception):
    """The object has so much damage that reading on serves nobody."""


def check_object(
    target: ObjectToCheck,
    reader: MediumReader,
    pace: Pace,
    trail: Trail | None = None,
    kind: PassKind = PassKind.FULL,
) -> ObjectCheck:
    """Read the whole copy from the medium and say everything that is wrong with it.

    With a `trail` it goes on where an earlier check of the same pass was stopped. A quick look
    reads no content (quick_look.py).

    `finished` is False when it was stopped, when a file could not be read past the cache, or when
    the object was replaced meanwhile: then it has to be checked again.
    """
    check = _Check(target, reader, pace, trail)
    copy = copy_identity(target.folder)
    try:
        check.run(kind)
        finished = True
    except _EnoughSeenError:
        finished = True
    except (SweepStopped, StillCachedError):
        finished = False
    finished = finished and copy_identity(target.folder) == copy
    if trail is not None and finished:
        trail.end()
    return ObjectCheck(
        object_id=target.object_id,
        inventory_sha256=target.inventory_sha256,
        damages=tuple(check.damages),
        read_bytes=check.read_bytes,
        file_count=check.file_count,
        second_looks=check.second_looks,
        finished=finished,
        began_at="" if trail is None else trail.at.began_at,
        copy=copy,
    )


def copy_identity(folder: Path) -> CopyIdentity | None:
    """Which copy lies there now; None where none does."""
    try:
        status = folder.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


class _Check:
    """One run over one object; used once."""

    def __init__(
        self, target: ObjectToCheck, reader: MediumReader, pace: Pace, trail: Trail | None
    ) -> None:
        self._target = target
        self._reader = reader
        self._pace = pace
        self._trail = trail
        self._expected = ExpectedPaths()
        self._judge = Judge(target)
        self.damages: list[Damage] = []
        self.read_bytes = 0
        self.file_count = 0
        self.second_looks = 0

    def run(self, kind: PassKind) -> None:
        try:
            mode = self._target.folder.lstat().st_mode
        except OSError as error:
            lost = DamageKind.OBJECT_MISSING if is_gone(error) else DamageKind.UNREADABLE
            self._add(lost, "", error.strerror or str(error))
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
        if kind is PassKind.QUICK:
            self._look_at_content(inventory)
        else:
            self._check_content(inventory)
        self._expected.seal()
        self._find_strays()

    def _check_declaration(self) -> None:
        self._expected.add_file(OBJECT_DECLARATION_NAME)
        expected = hashlib.sha256(OBJECT_DECLARATION).hexdigest()
        self._check_file(OBJECT_DECLARATION_NAME, expected, DamageKind.ALTERED)

    def _check_inventories(self) -> TrustedInventory | None:
        """Check every inventory and sidecar; the first that has the signed digest, or None."""
        trusted: TrustedInventory | None = None
        for prefix in ("", f"v{self._target.head}/"):
            path = prefix + INVENTORY_NAME
            seen = self._check_file(
                path, self._target.inventory_sha256, DamageKind.INVENTORY_DAMAGED, keep=True
            )
            if seen is not None and trusted is None:
                trusted = TrustedInventory(self._target.folder / path, seen.content)
            signed = hashlib.sha256(sidecar(self._target.inventory_sha256)).hexdigest()
            self._check_file(prefix + SIDECAR_NAME, signed, DamageKind.SIDECAR_DAMAGED)
            self._expected.add_file(path)
            self._expected.add_file(prefix + SIDECAR_NAME)
        earlier = {} if trusted is None else self._signed_earlier(trusted)
        for version in range(1, self._target.head):
            self._check_earlier_inventory(f"v{version}/", earlier.get(version))
        return trusted

    def _signed_earlier(self, trusted: TrustedInventory) -> dict[int, str]:
        """Version → digest of its inventory, by the newest version's own list; empty without."""
        listed = content_path(VERSION_LIST, f"v{self._target.head}")
        named = (sha256 for sha256, path in trusted.manifest() if path == listed)
        try:
            if self._target.head == 1 or sha256_of_file(self._target.folder / listed) != next(
                named, None
            ):
                return {}
            digests = read_version_list(self._target.folder / listed, self._target.head)
        except (OSError, VersionListInvalid, InventoryUnreadable):
            return {}  # whatever is wrong with that file is found when its turn comes
        return dict(enumerate(digests, start=1))

    def _check_earlier_inventory(self, prefix: str, signed_sha256: str | None) -> None:
        """Against the signed digest; without one, inventory and sidecar against each other."""
        self._expected.add_file(prefix + INVENTORY_NAME)
        self._expected.add_file(prefix + SIDECAR_NAME)
        if signed_sha256 is not None:
            path = prefix + INVENTORY_NAME
            self._check_file(path, signed_sha256, DamageKind.INVENTORY_DAMAGED)
            expected = hashlib.sha256(sidecar(signed_sha256)).hexdigest()
            self._check_file(prefix + SIDECAR_NAME, expected, DamageKind.SIDECAR_DAMAGED)
            return
        seen = self._look(prefix + INVENTORY_NAME, keep=False)
        if isinstance(seen, Damage):
            self._append(replace(seen, kind=DamageKind.INVENTORY_DAMAGED))
            return
        # Not a baseline: the two are held against each other, and differ if either is damaged.
        signed = hashlib.sha256(sidecar(seen.observed.hexadecimal)).hexdigest()
        self._check_file(prefix + SIDECAR_NAME, signed, DamageKind.SIDECAR_DAMAGED)

    def _check_content(self, inventory: TrustedInventory) -> None:
        altered: dict[str, Altered] = {}
        try:
            for sha256, path in self._unread(inventory, altered):
                seen = self._check_file(path, sha256, None)
                if seen is not None and not seen.observed.is_that_of(sha256):
                    altered[path] = Altered(sha256, seen)
                    if len(altered) + len(self.damages) >= DAMAGES_MAX:
                        raise _EnoughSeenError
        except InventoryUnreadable as error:
            # Its digest is the signed one, so it was written like this: no disk's fault.
            self._add(DamageKind.INVENTORY_DAMAGED, INVENTORY_NAME, str(error))
        finally:
            self.damages += self._judge.altered(altered)

    def _unread(
        self, inventory: TrustedInventory, altered: dict[str, Altered]
    ) -> Iterator[tuple[str, str]]:
        """The files of the manifest, without those that are proven by a trail or by blocks."""
        trail = self._trail
        if trail is None:
            large, done, suspects = None, 0, frozenset[str]()
        else:
            large = LargeFiles(self._target, self._reader, trail, inventory, self._judge)
            done, suspects = trail.at.files_done, frozenset(trail.at.suspects)
        for number, (sha256, path) in enumerate(inventory.manifest()):
            self._expected.add_file(path)
            self.file_count += 1
            if number < done and path not in suspects:
                continue
            if large is None or not self._is_judged(large, path, number, altered):
                yield sha256, path
            if trail is not None and number >= done and trail.is_due:
                trail.after_file(number + 1, self._suspects(altered))

    def _is_judged(
        self, large: LargeFiles, path: str, number: int, altered: dict[str, Altered]
    ) -> bool:
        outcome = large.look(path, number, self._suspects(altered), self._count)
        if isinstance(outcome, Damage):
            self._append(outcome)
        elif outcome is Outcome.INTACT_AFTER_ALL:
            self.second_looks += 1
        return outcome is not Outcome.UNKNOWN

    def _suspects(self, altered: dict[str, Altered]) -> list[str]:
        return [*altered, *(damage.path for damage in self.damages)]

    def _count(self, read_bytes: int) -> None:
        self.read_bytes += read_bytes
        if self._trail is not None:
            self._trail.read(read_bytes)
        self._pace(read_bytes)

    def _look_at_content(self, inventory: TrustedInventory) -> None:
        try:
            for sha256, path in inventory.manifest():
                self._expected.add_file(path)
                self.file_count += 1
                if damage := absent(self._target.folder, path):
                    self._append(damage)
                elif is_file_list(path) and self._check_file(path, sha256, DamageKind.ALTERED):
                    for damage in wrong_sizes(self._target.folder, path, self._pace):
                        self._append(damage)
        except InventoryUnreadable as error:
            self._add(DamageKind.INVENTORY_DAMAGED, INVENTORY_NAME, str(error))

    def _check_file(
        self, path: str, sha256: str, kind: DamageKind | None, *, keep: bool = False
    ) -> Seen | None:
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
            self._append(Damage(kind, path, detail, self._judge.evidence(sha256, seen)))
            return None
        return seen

    def _look(self, path: str, *, keep: bool, with_leaves: bool = False) -> Seen | Damage:
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
    ) -> Seen | Damage:
        digest = hashlib.sha256()
        blocks = BlockHasher() if with_leaves else None
        size_bytes = 0
        kept = bytearray()
        self._pace(0)
        try:
            for chunk in reader.chunks(self._target.folder / path):
                digest.update(chunk)
                if blocks is not None:
                    blocks.update(chunk)
                size_bytes += len(chunk)
                if keep and size_bytes <= SMALL_INVENTORY_BYTES:
                    kept += chunk
                self._count(len(chunk))
        except OSError as error:
            return self._judge.unread(error, path, size_bytes)
        small = keep and size_bytes <= SMALL_INVENTORY_BYTES
        leaves = b"" if blocks is None else blocks.leaves()
        observed = ObservedDigest(digest.hexdigest())
        return Seen(observed, size_bytes, bytes(kept) if small else None, leaves)

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


def _kind(wanted: DamageKind, actual: DamageKind) -> DamageKind:
    """A missing declaration is missing; a missing inventory or sidecar is damage of that kind."""
    return actual if wanted is DamageKind.ALTERED else wanted
