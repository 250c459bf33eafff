"""Fetching from one node, verified: a whole file, a list of leaves, a block.

docs/formats/package.md ("Block roots"), docs/wire/README.md (`read`, `blocks`). Each function
either returns what was signed or raises CopyWrong; which node to ask next is copies.py's affair.
"""

import asyncio
import hashlib
import mmap
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from replication.copies import CopyWrong, NodeReads
from replication.messages import LEAVES_MAX
from storage.blocks import LEAF_BYTES, block_count, leaf, merkle_root
from storage.model import BLOCK_BYTES
from storage.ocfl.inventory import INVENTORY_NAME
from storage.sweep.model import DamageKind
from storage.view.listing import Buffer

# A node slower than this over a whole file counts as not answering.
_BYTES_PER_SECOND_MIN = 256 * 1024
_START_S = 20.0
# Above so many leaves the root is computed off the event loop (about 1 µs each).
_LEAVES_INLINE_MAX = 4096


@dataclass(frozen=True, slots=True)
class Spool:
    """Where files over 1 MiB are put, unlinked, and how long one may be."""

    folder: Path
    bytes_max: int


async def fetch_whole(
    node: NodeReads, object_id: str, path: str, sha256: str, spool: Spool
) -> Buffer:
    """The file's bytes, verified; mapped from the spool if they are over 1 MiB."""
    first = await _piece(node, object_id, path, 0)
    if len(first) < BLOCK_BYTES:
        _compare(hashlib.sha256(first).hexdigest(), sha256, path)
        return first
    digest = hashlib.sha256()
    with tempfile.TemporaryFile(dir=spool.folder) as file:
        file.write(first)
        digest.update(first)
        async for piece in _following_pieces(node, object_id, path, spool.bytes_max):
            file.write(piece)
            digest.update(piece)
        _compare(digest.hexdigest(), sha256, path)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


async def fetch_small(
    node: NodeReads, object_id: str, path: str, sha256: str, size_bytes: int
) -> bytes:
    """The bytes of a file of known size, at most 1 MiB, verified."""
    data = b"" if size_bytes == 0 else await node.read(object_id, path, 0, size_bytes)
    _compare_length(len(data), size_bytes, path)
    _compare(hashlib.sha256(data).hexdigest(), sha256, path)
    return data


async def fetch_leaves(
    node: NodeReads, object_id: str, path: str, block_root: str, size_bytes: int
) -> bytes:
    """All leaf digests of a file, verified against its root: the node's list is worth no more."""
    count = block_count(size_bytes)
    leaves = bytearray()
    for first in range(0, count, LEAVES_MAX):
        asked = min(LEAVES_MAX, count - first)
        piece = await node.blocks(object_id, path, first, asked)
        if len(piece) != asked * LEAF_BYTES:
            raise CopyWrong(
                DamageKind.ALTERED,
                f"{asked * LEAF_BYTES} bytes of block digests were asked for, {len(piece)} came",
            )
        leaves += piece
    root = (
        merkle_root(leaves)
        if count <= _LEAVES_INLINE_MAX
        else await asyncio.to_thread(merkle_root, leaves)
    )
    if root != block_root:
        raise CopyWrong(
            DamageKind.ALTERED, f"the block list has the root {root}, signed was {block_root}"
        )
    return bytes(leaves)


async def fetch_block(
    node: NodeReads, object_id: str, path: str, index: int, length: int, leaves: bytes
) -> bytes:
    """Block `index`, `length` bytes long, verified against verified leaves."""
    data = await node.read(object_id, path, index * BLOCK_BYTES, length)
    _compare_length(len(data), length, f"block {index} of {path}")
    if leaf(data) != leaves[index * LEAF_BYTES : (index + 1) * LEAF_BYTES]:
        raise CopyWrong(DamageKind.ALTERED, f"block {index} does not have the signed digest")
    return data


async def _piece(node: NodeReads, object_id: str, path: str, offset: int) -> bytes:
    data = await node.read(object_id, path, offset, BLOCK_BYTES)
    if len(data) > BLOCK_BYTES:
        raise CopyWrong(DamageKind.ALTERED, f"{len(data)} bytes came where 1 MiB was asked for")
    return data


async def _following_pieces(
    node: NodeReads, object_id: str, path: str, bytes_max: int
) -> AsyncIterator[bytes]:
    """Everything after the first MiB. Raises TimeoutError if the node is too slow."""
    started = time.monotonic()
    offset = BLOCK_BYTES
    while True:
        data = await _piece(node, object_id, path, offset)
        yield data
        offset += len(data)
        if len(data) < BLOCK_BYTES:
            return
        if offset > bytes_max:
            raise CopyWrong(DamageKind.ALTERED, f"{path} does not end where any such file would")
        if time.monotonic() - started > _START_S + offset / _BYTES_PER_SECOND_MIN:
            raise TimeoutError(f"{offset} bytes of {path} took too long")


def _compare_length(actual: int, expected: int, what: str) -> None:
    if actual < expected:
        raise CopyWrong(DamageKind.TRUNCATED, f"{what}: {actual} bytes came, signed {expected}")
    if actual > expected:
        raise CopyWrong(DamageKind.ALTERED, f"{what}: {actual} bytes came, signed {expected}")


def _compare(actual: str, expected: str, path: str) -> None:
    if actual != expected:
        is_inventory = path.endswith(f"/{INVENTORY_NAME}") and path.count("/") == 1
        kind = DamageKind.INVENTORY_DAMAGED if is_inventory else DamageKind.ALTERED
        raise CopyWrong(kind, f"{path} has the digest {actual}, signed was {expected}")
