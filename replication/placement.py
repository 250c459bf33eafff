"""Which nodes hold an object: rendezvous hashing over failure domains.

DESIGN.md promise 1: N copies on N distinct failure domains. Pure: nothing here opens a socket.
"""

import hashlib
from collections.abc import Collection, Sequence

from replication.peers import Peer
from storage.errors import Refusal


class TooFewDomains(Refusal):
    """There are fewer failure domains than copies to keep."""

    code = "too-few-domains"


def place(
    object_id: str, peers: Sequence[Peer], copies: int, holders: Collection[str] = ()
) -> tuple[Peer, ...]:
    """Return the `copies` peers that hold `object_id`, each in a domain of its own.

    The same object and peers always give the same answer, in the same order; adding a peer moves
    only the objects that it wins. An object that nodes have already (`holders`) stays with them.
    Raises TooFewDomains when the peers span too few domains.
    """
    ranked = sorted(
        peers, key=lambda peer: (peer.name in holders, _weight(object_id, peer)), reverse=True
    )
    chosen: dict[str, Peer] = {}
    for peer in ranked:
        chosen.setdefault(peer.domain, peer)
    if len(chosen) < copies:
        raise TooFewDomains(
            f"{copies} copies need {copies} failure domains, but the configured nodes span "
            f"{len(chosen)}: add nodes in other domains, or lower site.copies"
        )
    return tuple(chosen.values())[:copies]


def _weight(object_id: str, peer: Peer) -> bytes:
    return hashlib.sha256(f"{peer.name}\0{object_id}".encode()).digest()
