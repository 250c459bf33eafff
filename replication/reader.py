"""Verified reads over the network: the view's `Reader`, from nodes that are not believed.

DESIGN.md promise 3, docs/formats/package.md. Everything hangs from one digest that the nodes signed
and the catalogue keeps:

    inventory.json → lantai/files.jsonl → a file's SHA-256, size and block root
                   → lantai/…            block root → its leaves → each 1 MiB block

A step is verified before anything of it is used. Serves bytes; mending what it found is for
whoever gets its reports.
"""

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar, cast

import msgspec

from replication.copies import BadCopy, Copies, NodeReads, Patience, ReaderCounts
from replication.fetch import Spool, fetch_block, fetch_leaves, fetch_small, fetch_whole
from replication.paces import Paces
from replication.shared_cache import SharedCache
from storage.errors import VerificationFailed
from storage.model import BLOCK_BYTES, FileEntry
from storage.ocfl.inventory import INVENTORY_NAME, content_path
from storage.ocfl.inventory_stream import digests_and_paths
from storage.view.holdings import HeldVersion
from storage.view.listing import Buffer, FileListing, NameListing
from storage.view.reader import VersionFiles, ViewFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_T = TypeVar("_T")

FILES_PATH = "lantai/files.jsonl"
NAMES_PATH = "lantai/names.jsonl"
_RECORDS_PREFIX = "lantai/"
# Lantai writes a handful of records a version; thousands are not ours, and not held in memory.
_RECORDS_MAX = 10_000
# What a cached value costs beside its bytes.
_OVERHEAD_BYTES = 1024
# Buffers above this are parsed off the event loop.
_INLINE_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """How much a reader keeps, in memory.

    Lists over 1 MiB lie mapped in its spool folder: there they may take 32 times `lists_bytes_max`.
    """

    block_bytes_max: int = 128 * 1024 * 1024
    leaves_bytes_max: int = 64 * 1024 * 1024
    lists_bytes_max: int = 64 * 1024 * 1024
    # One list or record: eight times the inventory of a million files. It bounds what a node that
    # never stops can make us store.
    whole_bytes_max: int = 2 * 1024**3
    blocks_ahead: int = 2  # fetched before they are asked for, when a file is read in order
    patience: Patience = field(default_factory=Patience)


class VerifiedReader:
    """Reads from any of `nodes`; keeps the promises of `storage.view.reader.Reader`."""

    def __init__(
        self,
        nodes: Mapping[str, NodeReads],
        report: Callable[[BadCopy], None],
        spool_folder: Path,
        limits: ReaderLimits | None = None,
    ) -> None:
        """`report` is told of each bad copy once in a while; it must not block.

        `spool_folder` holds unlinked files only, and must be private: what lies there is believed.
        """
        limits = limits or ReaderLimits()
        self._copies = Copies(nodes, report, limits.patience)
        self._spool = Spool(spool_folder, limits.whole_bytes_max)
        self._blocks_ahead = limits.blocks_ahead
        self._blocks: SharedCache[tuple[str, int], bytes] = SharedCache(
            limits.block_bytes_max, _weigh
        )
        self._leaves: SharedCache[tuple[str, int], bytes] = SharedCache(
            limits.leaves_bytes_max, _weigh
        )
        # A file list weighs in both of these, but is there once: `files` refers to `wholes`.
        self._wholes: SharedCache[str, Buffer] = SharedCache(limits.lists_bytes_max, _weigh_list)
        self._lists: SharedCache[str, VersionFiles] = SharedCache(
            limits.lists_bytes_max, lambda lists: _weigh_list(lists.files.buffer)
        )
        self._records: SharedCache[str, FileListing] = SharedCache(
            limits.lists_bytes_max // 8, lambda listing: _weigh_list(listing.buffer)
        )
        self._digests: SharedCache[str, dict[str, str]] = SharedCache(
            limits.lists_bytes_max // 8, lambda found: _OVERHEAD_BYTES * len(found)
        )

    @property
    def counts(self) -> ReaderCounts:
        """What was read, and at what cost, since this reader was made."""
        return self._copies.counts

    @property
    def paces(self) -> Paces:
        """How quickly each node answers, and who is too slow to be asked first."""
        return self._copies.paces

    async def close(self) -> None:
        """Stop what is being fetched, and free what is kept. The nodes are the caller's."""
        caches = (self._blocks, self._leaves, self._wholes)
        for cache in (*caches, self._digests, self._lists, self._records):
            await cache.close()

    async def files(self, held: HeldVersion) -> VersionFiles:
        """See `Reader.files`."""
        return await self._lists.get(held.inventory_sha256, partial(self._fetch_files, held))

    async def records(self, held: HeldVersion) -> FileListing:
        """See `Reader.records`. Reads every record once, since nothing else tells their sizes."""
        return await self._records.get(held.inventory_sha256, partial(self._fetch_records, held))

    async def read(self, file: ViewFile, offset: int, length: int) -> bytes:
        """See `Reader.read`."""
        end = min(offset + length, file.entry.size_bytes)
        if end <= offset:
            return b""
        if file.entry.block_root is None:
            data = (await self._contents(file))[offset:end]
        else:
            data = await self._read_blocks(file, offset, end)
        self.counts.reads += 1
        self.counts.verified_bytes += len(data)
        return data

    async def _contents(self, file: ViewFile) -> Buffer:
        """All bytes of a file that has no block root."""
        entry = file.entry
        if entry.size_bytes > BLOCK_BYTES:
            return await self._whole(file.held, _path(file), entry.sha256)
        # Equal digests are equal bytes, in whichever object they lie.
        return await self._blocks.get((entry.sha256, 0), partial(self._fetch_small, file))

    async def _read_blocks(self, file: ViewFile, offset: int, end: int) -> bytes:
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        leaves = await self._leaves.get(_leaves_key(file.entry), partial(self._fetch_leaves, file))
        if offset > 0:
            self._read_ahead(file, leaves, last)
        pieces = []
        for index in range(first, last + 1):
            block = await self._block(file, leaves, index)
            start = index * BLOCK_BYTES
            pieces.append(block[max(offset - start, 0) : end - start])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _block(self, file: ViewFile, leaves: bytes, index: int) -> bytes:
        fetch = partial(self._fetch_block, file, leaves, index)
        return await self._blocks.get(_block_key(file.entry, index), fetch)

    def _read_ahead(self, file: ViewFile, leaves: bytes, index: int) -> None:
        """Fetch what a reader that goes on in order will ask for next."""
        if index > 0 and _block_key(file.entry, index - 1) not in self._blocks:
            return
        blocks = -(-file.entry.size_bytes // BLOCK_BYTES)
        for following in range(index, min(index + 1 + self._blocks_ahead, blocks)):
            key = _block_key(file.entry, following)
            if key not in self._blocks:
                self._blocks.start(key, partial(self._fetch_block, file, leaves, following))

    async def _whole(self, held: HeldVersion, path: str, sha256: str) -> Buffer:
        """A list or record of any size, verified as a whole."""
        return await self._wholes.get(sha256, partial(self._fetch_whole, held, path, sha256))

    async def _record_digests(self, held: HeldVersion) -> dict[str, str]:
        """Logical path → SHA-256 of everything below `lantai/`, from the verified inventory."""

        async def fetch() -> dict[str, str]:
            path = f"v{held.version}/{INVENTORY_NAME}"
            inventory = await self._fetch_whole(held, path, held.inventory_sha256)
            prefix = content_path(_RECORDS_PREFIX, f"v{held.version}")
            return await _parse(inventory, partial(_digests_below, prefix=prefix))

        return await self._digests.get(held.inventory_sha256, fetch)

    async def _record(self, held: HeldVersion, logical_path: str) -> Buffer:
        digests = await self._record_digests(held)
        return await self._whole(held, _content(held, logical_path), digests[logical_path])

    async def _fetch_files(self, held: HeldVersion) -> VersionFiles:
        digests = await self._record_digests(held)
        if FILES_PATH not in digests:
            raise VerificationFailed(
                f"{held.object_id} has no {FILES_PATH}: its files cannot be read one by one; "
                "restore the whole object instead"
            )
        files = FileListing(await self._record(held, FILES_PATH))
        names = NameListing(await self._record(held, NAMES_PATH) if NAMES_PATH in digests else b"")
        for listing in (files, names):
            await _off_loop(listing.size_bytes, listing.check)
        return VersionFiles(files, names)

    async def _fetch_records(self, held: HeldVersion) -> FileListing:
        digests = await self._record_digests(held)
        lines = []
        for path in sorted(digests, key=str.encode):
            size_bytes = len(await self._record(held, path))
            entry = FileEntry(path, size_bytes, digests[path], block_root=None)
            lines.append(msgspec.json.encode(entry) + b"\n")
        return FileListing(b"".join(lines))

    async def _fetch_whole(self, held: HeldVersion, path: str, sha256: str) -> Buffer:
        return await self._copies.first_good(
            held,
            path,
            lambda node: fetch_whole(node, held.object_id, path, sha256, self._spool),
        )

    async def _fetch_small(self, file: ViewFile) -> bytes:
        entry, object_id, path = file.entry, file.held.object_id, _path(file)
        return await self._copies.first_good(
            file.held,
            path,
            lambda node: fetch_small(node, object_id, path, entry.sha256, entry.size_bytes),
        )

    async def _fetch_leaves(self, file: ViewFile) -> bytes:
        entry, object_id, path = file.entry, file.held.object_id, _path(file)
        root = cast("str", entry.block_root)
        return await self._copies.first_good(
            file.held,
            path,
            lambda node: fetch_leaves(node, object_id, path, root, entry.size_bytes),
        )

    async def _fetch_block(self, file: ViewFile, leaves: bytes, index: int) -> bytes:
        object_id, path = file.held.object_id, _path(file)
        length = min(BLOCK_BYTES, file.entry.size_bytes - index * BLOCK_BYTES)
        return await self._copies.first_good(
            file.held,
            path,
            lambda node: fetch_block(node, object_id, path, index, length, leaves),
        )


def _weigh(value: bytes) -> int:
    return len(value) + _OVERHEAD_BYTES


def _weigh_list(value: Buffer) -> int:
    """What is mapped takes disk, and memory only while there is plenty."""
    return _OVERHEAD_BYTES + (len(value) if isinstance(value, bytes) else len(value) // 32)


def _content(held: HeldVersion, logical_path: str) -> str:
    return content_path(logical_path, f"v{held.version}")


def _path(file: ViewFile) -> str:
    return _content(file.held, file.entry.path)


def _leaves_key(entry: FileEntry) -> tuple[str, int]:
    assert entry.block_root is not None
    return entry.block_root, entry.size_bytes


def _block_key(entry: FileEntry, index: int) -> tuple[str, int]:
    assert entry.block_root is not None
    return entry.block_root, index


def _digests_below(inventory: IO[bytes], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for digest, path in digests_and_paths(inventory, "manifest"):
        if path.startswith(prefix):
            found[_RECORDS_PREFIX + path.removeprefix(prefix)] = digest
            if len(found) > _RECORDS_MAX:
                raise VerificationFailed(f"the inventory names over {_RECORDS_MAX} records")
    return found


async def _parse(buffer: Buffer, parse: Callable[[IO[bytes]], _T]) -> _T:
    """`parse` over the bytes of `buffer` from the beginning."""
    # A mapped file reads like an open one, but all its users share one position: not these.
    stream = io.BytesIO(buffer) if isinstance(buffer, bytes) else _MappedStream(buffer)
    return await _off_loop(len(buffer), partial(parse, cast("IO[bytes]", stream)))


async def _off_loop(size_bytes: int, work: Callable[[], _T]) -> _T:
    """Do `work` on `size_bytes` bytes, in a thread if that takes noticeably long."""
    return work() if size_bytes <= _INLINE_BYTES_MAX else await asyncio.to_thread(work)


class _MappedStream(io.RawIOBase):
    """A mapped file, read from the beginning."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        view = memoryview(target)
        data = self._buffer[self._position : self._position + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
