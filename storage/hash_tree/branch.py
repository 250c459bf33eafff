"""The inner nodes of the hash tree: 16 children each, three levels over the 4,096 partitions.

docs/wire/tree.md, "Tree". Pure; which branches are asked for is replication/descent.py's.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

FANOUT = 16
LEVELS = 3  # of inner nodes; level 3 are the partitions
BRANCHES_MAX = FANOUT ** (LEVELS - 1)  # inner nodes of the lowest level
SUBTREE_BYTES = 40

_INNER_PREFIX = b"\x02"


@dataclass(frozen=True, slots=True)
class Subtree:
    """An inner node or a partition: what is below it, and how many objects these are."""

    digest: bytes
    objects: int

    def encoded(self) -> bytes:
        """40 bytes, as they are hashed and sent."""
        return self.digest + self.objects.to_bytes(8)


def parent(children: Sequence[Subtree]) -> Subtree:
    """The inner node over these 16."""
    assert len(children) == FANOUT
    joined = b"".join(child.encoded() for child in children)
    return Subtree(
        hashlib.sha256(_INNER_PREFIX + joined).digest(),
        sum(child.objects for child in children) % (1 << 64),
    )


def partitions_below(level: int, index: int) -> range:
    """Numbers of the partitions under the inner node `index` of `level`."""
    span = FANOUT ** (LEVELS - level)
    return range(index * span, (index + 1) * span)


def children_of(level: int, partitions: Sequence[Subtree]) -> list[Subtree]:
    """The 16 children of an inner node of `level`, by all partitions below it, in order."""
    nodes = list(partitions)
    assert len(nodes) == FANOUT ** (LEVELS - level), (level, len(nodes))
    while len(nodes) > FANOUT:
        nodes = [parent(nodes[at : at + FANOUT]) for at in range(0, len(nodes), FANOUT)]
    return nodes


def root(partitions: Sequence[Subtree]) -> Subtree:
    """What stands for everything."""
    return parent(children_of(0, partitions))


def encode_branch(children: Sequence[Subtree]) -> bytes:
    """The data frame of a `branch`."""
    assert len(children) == FANOUT
    return b"".join(child.encoded() for child in children)


def decode_branch(data: bytes) -> list[Subtree]:
    """Raises ValueError where the bytes are no branch."""
    if len(data) != FANOUT * SUBTREE_BYTES:
        raise ValueError(f"a branch has {FANOUT * SUBTREE_BYTES} bytes, not {len(data)}")
    pieces = (data[at : at + SUBTREE_BYTES] for at in range(0, len(data), SUBTREE_BYTES))
    return [Subtree(piece[:32], int.from_bytes(piece[32:])) for piece in pieces]
