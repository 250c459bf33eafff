"""Pull one version of an object from another node, as the byte stream that a writer would send.

docs/wire/repair.md. Believes nothing of the source: the inventory must have the digest in the
keeper's ticket, or in the list of versions that hangs from it; Lantai's own records the digests
that this inventory names; and every other file is judged against its digest by whoever takes the
stream (storage.volume). Memory is flat.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from storage.blocks import FileHasher
from storage.digests import CHUNK_BYTES, sha256_of_file
from storage.errors import VerificationFailed
from storage.file_list import FileListSummary, read_file_list, write_file_list
from storage.model import FileEntry, ObservedDigest
from storage.ocfl.inventory import INVENTORY_NAME, content_path, files_of_head
from storage.version_list import VERSION_LIST, read_version_list
from storage.volume.order import INVENTORY_BYTES_MAX, VersionStream

RECORDS_PREFIX = "lantai/"
LISTED = "lantai/files.jsonl"

_PIECE_BYTES = 256 * 1024
# Requests under way at once: hides the round trip without holding more than 4 MiB.
_PIECES_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Piece:
    """An answer to one fetch; `end` says that the file ends here."""

    data: bytes
    end: bool


class FetchSource(Protocol):
    """A connection to the node that has a good copy."""

    async def fetch(self, object_id: str, path: str, offset: int, length: int) -> Piece:
        """Return at most `length` bytes of one file of the object's folder."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """The version to pull, by what was signed."""

    object_id: str
    version: int
    inventory_sha256: str

    @property
    def folder(self) -> str:
        """The version's folder in the object. Its own inventory is there whatever came later."""
        return f"v{self.version}"


class Pull:
    """One pull into `work`, an empty folder of the caller's."""

    def __init__(self, source: FetchSource, wanted: Wanted, work: Path) -> None:
        self._source = source
        self._wanted = wanted
        self._work = work
        self.inventory = work / INVENTORY_NAME
        self.file_list = work / "file-list.jsonl"

    async def prepare(self) -> VersionStream:
        """Fetch the inventory and Lantai's records, write the file list, and say what will come.

        Raises VerificationFailed when the source's bytes are not what was signed.
        """
        await self._fetch_whole(INVENTORY_NAME, self.inventory, self._wanted.inventory_sha256)
        (self._work / "lantai").mkdir()
        for file in await asyncio.to_thread(_records, self.inventory):
            await self._fetch_whole(file.path, self._work / file.path, file.sha256)
        summary = await asyncio.to_thread(self._write_file_list)
        return VersionStream(
            file_list_bytes=summary.list_bytes,
            inventory_bytes=self.inventory.stat().st_size,
            content_bytes=summary.content_bytes,
            file_count=summary.file_count,
            file_list_sha256=summary.sha256,
            inventory_sha256=self._wanted.inventory_sha256,
        )

    def earlier(self) -> list[Wanted]:
        """The versions before this one, once it is prepared. Raises VersionListInvalid, OSError."""
        wanted = self._wanted
        if wanted.version == 1:
            return []
        digests = read_version_list(self._work / VERSION_LIST, wanted.version)
        return [
            Wanted(wanted.object_id, number, sha256)
            for number, sha256 in enumerate(digests, start=1)
        ]

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield `file list ‖ inventory ‖ content`; every piece is at most 256 KiB."""
        for path in (self.file_list, self.inventory):
            for chunk in _chunks(path):
                yield chunk
        async for chunk in _ahead(self._content_pieces()):
            yield chunk

    async def _fetch_whole(self, path: str, target: Path, sha256: str) -> None:
        folder = self._wanted.folder
        stored = f"{folder}/{path}" if path == INVENTORY_NAME else content_path(path, folder)
        with target.open("xb") as stream:
            end = False
            while not end:
                piece = await self._fetch(stored, stream.tell(), _PIECE_BYTES)
                stream.write(piece.data)
                if stream.tell() > INVENTORY_BYTES_MAX:
                    raise VerificationFailed(f"the source sends {path} without end")
                end = piece.end or not piece.data
        if await asyncio.to_thread(sha256_of_file, target) != sha256:
            raise VerificationFailed(f"{path} as sent does not have its signed digest")

    def _write_file_list(self) -> FileListSummary:
        named = sorted(_records(self.inventory), key=lambda record: record.path.encode())
        records = [_entry(self._work, record) for record in named]
        listed = read_file_list(self._work / LISTED)
        merged = heapq.merge(records, listed, key=lambda entry: entry.path.encode())
        return write_file_list(merged, self.file_list)

    def _content_pieces(self) -> Iterator[Callable[[], Coroutine[Any, Any, bytes]]]:
        for entry in read_file_list(self.file_list):
            for offset in range(0, entry.size_bytes, _PIECE_BYTES):
                length = min(_PIECE_BYTES, entry.size_bytes - offset)
                yield partial(self._piece, entry, offset, length)

    async def _piece(self, entry: FileEntry, offset: int, length: int) -> bytes:
        if entry.path.startswith(RECORDS_PREFIX):
            return await asyncio.to_thread(_read_at, self._work / entry.path, offset, length)
        stored = content_path(entry.path, self._wanted.folder)
        piece = await self._fetch(stored, offset, length)
        if len(piece.data) != length:
            raise VerificationFailed(f"{entry.path} is shorter at the source than signed")
        return piece.data

    async def _fetch(self, path: str, offset: int, length: int) -> Piece:
        return await self._source.fetch(self._wanted.object_id, path, offset, length)


@dataclass(frozen=True, slots=True)
class _Record:
    path: str
    sha256: str


def _records(inventory: Path) -> list[_Record]:
    return [
        _Record(file.logical_path, file.sha256)
        for file in files_of_head(inventory)
        if file.logical_path.startswith(RECORDS_PREFIX)
    ]


def _entry(work: Path, record: _Record) -> FileEntry:
    """A line of the file list: the digest is the inventory's, never one computed from the disk.

    Raises VerificationFailed if the fetched record is not what the inventory names any more.
    """
    hasher = FileHasher()
    for chunk in _chunks(work / record.path):
        hasher.update(chunk)
    seen = hasher.finish()
    if not ObservedDigest(seen.sha256).is_that_of(record.sha256):
        raise VerificationFailed(f"{record.path} changed after it was fetched")
    return FileEntry(record.path, seen.size_bytes, record.sha256, seen.block_root)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(min(CHUNK_BYTES, _PIECE_BYTES)):
            yield chunk


def _read_at(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


async def _ahead(
    pieces: Iterator[Callable[[], Coroutine[Any, Any, bytes]]],
) -> AsyncIterator[bytes]:
    """Run up to _PIECES_AHEAD of `pieces` at once and yield their results in order."""
    under_way: deque[asyncio.Task[bytes]] = deque()
    try:
        for piece in pieces:
            under_way.append(asyncio.create_task(piece()))
            if len(under_way) == _PIECES_AHEAD:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
