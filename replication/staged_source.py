"""The byte stream of one put, read from the intake's staging: file list ‖ inventory ‖ content.

docs/wire/put.md. Many small files come in one read. Memory is flat for a million files: the file
list is walked alongside, and walked again from its start when an earlier offset is asked for.
Verifies nothing: the node does, against what was announced.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import ClassVar, Protocol

from storage.errors import LantaiError
from storage.file_list import read_file_list
from storage.model import FileEntry


class StagingChanged(LantaiError):
    """A staged file is shorter than its line in the file list says."""

    code: ClassVar[str] = "staging-changed"


@dataclass(slots=True)
class _Part:
    """One file of the stream."""

    path: Path
    start: int  # where it begins in the stream
    size_bytes: int

    @property
    def end(self) -> int:
        return self.start + self.size_bytes


class OpenSource(Protocol):
    """A stream that holds a file open."""

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class HeldStream:
    """A package that is small enough to be held: read once, for all nodes that are quick."""

    def __init__(self, stream: bytes) -> None:
        self.stream: bytes | None = stream

    def let_go(self) -> None:
        """Whoever still reads reads from staging: memory does not wait for a slow node."""
        self.stream = None


class HeldSource:
    """One node's reading of a held stream, and of staging once that is not held any more."""

    def __init__(self, held: HeldStream, open_staged: Callable[[], OpenSource]) -> None:
        self._held = held
        self._open_staged = open_staged
        self._staged: OpenSource | None = None

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises StagingChanged behind the end, or OSError."""
        stream = self._held.stream
        if stream is None:
            self._staged = self._staged or self._open_staged()
            return await self._staged.read(offset, length)
        if offset + length > len(stream):
            raise StagingChanged(f"the stream has only {len(stream)} bytes")
        return stream[offset : offset + length]

    def close(self) -> None:
        if self._staged is not None:
            self._staged.close()


class StagedPutSource:
    """Reads at any offset; in order it is cheapest. One writer, and `close` at the end."""

    def __init__(self, file_list_path: Path, inventory_path: Path, content_root: Path) -> None:
        self._file_list_path = file_list_path
        self._inventory_path = inventory_path
        self._content_root = content_root
        self._lock = asyncio.Lock()
        self._stream: FileIO | None = None
        self._parts = self._walk()
        self._part = next(self._parts)

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes, read in a thread. Raises StagingChanged or OSError."""
        async with self._lock:
            return await asyncio.to_thread(self._read, offset, length)

    def close(self) -> None:
        """Close the file that was read last."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _walk(self) -> Iterator[_Part]:
        start = 0
        for path in (self._file_list_path, self._inventory_path):
            size_bytes = path.stat().st_size
            yield _Part(path, start, size_bytes)
            start += size_bytes
        for entry in read_file_list(self._file_list_path):
            yield self._content_part(entry, start)
            start += entry.size_bytes

    def _content_part(self, entry: FileEntry, start: int) -> _Part:
        return _Part(self._content_root / entry.path, start, entry.size_bytes)

    def _read(self, offset: int, length: int) -> bytes:
        if offset < self._part.start:
            self.close()
            self._parts = self._walk()
            self._part = next(self._parts)
        pieces: list[bytes] = []
        while length > 0:
            self._seek_part(offset)
            piece = self._read_part(offset, min(length, self._part.end - offset))
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _seek_part(self, offset: int) -> None:
        """Go on to the file that holds `offset`."""
        while offset >= self._part.end:
            self.close()
            part = next(self._parts, None)
            if part is None:
                raise StagingChanged(f"the stream has only {self._part.end} bytes")
            self._part = part

    def _read_part(self, offset: int, length: int) -> bytes:
        stream = self._stream
        if stream is None:
            stream = self._stream = FileIO(self._part.path, "rb")
        stream.seek(offset - self._part.start)
        piece = stream.read(length)
        if not piece:
            raise StagingChanged(f"{self._part.path} is shorter than its file list says")
        return piece
