"""The tree of the mount: what its places are, and one inode number for each.

    /<source>/<package>/v1/…          the sender's files under the sender's names
    /<source>/<package>/v1.lantai/…   what Lantai recorded about that version

An inode number is computed, not handed out: `slot << 39 | depth << 32 | offset`. A slot stands for
a source or for one of a version's two folders. Below a source, depth is 1 and offset the package's
sequence; below a version, they say which line of its file list and how many names of that path
(listing.py). So the kernel may remember a million packages or files, and this table holds one row.
Pure: asks nobody and reads nothing.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from storage.errors import LantaiError
from storage.view.holdings import HeldVersion

ROOT_INODE = 1

_OFFSET_BITS = 32
_DEPTH_BITS = 7
_SLOT_BITS = 24
_SLOT_SHIFT = _OFFSET_BITS + _DEPTH_BITS
# docs/formats/package.md allows paths 64 deep; a list of a million files stays below 2 GiB.
DEPTH_MAX = (1 << _DEPTH_BITS) - 1
OFFSET_MAX = (1 << _OFFSET_BITS) - 1


class InodesExhausted(LantaiError):
    """More folders are in use at once than the mount has numbers for."""

    code = "inodes-exhausted"


class StaleInode(LantaiError):
    """The kernel named an inode that it had forgotten, as after a restart (over NFS)."""

    code = "inode-stale"


@dataclass(frozen=True, slots=True)
class Root:
    """The mountpoint: its entries are the sources."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source: its entries are packages."""

    name: str


@dataclass(frozen=True, slots=True)
class Area:
    """One of the two folders of a version: the sender's files, or Lantai's records."""

    held: HeldVersion
    records: bool


Place = Root | Source | Area


@dataclass(frozen=True, slots=True)
class Position:
    """A place (depth 0), or what lies below it.

    Below a source, at depth 1, its package of sequence `offset`; below an area, the first `depth`
    names of the path whose line is at `offset`.
    """

    place: Place
    depth: int = 0
    offset: int = 0


def committed_nanoseconds(held: HeldVersion) -> int:
    """When the version was committed, as st_mtime_ns."""
    return int(datetime.fromisoformat(held.committed_at).timestamp()) * 1_000_000_000


def _key(place: Place) -> bytes:
    """What makes a place the same place, over restarts too."""
    match place:
        case Root():
            return b"root"
        case Source(name):
            return b"source\0" + name.encode()
        case Area(held, records):
            kind = b"records" if records else b"files"
            return b"\0".join((kind, str(held.version).encode(), held.object_id.encode()))


@dataclass(slots=True)
class _Slot:
    key: bytes
    place: Place
    lookups: int


class InodeTable:
    """The places that the kernel knows. Counts look-ups as FUSE does, over all inodes of a slot."""

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}
        self._numbers: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def remember(self, position: Position) -> int:
        """The inode of `position`, looked up once more. A place met again is brought up to date."""
        inode = self.number(position)
        if inode != ROOT_INODE:
            number = inode >> _SLOT_SHIFT
            slot = self._slots.get(number)
            if slot is None:
                slot = self._slots[number] = _Slot(_key(position.place), position.place, 0)
                self._numbers[slot.key] = number
            slot.place = position.place
            slot.lookups += 1
        return inode

    def number(self, position: Position) -> int:
        """The inode that `position` has or would have."""
        if isinstance(position.place, Root):
            return ROOT_INODE
        assert 0 <= position.depth <= DEPTH_MAX, "paths are at most 64 names deep"
        assert 0 <= position.offset <= OFFSET_MAX, "file lists and sequences end before 2^32"
        below = position.depth << _OFFSET_BITS | position.offset
        return self._slot_of(_key(position.place)) << _SLOT_SHIFT | below

    def position(self, inode: int) -> Position:
        """What an inode that the kernel remembers stands for. Raises StaleInode otherwise."""
        if inode == ROOT_INODE:
            return Position(Root())
        slot = self._slots.get(inode >> _SLOT_SHIFT)
        if slot is None:
            raise StaleInode(f"inode {inode} is not known; look the path up again")
        return Position(
            slot.place, depth=inode >> _OFFSET_BITS & DEPTH_MAX, offset=inode & OFFSET_MAX
        )

    def forget(self, inode: int, lookups: int) -> None:
        """The kernel gives `lookups` of this inode back."""
        number = inode >> _SLOT_SHIFT
        slot = self._slots.get(number)
        if slot is None:
            return
        slot.lookups -= lookups
        if slot.lookups <= 0:
            del self._slots[number]
            del self._numbers[slot.key]

    def _slot_of(self, key: bytes) -> int:
        """The slot of a key: by its digest, or the next one free if another place has that."""
        known = self._numbers.get(key)
        if known is not None:
            return known
        slots = 1 << _SLOT_BITS
        if len(self._slots) >= slots // 2:
            raise InodesExhausted("too many folders are open at once; close some and try again")
        number = int.from_bytes(hashlib.blake2b(key, digest_size=4).digest()) % slots
        # Slot 0 would give the inode numbers below 2^39, the root's among them.
        while number == 0 or number in self._slots:
            number = (number + 1) % slots
        return number
