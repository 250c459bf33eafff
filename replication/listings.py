"""The entries of a `listing`: what stands in its data frame, to and from bytes.

docs/wire/README.md, below the message table. Headers are messages.py's.
"""

from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from replication.message_codec import shortened
from replication.messages import (
    LISTING_MAX,
    Count,
    MalformedMessage,
    Moment,
    Name,
    ObjectId,
    Sha256,
)
from storage.hash_tree.leaf import LeafState


class ListedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the listing that answers `objects`."""

    object_id: ObjectId
    head: Count
    inventory_sha256: Sha256
    file_count: Count
    content_bytes: Count
    checked_at: Moment


class ListedLeaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the listing that answers `leaves`."""

    object_id: ObjectId
    head: Count
    inventory_sha256: Sha256
    state: LeafState


class ListedFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the listing that answers `findings`."""

    sequence: Count
    found_at: Moment
    object_id: str
    kind: Name
    path: str
    detail: str
    evidence: str
    mended_at: Moment | None


Entry = TypeVar("Entry", ListedObject, ListedLeaf, ListedFinding)

_encoder = msgspec.msgpack.Encoder()
_objects = msgspec.msgpack.Decoder(Annotated[list[ListedObject], Meta(max_length=LISTING_MAX)])
_leaves = msgspec.msgpack.Decoder(Annotated[list[ListedLeaf], Meta(max_length=LISTING_MAX)])
_findings = msgspec.msgpack.Decoder(Annotated[list[ListedFinding], Meta(max_length=LISTING_MAX)])


def decode_objects(data: bytes | memoryview) -> list[ListedObject]:
    """The data frame of a `listing` of objects. Raises MalformedMessage."""
    return _listing(_objects, data)


def decode_leaves(data: bytes | memoryview) -> list[ListedLeaf]:
    """The data frame of a `listing` of leaves. Raises MalformedMessage."""
    return _listing(_leaves, data)


def decode_findings(data: bytes | memoryview) -> list[ListedFinding]:
    """The data frame of a `listing` of findings. Raises MalformedMessage."""
    return _listing(_findings, data)


def encode_listing(
    entries: Sequence[ListedObject] | Sequence[ListedLeaf] | Sequence[ListedFinding],
) -> bytes:
    return _encoder.encode(entries)


def _listing(
    decoder: msgspec.msgpack.Decoder[list[Entry]], data: bytes | memoryview
) -> list[Entry]:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(shortened(f"the listing cannot be read: {error}")) from error
