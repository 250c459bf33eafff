"""The layout: who belongs to the archive, as the keeper signed it; values and their bytes.

docs/formats/layout.md. Which layout is acceptable is membership.py's to say, where it is kept on a
node layout_shelf.py's.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import msgspec

from storage.digests import sha256_of
from storage.errors import Refusal
from storage.signing import SIGNATURE_BYTES, SigningKey, Verifier, VerifyKey

FORMAT = "lantai.layout.v1"
ACK_FORMAT = "lantai.layout-ack.v1"


class LayoutRefused(Refusal):
    """A layout, or the change that would lead to it, is not acceptable; the message says why."""

    code: ClassVar[str] = "layout-refused"


class Standing(StrEnum):
    """How a node stands in the archive."""

    JOINING = "joining"  # named by a person, not proven yet; takes and counts nothing
    UP = "up"  # takes packages; its copies count
    READONLY = "readonly"  # takes nothing; its copies count once it was verified
    DRAINING = "draining"  # takes nothing new; its copies count until others stand in their place
    LOST = "lost"  # gone for good; nothing is asked of it, and nothing there counts


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node of a layout."""

    name: str
    domain: str
    weight: int
    state: Standing
    verified: bool  # False: it is joining, or came back, and nothing on it counts yet
    verify_key: str  # of its signed answers, 64 hexadecimal digits


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everybody who belongs to the archive, from one version to the next."""

    format: str
    version: int  # 1, 2, …: the higher one holds
    copies: int  # N: how many of every object, each in a domain of its own
    made_at: str
    made_by: str  # the person who ordered it, or the keeper's own name
    reason: str
    members: tuple[Member, ...]  # sorted by name

    def member(self, name: str) -> Member | None:
        """The node of this name, if it belongs."""
        return next((each for each in self.members if each.name == name), None)

    def in_state(self, *states: Standing) -> frozenset[str]:
        """Names of the nodes that stand so."""
        return frozenset(each.name for each in self.members if each.state in states)


class LayoutAck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node signs when it has a layout on its disk."""

    format: str
    node: str
    node_uuid: str
    version: int
    layout_sha256: str


@dataclass(frozen=True, slots=True)
class SignedLayout:
    """A layout as it is kept and travels; its signature was verified by whoever made this."""

    layout: Layout
    payload: bytes
    signature: bytes

    @property
    def sha256(self) -> str:
        """Of the payload: what a node names in its ack."""
        return sha256_of([self.payload])

    def to_wire(self) -> bytes:
        """Signature, then payload."""
        return self.signature + self.payload


def sign_layout(layout: Layout, key: SigningKey) -> SignedLayout:
    """The layout as the keeper tells it."""
    payload = msgspec.json.format(msgspec.json.encode(layout), indent=2) + b"\n"
    return SignedLayout(layout, payload, key.sign(payload))


def read_layout(payload: bytes, signature: bytes, keeper: Verifier) -> SignedLayout:
    """Raises LayoutRefused unless `keeper` signed exactly these bytes, and they are a layout."""
    if len(signature) != SIGNATURE_BYTES or not keeper.verify(payload, signature):
        raise LayoutRefused("the layout is not signed by the keeper that is known here")
    try:
        layout = msgspec.json.decode(payload, type=Layout)
    except msgspec.MsgspecError as error:
        raise LayoutRefused(f"the layout is signed and cannot be read: {error}") from error
    if layout.format != FORMAT:
        raise LayoutRefused(f"the layout's format is {layout.format!r}, not {FORMAT}")
    return SignedLayout(layout, payload, signature)


def from_wire(raw: bytes, keeper: Verifier) -> SignedLayout:
    """`to_wire`, backwards. Raises LayoutRefused."""
    return read_layout(raw[SIGNATURE_BYTES:], raw[:SIGNATURE_BYTES], keeper)


def sign_ack(ack: LayoutAck, key: SigningKey) -> bytes:
    """Signature, then payload: what a node answers."""
    payload = msgspec.json.encode(ack)
    return key.sign(payload) + payload


def read_ack(raw: bytes, node: VerifyKey) -> LayoutAck:
    """Raises LayoutRefused unless the node signed it."""
    signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    if len(signature) != SIGNATURE_BYTES or not node.verify(payload, signature):
        raise LayoutRefused("the answer is not signed by the node's own key")
    try:
        ack = msgspec.json.decode(payload, type=LayoutAck)
    except msgspec.MsgspecError as error:
        raise LayoutRefused(f"the answer cannot be read: {error}") from error
    if ack.format != ACK_FORMAT:
        raise LayoutRefused(f"the answer's format is {ack.format!r}, not {ACK_FORMAT}")
    return ack
