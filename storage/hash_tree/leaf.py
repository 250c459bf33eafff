"""One copy in the hash tree: which partition it is in, and the digest that stands for it.

docs/wire/tree.md, "Leaves". Node and catalogue make them alike, each from its own records; what
lies on the disk is the sweep's to read.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

PARTITIONS = 4096

_PARTITION_BITS = 12
_LEAF_PREFIX = b"\x00"


class LeafState(StrEnum):
    """How a copy counts. One that is gone has no leaf."""

    STORED = "stored"
    DAMAGED = "damaged"


_STATE_BYTES = {LeafState.STORED: b"\x01", LeafState.DAMAGED: b"\x02"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One object as one side has it of one node."""

    object_id: str
    head: int  # newest version
    inventory_sha256: str  # of the root inventory with that head
    state: LeafState


def partition_of(object_id: str) -> int:
    """0 to 4095: the first 12 bits of SHA-256 over the object id."""
    first = hashlib.sha256(object_id.encode()).digest()[:2]
    return int.from_bytes(first) >> (16 - _PARTITION_BITS)


def leaf_digest(leaf: Leaf) -> bytes:
    """32 bytes. Each member has a fixed length or tells it: no two leaves are framed alike."""
    name = leaf.object_id.encode()
    return hashlib.sha256(
        _LEAF_PREFIX
        + len(name).to_bytes(4)
        + name
        + leaf.head.to_bytes(8)
        + bytes.fromhex(leaf.inventory_sha256)
        + _STATE_BYTES[leaf.state]
    ).digest()
