"""The events a node writes down, and the answer it signs, as exact bytes.

docs/formats/journal.md, "Payload"; docs/formats/answers.md, "Node answer". Pure: clock and key
are arguments, and nothing here knows where the journal lies.
"""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from storage.model import SignedAnswer, VerifyMode
from storage.node_answer import NOT_BURNED_IN
from storage.signing import SIGNATURE_BYTES, SigningKey
from storage.volume.order import StoreOrder

Member = str | int | bool | None

ANSWER_FORMAT = "lantai.node-answer.v1"


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be written down; the journal adds sequence and time."""

    kind: str
    members: dict[str, Member] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who signs: one node on one disk, reading back in one mode."""

    node: str
    node_uuid: str
    domain: str
    verify_mode: VerifyMode
    key: SigningKey
    burn_in: str = NOT_BURNED_IN  # of the disk (docs/formats/volume.md)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond, so that equal lengths sort as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sign_answer(speaker: Speaker, order: StoreOrder, sequence: int, at: str) -> SignedAnswer:
    """The node's word that it holds this copy and has read it back."""
    payload = msgspec.json.encode(
        {
            "format": ANSWER_FORMAT,
            "op_id": order.op_id,
            "node": speaker.node,
            "node_uuid": speaker.node_uuid,
            "domain": speaker.domain,
            "object_id": order.object_id,
            "version": order.version,
            "inventory_sha256": order.inventory_sha256,
            "file_count": order.file_count,
            "content_bytes": order.content_bytes,
            "verify_mode": speaker.verify_mode.value,
            "committed_at": at,
            "journal_sequence": sequence,
            "burn_in": speaker.burn_in,
        }
    )
    return SignedAnswer(payload, speaker.key.sign(payload))


def committed(
    order: StoreOrder, answer: SignedAnswer, mode: VerifyMode, *, recovered: bool
) -> Event:
    """A copy counts from here on."""
    return Event(
        "committed",
        {
            "op_id": order.op_id,
            "object_id": order.object_id,
            "version": order.version,
            "inventory_sha256": order.inventory_sha256,
            "file_list_sha256": order.file_list_sha256,
            "file_count": order.file_count,
            "content_bytes": order.content_bytes,
            "verify_mode": mode.value,
            "recovered": recovered,
            **_earlier(order),
            "answer_base64": base64.b64encode(answer.signature + answer.payload).decode(),
        },
    )


def _earlier(order: StoreOrder) -> dict[str, Member]:
    """What the object holds beside this version."""
    if order.version == 1:
        return {}
    return {"earlier_files": order.earlier_files, "earlier_bytes": order.earlier_bytes}


def mended(as_committed: Event, quarantined: str | None) -> Event:
    """The same for a copy that took the place of a bad one."""
    return Event("mended", {**as_committed.members, "quarantined": quarantined})


def answer_of(members: dict[str, Member]) -> SignedAnswer:
    """The answer in a `committed` or `mended` record, byte for byte as it was signed."""
    signed = base64.b64decode(str(members["answer_base64"]))
    return SignedAnswer(signed[SIGNATURE_BYTES:], signed[:SIGNATURE_BYTES])
