"""Prove a file of gigabytes block by block, so that its reading can be interrupted.

docs/formats/package.md, "Block roots": the root of a file's blocks stands in its version's file
list, and that list under the signed inventory. A digest that cannot be interrupted would have to
begin again after each stop; leaves do not. Says only that a file is intact, never that it is not:
that is left to check_object.py, which reads it whole.
"""

from collections.abc import Callable, Iterator, Sequence

from storage.blocks import LEAF_BYTES, BlockHasher, block_count, merkle_root
from storage.digests import sha256_of_file
from storage.file_list import FileListInvalid, read_file_list
from storage.medium import MediumReader, StillCachedError
from storage.model import BLOCK_BYTES, FileEntry
from storage.sweep.model import ObjectToCheck
from storage.sweep.trail import Trail
from storage.sweep.trusted_inventory import TrustedInventory

_FILE_LIST = "lantai/files.jsonl"


class LargeFiles:
    """Those of one object that are larger than the trail's rule says."""

    def __init__(
        self,
        target: ObjectToCheck,
        reader: MediumReader,
        trail: Trail,
        inventory: TrustedInventory,
    ) -> None:
        self._target = target
        self._reader = reader
        self._trail = trail
        self._inventory = inventory
        self._entries: dict[str, FileEntry] | None = None

    def proves(
        self, path: str, files_done: int, suspects: Sequence[str], tell: Callable[[int], None]
    ) -> bool:
        """Whether its blocks, read now or before a stop, have the signed root.

        `tell` is told how many bytes each read gave, and may raise to stop.
        """
        try:
            if (self._target.folder / path).lstat().st_size <= self._trail.rule.large_file_bytes:
                return False
            entry = self._signed().get(path)
            if entry is None or entry.block_root is None:
                return False
            return self._read(entry, path, files_done, suspects, tell)
        except (OSError, StillCachedError, FileListInvalid):
            return False

    def _read(
        self,
        entry: FileEntry,
        path: str,
        files_done: int,
        suspects: Sequence[str],
        tell: Callable[[int], None],
    ) -> bool:
        leaves = bytearray(self._trail.leaves_of(path))
        offset = len(leaves) // LEAF_BYTES * BLOCK_BYTES
        hasher = BlockHasher()
        size_bytes = offset
        for chunk in self._reader.chunks(self._target.folder / path, offset):
            hasher.update(chunk)
            size_bytes += len(chunk)
            tell(len(chunk))
            if self._trail.is_due:
                whole = (size_bytes - offset) // BLOCK_BYTES * LEAF_BYTES
                self._trail.within_file(
                    files_done, suspects, path, bytes(leaves) + hasher.leaves()[:whole]
                )
        leaves += hasher.leaves()
        if size_bytes != entry.size_bytes or len(leaves) != block_count(size_bytes) * LEAF_BYTES:
            return False
        return merkle_root(leaves) == entry.block_root

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
