"""The keeper's signed permission for one node to read one object from another.

docs/wire/repair.md. Values and signatures only; who fetches is mending.py, who serves node_service.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec

from replication.messages import Fetch, Mend
from replication.peers import Peer
from storage.errors import Refusal
from storage.signing import SIGNATURE_BYTES, SigningKey, Verifier

FORMAT: Literal["lantai.ticket.v1"] = "lantai.ticket.v1"


class TicketRefused(Refusal):
    """A ticket is not the keeper's, or not for this object, this source or this target."""

    code: ClassVar[str] = "ticket-refused"


@dataclass(frozen=True, slots=True)
class MendOrder:
    """Which copy a node shall replace, and from where."""

    object_id: str
    version: int
    inventory_sha256: str
    epoch: int
    source: Peer


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the keeper signed."""

    format: Literal["lantai.ticket.v1"]
    object_id: str
    version: int
    inventory_sha256: str
    source: str
    target: str
    epoch: int


def issue(key: SigningKey, ticket: Ticket) -> bytes:
    """Return the ticket as it travels: signature, then payload."""
    payload = msgspec.json.encode(ticket)
    return key.sign(payload) + payload


def read_ticket(raw: bytes, keeper: Verifier) -> Ticket:
    """Raises TicketRefused unless `keeper` signed it."""
    signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    if not keeper.verify(payload, signature):
        raise TicketRefused("the ticket is not signed by the keeper this node knows")
    try:
        return msgspec.json.decode(payload, type=Ticket)
    except msgspec.MsgspecError as error:
        raise TicketRefused(f"the ticket cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class TicketOffice:
    """What one node needs to judge the tickets that are shown to it."""

    node: str
    keeper: Verifier

    def admit(self, fetch: Fetch, target: str, raw: bytes) -> None:
        """Let the node `target` fetch this from us. Raises TicketRefused."""
        ticket = read_ticket(raw, self.keeper)
        if (ticket.source, ticket.target) != (self.node, target):
            raise TicketRefused(f"the ticket is for {ticket.target} to fetch from {ticket.source}")
        if ticket.object_id != fetch.object_id:
            raise TicketRefused("the ticket is for another object")

    def accept(self, mend: Mend, raw: bytes) -> Ticket:
        """Take an order to mend our own copy. Raises TicketRefused."""
        ticket = read_ticket(raw, self.keeper)
        ordered = (mend.object_id, mend.version, mend.inventory_sha256, mend.source.name, self.node)
        allowed = (ticket.object_id, ticket.version, ticket.inventory_sha256)
        if ordered != (*allowed, ticket.source, ticket.target):
            raise TicketRefused("the ticket allows something else than the order asks for")
        return ticket
