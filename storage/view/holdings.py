"""What is held, as the catalogue tells the view: sources, packages, versions.

The view knows no catalogue: `daemon` hands it a `Holdings` that pages through one. Holds no file
lists: those come from the copies themselves, through reader.py.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """One version of one object, as the catalogue vouches for it.

    `inventory_sha256` is the digest that the nodes signed, and all that a read rests on.
    `holders` are the names of the nodes that should have a copy, nearest first.
    """

    object_id: str
    version: int
    inventory_sha256: str
    committed_at: str  # RFC 3339, UTC
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldPackage:
    """One package of one source.

    `sequence` (1 to 2^32 - 1) orders the packages of a source and never changes: it is inode number
    and folder cookie, so packages that arrive while somebody lists are listed last, none twice.
    `versions` ascend.
    """

    sequence: int
    identifier: str
    versions: tuple[HeldVersion, ...]


@dataclass(frozen=True, slots=True)
class HoldingsTotals:
    """How much there is, for statfs(2). May be minutes old."""

    packages: int
    content_bytes: int


class Holdings(Protocol):
    """What is held, in pages. Raises LantaiError or OSError if the catalogue cannot be asked."""

    async def sources(self) -> list[str]:
        """The names of all sources that hold anything, sorted."""
        ...

    async def packages(self, source: str, after: int, limit: int) -> list[HeldPackage]:
        """At most `limit` packages of `source` with `sequence` > `after`, ascending."""
        ...

    async def package(self, source: str, identifier: str) -> HeldPackage | None:
        """The package of that name, or None if `source` holds none."""
        ...

    async def totals(self) -> HoldingsTotals:
        """What all sources hold together."""
        ...
