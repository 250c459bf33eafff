"""Block lists beside the root: taken over from an operation, read, and made again.

docs/formats/volume.md, "Block lists"; docs/formats/package.md, "Block roots". A list proves
nothing by itself; one that is lost is made again only in a pass over the file that reproduces
both the SHA-256 and the root that the object's own file list names.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from storage.blocks import LEAF_BYTES, FileHasher, block_count
from storage.digests import CHUNK_BYTES
from storage.durable import write_whole_file
from storage.file_list import FileListInvalid, read_file_list
from storage.model import FileEntry
from storage.ocfl.layout import object_folder
from storage.volume.publish import FOLDER_MODE
from storage.volume.refusals import FileUnknown, FileUnreadable
from storage.whole_reads import read_range

# docs/formats/package.md: the kept list, in every version, of all files but Lantai's own.
KEPT_FILE_LIST = "lantai/files.jsonl"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is there, and no link."""

    object_id: str
    path: str  # relative to the object's folder
    size_bytes: int


class BlockLists:
    """Thread-safe: lists are written whole, and never changed."""

    def __init__(self, root: Path, blocks: Path) -> None:
        self._root = root
        self._blocks = blocks

    def take_over(self, staged: Path, object_id: str) -> None:
        """Move the lists of a committed operation to their place; older ones give way.

        A crash on the way loses lists and nothing else.
        """
        if not staged.is_dir():
            return
        target = self._blocks / object_folder(object_id)
        with suppress(OSError):
            target.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            for version in staged.iterdir():
                shutil.rmtree(target / version.name, ignore_errors=True)
                version.rename(target / version.name)

    def read(self, file: StoredFile, first: int, count: int) -> bytes:
        """Up to `count` leaves from leaf `first` on, 32 bytes each.

        Empty for a file of at most 1 MiB. A list outlives damage to its file. Raises
        FileUnreadable if it is lost and cannot be made again because the file is damaged, or if
        the disk gives neither.
        """
        try:
            return self._read(file, first, count)
        except OSError as error:
            raise FileUnreadable(f"the block list of {file.path!r}: {error}") from error

    def _read(self, file: StoredFile, first: int, count: int) -> bytes:
        expected = block_count(file.size_bytes) * LEAF_BYTES
        folder = object_folder(file.object_id)
        target = self._blocks / folder / f"{file.path}.leaves"
        kept_bytes = target.stat().st_size if target.is_file() else 0
        if kept_bytes != expected:
            self._renew(folder, file.path, target, is_kept=kept_bytes > 0)
        if expected == kept_bytes == 0:
            return b""
        return _leaves(target, first, count)

    def kept(self, object_id: str, path: str, first: int, count: int) -> bytes | None:
        """As `read`, of a file that cannot be opened any more; None where there is no list.

        Raises FileUnreadable if the disk does not give it.
        """
        if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
            return None
        target = self._blocks / object_folder(object_id) / f"{path}.leaves"
        try:
            return _leaves(target, first, count) if target.is_file() else None
        except OSError as error:
            raise FileUnreadable(f"the block list of {path!r}: {error}") from error

    def _renew(self, folder: PurePosixPath, path: str, target: Path, *, is_kept: bool) -> None:
        """Make the list again if the file is well; of a damaged file the kept list is salvaged."""
        try:
            entry = _entry_of(self._root / folder, path)
            self._make_again(self._root / folder / path, target, entry)
        except (FileUnreadable, FileUnknown):
            if not is_kept:
                raise

    def _make_again(self, file: Path, target: Path, entry: FileEntry) -> None:
        hasher = FileHasher()
        try:
            with file.open("rb", buffering=0) as stream:
                while piece := stream.read(CHUNK_BYTES):
                    hasher.update(piece)
        except OSError as error:
            raise FileUnreadable(f"{file} cannot be read: {error}") from error
        digest = hasher.finish()
        if (digest.sha256, digest.block_root) != (entry.sha256, entry.block_root):
            raise FileUnreadable(f"{file} is damaged: its block list cannot be made again")
        target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        write_whole_file(target, digest.leaves)


def _entry_of(folder: Path, path: str) -> FileEntry:
    """What the object's own list says of one of its files."""
    version, _, logical = path.partition("/content/")
    listed = folder / version / "content" / KEPT_FILE_LIST
    try:
        for entry in read_file_list(listed):
            if entry.path == logical:
                return entry
    except (OSError, FileListInvalid) as error:
        raise FileUnreadable(f"{listed} cannot be read: {error}") from error
    raise FileUnknown(f"{folder / path} stands in no file list")


def _leaves(target: Path, first: int, count: int) -> bytes:
    with target.open("rb") as stream:
        return read_range(stream.fileno(), count * LEAF_BYTES, first * LEAF_BYTES)
