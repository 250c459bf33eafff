"""Files of a package, written from one stream that runs through all of them.

docs/wire/put.md (content in file-list order, without separators); docs/formats/volume.md, step 2.
Every file is hashed while it is written and compared at its end. Paths come from the file list
and were checked there; nothing follows a link or replaces a name.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from storage.blocks import FileHasher
from storage.crash_point import crash_point
from storage.durable import write_all
from storage.model import BLOCK_BYTES, FileEntry
from storage.volume.publish import FOLDER_MODE
from storage.volume.refusals import ContentRefused, WriteLost

FILE_MODE = 0o440

# Files this large are laid out in one piece, and find out early that the disk is full.
_ALLOCATE_BYTES_MIN = 16 * 1024 * 1024
# So that the sync at the end has little left to do.
_FLUSH_BYTES = 256 * 1024 * 1024

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ContentWriter:
    """Takes the content stream in pieces of any size. One thread at a time."""

    def __init__(self, content: Path, blocks: Path, entries: Iterator[FileEntry]) -> None:
        self._content = str(content)
        self._blocks = blocks
        self._entries = entries
        self._made_folder = ""
        self._file: _OpenFile | None = None

    def write(self, data: memoryview) -> None:
        """Write the next bytes. Raises ContentRefused where they are not the ones listed."""
        while len(data) > 0:
            if self._file is None:
                self._file = self._next_file()
            taken = min(len(data), self._file.missing_bytes)
            self._file.write(data[:taken])
            data = data[taken:]
            if self._file.missing_bytes == 0:
                self._close_file()

    def finish(self) -> None:
        """The stream is over: make the empty files at its end. Raises ContentRefused."""
        if self._file is not None:
            raise ContentRefused(f"the content ends inside {self._file.entry.path!r}")
        for entry in self._entries:
            if entry.size_bytes > 0:
                raise ContentRefused(f"the content ends before {entry.path!r}")
            self._make_empty(entry)

    def close(self) -> None:
        """Let go of a file that will not be finished."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next_file(self) -> "_OpenFile":
        for entry in self._entries:
            if entry.size_bytes > 0:
                return _OpenFile(entry, self._create(entry.path))
            self._make_empty(entry)
        raise ContentRefused("more content came than the file list names")

    def _make_empty(self, entry: FileEntry) -> None:
        self._file = _OpenFile(entry, self._create(entry.path))
        self._close_file()

    def _close_file(self) -> None:
        assert self._file is not None, "a file is closed once"
        try:
            leaves = self._file.finish()
        finally:
            self.close()
        if leaves is not None:
            path, content = leaves
            target = self._blocks / f"{path}.leaves"
            target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            target.write_bytes(content)

    def _create(self, path: str) -> int:
        folder, _, _ = path.rpartition("/")
        target = f"{self._content}/{path}"
        try:
            # Lists are sorted, so files of one folder come one after the other.
            if folder != self._made_folder:
                Path(target).parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                self._made_folder = folder
            return os.open(target, _CREATE, FILE_MODE)
        except (FileExistsError, NotADirectoryError) as error:
            raise ContentRefused(f"{path!r} is both a file and a folder in the list") from error


class _OpenFile:
    """One file that is being written."""

    def __init__(self, entry: FileEntry, descriptor: int) -> None:
        self.entry = entry
        self.missing_bytes = entry.size_bytes
        self._descriptor = descriptor
        self._hasher = FileHasher(with_blocks=entry.size_bytes > BLOCK_BYTES)
        self._offset = 0
        self._flushed = 0
        if entry.size_bytes >= _ALLOCATE_BYTES_MIN:
            os.posix_fallocate(descriptor, 0, entry.size_bytes)

    def write(self, data: memoryview) -> None:
        write_all(self._descriptor, data, self._offset)
        self._hasher.update(data)
        self._offset += len(data)
        self.missing_bytes -= len(data)
        if self._offset - self._flushed >= _FLUSH_BYTES:
            self._flush()

    def finish(self) -> tuple[str, bytes] | None:
        """Compare with the list; the path and the leaves, if the file has any."""
        digest = self._hasher.finish()
        if digest.sha256 != self.entry.sha256:
            raise ContentRefused(f"{self.entry.path!r} does not have the SHA-256 of the list")
        if digest.block_root != self.entry.block_root:
            raise ContentRefused(f"{self.entry.path!r} does not have the block root of the list")
        os.fchmod(self._descriptor, FILE_MODE)
        return (self.entry.path, digest.leaves) if digest.leaves else None

    def close(self) -> None:
        os.close(self._descriptor)

    def _flush(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise WriteLost(f"{self.entry.path!r} could not be synced: {error}") from error
        length = self._offset - self._flushed
        os.posix_fadvise(self._descriptor, self._flushed, length, os.POSIX_FADV_DONTNEED)
        self._flushed = self._offset
        crash_point("volume.part-synced")
