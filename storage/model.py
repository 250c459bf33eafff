"""The words of this product as values: what a file, an object and a copy are.

docs/formats/package.md (paths, identity, block roots) and docs/formats/volume.md (verify modes).
Values only: nothing here reads a disk, a clock or a socket.
"""

from dataclasses import dataclass
from enum import StrEnum

# Block size of the Merkle trees, and the largest data frame on the wire.
BLOCK_BYTES = 1024 * 1024


class VerifyMode(StrEnum):
    """How a copy was read back from the medium (docs/formats/volume.md)."""

    EVICTED = "evicted"  # page cache dropped, residency proven zero, then read
    DIRECT = "direct"  # O_DIRECT
    UNPROVEN = "unproven"  # the file system failed the self-test; only if configuration allows


@dataclass(frozen=True, slots=True)
class ObservedDigest:
    """The SHA-256 of bytes as they were read back from somewhere.

    Deliberately not a string: every expected digest of this product is one, so the type checker
    refuses an observed digest wherever an expected one is wanted (docs/decisions/0009).
    """

    hexadecimal: str  # for records and messages that say "observed"; never for a baseline

    def is_that_of(self, expected_sha256: str) -> bool:
        """Whether the bytes that were read are those that were signed."""
        return self.hexadecimal == expected_sha256


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an object's version: a line of the file list."""

    path: str  # logical path, "received/data/申请表.pdf"; escaped when the name is not UTF-8
    size_bytes: int
    sha256: str  # 64 lower-case hexadecimal digits
    block_root: str | None  # None for files of at most BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of one object, as every node signs it."""

    object_id: str
    version: int  # 1, 2, …
    inventory_sha256: str  # of the root inventory whose head is this version
    file_count: int
    content_bytes: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as a node's index knows it."""

    object_id: str
    head: int
    inventory_sha256: str
    file_count: int
    content_bytes: int
    checked_at: str  # RFC 3339, UTC: when this copy was last read whole and found intact


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """What a node says of a copy, exactly as signed; `payload` is JSON (answers.md)."""

    payload: bytes
    signature: bytes  # Ed25519, 64 bytes


def source_of(object_id: str) -> str:
    """The source's part of an object id, "lantai:<source>/<identifier>"; empty if it has none."""
    _, colon, rest = object_id.partition(":")
    source, slash, _ = rest.partition("/")
    return source if colon and slash else ""
