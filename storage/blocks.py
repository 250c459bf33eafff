"""Block digests and Merkle roots, so that one MiB of a file can be verified without the rest.

docs/formats/package.md, "Block roots": leaf = BLAKE3(0x00 ‖ block), inner node = BLAKE3(0x01 ‖
left ‖ right), shaped as in RFC 6962 section 2.1. A list of leaves is worth nothing until its root
equals the one that was signed. Does not read files and does not know where lists are kept.
"""

import hashlib
from dataclasses import dataclass

from blake3 import blake3

from storage.model import BLOCK_BYTES

LEAF_BYTES = 32

_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"


def leaf(block: bytes | bytearray | memoryview) -> bytes:
    """The digest of one block: BLOCK_BYTES long, or shorter if it is a file's last."""
    assert len(block) <= BLOCK_BYTES, "a block is at most one MiB"
    return blake3(_LEAF_PREFIX).update(block).digest()


def merkle_root(leaves: bytes | bytearray | memoryview) -> str:
    """The root over `leaves` (32 bytes each, concatenated), in hexadecimal.

    Keeps one digest for each complete subtree, so the memory is logarithmic.
    """
    assert len(leaves) % LEAF_BYTES == 0, "leaves are 32 bytes each"
    count = len(leaves) // LEAF_BYTES
    if count == 0:
        return blake3(b"").hexdigest()
    subtrees: list[bytes] = []
    for index in range(count):
        node = bytes(leaves[index * LEAF_BYTES : (index + 1) * LEAF_BYTES])
        # After leaf i as many subtrees join as i has trailing one bits: binary addition.
        pending = index
        while pending & 1:
            node = _join(subtrees.pop(), node)
            pending >>= 1
        subtrees.append(node)
    root = subtrees.pop()
    while subtrees:
        root = _join(subtrees.pop(), root)
    return root.hex()


def block_count(size_bytes: int) -> int:
    """How many leaves a file of this size has; 0 for files that have no root."""
    return 0 if size_bytes <= BLOCK_BYTES else -(-size_bytes // BLOCK_BYTES)


def _join(left: bytes, right: bytes) -> bytes:
    return blake3(_NODE_PREFIX + left + right).digest()


class BlockHasher:
    """Cuts a stream of pieces of any size into blocks and keeps each block's leaf."""

    def __init__(self) -> None:
        self._leaves = bytearray()
        self._block = blake3(_LEAF_PREFIX)
        self._block_bytes = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file; `data` may be reused afterwards."""
        view = memoryview(data)
        while len(view) > 0:
            taken = min(len(view), BLOCK_BYTES - self._block_bytes)
            self._block.update(view[:taken])
            self._block_bytes += taken
            view = view[taken:]
            if self._block_bytes == BLOCK_BYTES:
                self._close_block()

    def leaves(self) -> bytes:
        """All leaves so far, the unfinished block's included."""
        if self._block_bytes == 0:
            return bytes(self._leaves)
        return bytes(self._leaves) + self._block.digest()

    def root(self) -> str:
        """The Merkle root over `leaves()`."""
        return merkle_root(self.leaves())

    def _close_block(self) -> None:
        self._leaves += self._block.digest()
        self._block = blake3(_LEAF_PREFIX)
        self._block_bytes = 0


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What one pass over a file's bytes found out."""

    sha256: str
    size_bytes: int
    block_root: str | None  # None for files of at most BLOCK_BYTES
    leaves: bytes  # 32 bytes a block; empty where block_root is None


class FileHasher:
    """SHA-256, size and block leaves of a file in one pass.

    Whoever knows beforehand that a file is small says `with_blocks=False` and saves a fifth.
    """

    def __init__(self, *, with_blocks: bool = True) -> None:
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0
        self._blocks = BlockHasher() if with_blocks else None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file; `data` may be reused afterwards."""
        self._sha256.update(data)
        self._size_bytes += len(data)
        if self._blocks is not None:
            self._blocks.update(data)

    def finish(self) -> FileDigest:
        """The digests of everything taken so far."""
        if self._size_bytes <= BLOCK_BYTES:
            return FileDigest(self._sha256.hexdigest(), self._size_bytes, None, b"")
        assert self._blocks is not None, "a file over one MiB was announced as small"
        leaves = self._blocks.leaves()
        root = merkle_root(leaves)
        return FileDigest(self._sha256.hexdigest(), self._size_bytes, root, leaves)
