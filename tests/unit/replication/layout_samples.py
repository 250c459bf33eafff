"""Nodes, and a layout of five of them, to play with."""

from replication.layout import Layout
from replication.membership import Signatory, first_layout
from replication.peers import Peer

BY = Signatory("staff", "2026-11-22T10:00:00.000000Z", "because")


def peer(number: int, domain: str | None = None, weight: int = 1) -> Peer:
    name = f"node-{number}"
    where = domain or f"room-{number}"
    return Peer(name, f"tcp://10.0.0.{number}:1", "k" * 40, f"{number:064x}", where, weight)


PEERS = [peer(number) for number in range(1, 6)]


def five() -> Layout:
    return first_layout(PEERS, 3, BY)
