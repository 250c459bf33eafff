"""What a node answered, as values: parts of files, pages of listings, the state of its disk.

docs/wire/README.md. Nothing here is verified yet; whoever asked does that.
"""

from dataclasses import dataclass

from storage.hash_tree.leaf import Leaf
from storage.model import StoredObject
from storage.volume.findings import Finding


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of a file, or of its list of leaves, not verified."""

    data: bytes
    end: bool  # nothing follows


@dataclass(frozen=True, slots=True)
class ObjectPage:
    objects: tuple[StoredObject, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class LeafPage:
    leaves: tuple[Leaf, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class FindingPage:
    findings: tuple[Finding, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class NodeState:
    """How a node says its disk is."""

    state: str
    message: str
    free_bytes: int
    total_bytes: int
    objects: int
    content_bytes: int
