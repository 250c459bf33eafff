"""A ticket lets one node read one object from another, and nothing else."""

from dataclasses import replace

import msgspec
import pytest

from replication.messages import Fetch, Mend, Source
from replication.tickets import FORMAT, Ticket, TicketOffice, TicketRefused, issue, read_ticket
from storage.signing import AnyOf, SigningKey

KEEPER = SigningKey.generate()
TICKET = Ticket(FORMAT, "lantai:gov/1", 1, "ab" * 32, "node-2", "node-1", 4)
RAW = issue(KEEPER, TICKET)
OFFICE = TicketOffice("node-2", KEEPER.verify_key)
FETCH = Fetch(1, "lantai:gov/1", "inventory.json", 0, 10)
MEND = Mend(1, "lantai:gov/1", 1, "ab" * 32, 4, Source("node-2", "tcp://127.0.0.1:1", "k" * 40))


def test_the_named_target_may_fetch_the_named_object_from_the_named_source() -> None:
    OFFICE.admit(FETCH, "node-1", RAW)
    assert replace(OFFICE, node="node-1").accept(MEND, RAW) == TICKET


@pytest.mark.parametrize(
    ("fetch", "target", "node"),
    [
        (FETCH, "node-3", "node-2"),
        (FETCH, "node-1", "node-3"),
        (msgspec.structs.replace(FETCH, object_id="lantai:gov/2"), "node-1", "node-2"),
    ],
)
def test_any_other_node_or_object_is_refused(fetch: Fetch, target: str, node: str) -> None:
    with pytest.raises(TicketRefused):
        replace(OFFICE, node=node).admit(fetch, target, RAW)


@pytest.mark.parametrize("position", [0, 63, 64, len(RAW) - 1])
def test_one_changed_byte_makes_a_ticket_void(position: int) -> None:
    changed = bytearray(RAW)
    changed[position] ^= 1
    with pytest.raises(TicketRefused):
        read_ticket(bytes(changed), KEEPER.verify_key)


def test_an_order_that_asks_for_more_than_its_ticket_is_refused() -> None:
    other = msgspec.structs.replace(MEND, inventory_sha256="cd" * 32)
    with pytest.raises(TicketRefused):
        replace(OFFICE, node="node-1").accept(other, RAW)


def test_of_several_keepers_each_is_believed_and_nobody_else() -> None:
    standby, stranger = SigningKey.generate(), SigningKey.generate()
    known = AnyOf((KEEPER.verify_key, standby.verify_key))
    for keeper in (KEEPER, standby):
        assert read_ticket(issue(keeper, TICKET), known) == TICKET
    with pytest.raises(TicketRefused, match="not signed by the keeper"):
        read_ticket(issue(stranger, TICKET), known)
