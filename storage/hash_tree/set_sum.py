"""A sum that stands for a set of leaves, whatever the order in which they came and went.

docs/wire/tree.md, "Partitions": Bellare and Micciancio's AdHash with a modulus of 4,096 bits, at
which Wagner's generalised birthday attack costs 2^128. A leaf is added or taken out in microseconds
however many there are, so a partition never has to be read to know its digest.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from blake3 import blake3

from storage.hash_tree.branch import Subtree

SUM_BYTES = 512

_MODULUS = 1 << (8 * SUM_BYTES)
_PARTITION_PREFIX = b"\x01"


@dataclass(frozen=True, slots=True)
class SetSum:
    """A set of leaves. Each may be in it once; whoever adds and takes keeps to that."""

    objects: int = 0
    value: bytes = bytes(SUM_BYTES)

    def changed(self, taken: Iterable[bytes], added: Iterable[bytes]) -> "SetSum":
        """The set without the leaves `taken` and with those `added`, by their digests."""
        total, objects = int.from_bytes(self.value, "little"), self.objects
        for digest in taken:
            total -= _summand(digest)
            objects -= 1
        for digest in added:
            total += _summand(digest)
            objects += 1
        return SetSum(objects, (total % _MODULUS).to_bytes(SUM_BYTES, "little"))

    def subtree(self) -> Subtree:
        """The partition as it stands in the tree."""
        # A sum that went below nothing is wrong already; it must differ, not fail.
        count = self.objects % (1 << 64)
        digest = hashlib.sha256(_PARTITION_PREFIX + count.to_bytes(8) + self.value).digest()
        return Subtree(digest, count)


def _summand(leaf_digest: bytes) -> int:
    return int.from_bytes(blake3(leaf_digest).digest(SUM_BYTES), "little")
