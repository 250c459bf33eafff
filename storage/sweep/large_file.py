"""Judge a file of gigabytes block by block, so that its reading can be interrupted.

docs/formats/package.md, "Block roots": the root of a file's blocks stands in its version's file
list, and that list under the signed inventory. A digest that cannot be interrupted would have to
begin again after each stop; leaves do not, and what differs is looked at a second time alone. A
file of which nothing signed says enough is left to check_object.py, which reads it whole.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import Enum, auto

from storage.blocks import LEAF_BYTES, BlockHasher, block_count, leaf, merkle_root
from storage.digests import sha256_of_file
from storage.file_list import FileListInvalid, read_file_list
from storage.medium import MediumReader, StillCachedError
from storage.model import BLOCK_BYTES, FileEntry
from storage.sweep.bad_range import differing, leaf_of, range_of, signed_leaves
from storage.sweep.judging import Judge
from storage.sweep.model import Damage, DamageKind, ObjectToCheck
from storage.sweep.trail import Trail
from storage.sweep.trusted_inventory import TrustedInventory

_FILE_LIST = "lantai/files.jsonl"

# Told how many bytes each read gave; may raise to stop.
Tell = Callable[[int], None]


class Outcome(Enum):
    """What may be said besides damage."""

    INTACT = auto()
    INTACT_AFTER_ALL = auto()  # wrong at first, right when read again
    UNKNOWN = auto()  # small, or nothing signed says enough


class LargeFiles:
    """Those of one object that are larger than the trail's rule says."""

    def __init__(
        self,
        target: ObjectToCheck,
        reader: MediumReader,
        trail: Trail,
        inventory: TrustedInventory,
        judge: Judge,
    ) -> None:
        self._target = target
        self._reader = reader
        self._trail = trail
        self._inventory = inventory
        self._judge = judge
        self._entries: dict[str, FileEntry] | None = None

    def look(
        self, path: str, files_done: int, suspects: Sequence[str], tell: Tell
    ) -> Outcome | Damage:
        """What is to be said of the file, by its blocks as read now or before a stop."""
        try:
            if (self._target.folder / path).lstat().st_size <= self._trail.rule.large_file_bytes:
                return Outcome.UNKNOWN
            entry = self._signed().get(path)
            if entry is None or entry.block_root is None:
                return Outcome.UNKNOWN
            read = self._read(path, files_done, suspects, tell)
            return read if isinstance(read, Damage) else self._weigh(entry, path, *read, tell)
        except (OSError, StillCachedError, FileListInvalid):
            return Outcome.UNKNOWN

    def _read(
        self, path: str, files_done: int, suspects: Sequence[str], tell: Tell
    ) -> tuple[bytes, int] | Damage:
        """Leaves and size; a place that the disk refuses is asked for twice."""
        leaves, refused = self._trail.leaves_of(path), 0
        while True:
            hasher, offset = BlockHasher(), len(leaves) // LEAF_BYTES * BLOCK_BYTES
            size_bytes = offset
            try:
                for chunk in self._reader.chunks(self._target.folder / path, offset):
                    hasher.update(chunk)
                    size_bytes += len(chunk)
                    tell(len(chunk))
                    if self._trail.is_due:
                        so_far = leaves + _whole(hasher, size_bytes - offset)
                        self._trail.within_file(files_done, suspects, path, so_far)
            except OSError as error:
                refused += 1
                if refused > 1:
                    return self._judge.unread(error, path, size_bytes)
                leaves += _whole(hasher, size_bytes - offset)
            else:
                return leaves + hasher.leaves(), size_bytes

    def _weigh(
        self, entry: FileEntry, path: str, leaves: bytes, size_bytes: int, tell: Tell
    ) -> Outcome | Damage:
        same_size = size_bytes == entry.size_bytes
        whole = len(leaves) == block_count(size_bytes) * LEAF_BYTES
        if same_size and whole and merkle_root(leaves) == entry.block_root:
            return Outcome.INTACT
        blocks = self._target.blocks
        signed = None if blocks is None else signed_leaves(entry, blocks / f"{path}.leaves")
        if signed is None or not whole:
            return Outcome.UNKNOWN
        bad = differing(signed, leaves)
        if same_size:
            bad = self._still_bad(path, signed, bad, tell)
            if not bad:
                return Outcome.INTACT_AFTER_ALL
        elif (self._target.folder / path).lstat().st_size != size_bytes:
            return Outcome.UNKNOWN
        return self._damage(entry, path, size_bytes, bad)

    def _still_bad(self, path: str, signed: bytes, bad: list[int], tell: Tell) -> list[int]:
        """The second look, at the blocks that were wrong in the first."""
        offsets = [index * BLOCK_BYTES for index in bad]
        still: list[int] = []
        chunks = self._reader.blocks(self._target.folder / path, offsets)
        for index, chunk in zip(bad, chunks, strict=True):
            tell(len(chunk))
            if leaf(chunk) != leaf_of(signed, index):
                still.append(index)
        return still

    def _damage(self, entry: FileEntry, path: str, size_bytes: int, bad: list[int]) -> Damage:
        cut = size_bytes < entry.size_bytes
        where = range_of(bad, max(size_bytes, entry.size_bytes)) if bad else None
        evidence = self._judge.evidence(entry.sha256, None, entry.size_bytes, where)
        detail = f"other blocks than were signed; {size_bytes} of {entry.size_bytes} bytes"
        kind = DamageKind.TRUNCATED if cut else DamageKind.ALTERED
        return Damage(kind, path, detail, replace(evidence, observed_bytes=size_bytes))

    def _signed(self) -> dict[str, FileEntry]:
        """The entries of large files, from lists whose digests the inventory names."""
        if self._entries is None:
            self._entries = dict(self._large_entries())
        return self._entries

    def _large_entries(self) -> Iterator[tuple[str, FileEntry]]:
        for sha256, path in list(self._file_lists()):
            listed = self._target.folder / path
            if sha256_of_file(listed) != sha256:
                continue
            for entry in read_file_list(listed):
                if entry.size_bytes > self._trail.rule.large_file_bytes:
                    yield path.removesuffix(_FILE_LIST) + entry.path, entry

    def _file_lists(self) -> Iterator[tuple[str, str]]:
        for sha256, path in self._inventory.manifest():
            if path.endswith(f"/content/{_FILE_LIST}") and path.count("/") == 3:
                yield sha256, path


def _whole(hasher: BlockHasher, read_bytes: int) -> bytes:
    """The leaves of the blocks that were read to their end."""
    return hasher.leaves()[: read_bytes // BLOCK_BYTES * LEAF_BYTES]
