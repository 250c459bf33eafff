"""One pass over a file's bytes: copied and hashed by everything that is wanted, at once.

docs/formats/package.md (block roots). The bytes of a sender are read once; SHA-256 and the block
root are ours, further algorithms are what the sender's manifests name. Opens nothing itself.
"""

import os
from collections.abc import Collection

from ingest_watch import progress
from ingest_watch.algorithms import Hasher, new_hasher
from ingest_watch.listing import StagedFile
from ingest_watch.room import make_way
from storage.blocks import FileHasher
from storage.model import BLOCK_BYTES

CHUNK_BYTES = 1024 * 1024


class DigestPass:
    """The hashers of one file of `size_bytes`, which must be its true size."""

    def __init__(self, algorithms: Collection[str], size_bytes: int) -> None:
        self._ours = FileHasher(with_blocks=size_bytes > BLOCK_BYTES)
        self._others: dict[str, Hasher] = {name: new_hasher(name) for name in sorted(algorithms)}

    def update(self, data: memoryview) -> None:
        """Take the next bytes."""
        self._ours.update(data)
        for hasher in self._others.values():
            hasher.update(data)

    def finish(self, path: str, raw_path: bytes | None) -> StagedFile:
        """Return the file as it was read."""
        digest = self._ours.finish()
        digests = {name: hasher.hexdigest() for name, hasher in self._others.items()}
        digests["sha256"] = digest.sha256
        return StagedFile(path, digest.size_bytes, digests, digest.block_root, raw_path)


class Pump:
    """Moves bytes between descriptors through one reused buffer."""

    def __init__(self) -> None:
        self._buffer = bytearray(CHUNK_BYTES)
        self._view = memoryview(self._buffer)

    def copy(self, source: int, target: int | None, size_bytes: int, digests: DigestPass) -> bool:
        """Read exactly `size_bytes`, writing them to `target` if there is one.

        Returns False if the source holds fewer or more bytes (A32).
        """
        left = size_bytes
        while left > 0:
            count = os.readv(source, [self._view[: min(left, CHUNK_BYTES)]])
            if count == 0:
                return False
            piece = self._view[:count]
            digests.update(piece)
            if target is not None:
                write_piece(target, piece)
            left -= count
        return os.read(source, 1) == b""


def write_piece(target: int, piece: memoryview) -> None:
    """Write all of `piece` where the descriptor stands: the kernel may take fewer at a time."""
    make_way(len(piece))
    while len(piece) > 0:
        written = os.write(target, piece)
        progress.advance(written)
        piece = piece[written:]
