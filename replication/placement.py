"""Which nodes hold an object: weighted rendezvous hashing over a hierarchy of failure domains.

DESIGN.md promise 1: N copies on N distinct failure domains. A domain is a path, `site/room/rack`;
copies are kept apart at the highest level that allows it. Weights after Schindelhauer and
Schomaker (2005), in decimal arithmetic, whose results are the same on every machine. Pure: nothing
here opens a socket.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from decimal import Context, Decimal

from replication.peers import Peer
from storage.errors import Refusal

# ln() and division are correctly rounded (General Decimal Arithmetic), whatever computes them.
_EXACT = Context(prec=28)
# Of the hash: 28 digits tell any of these from 0 and from 1.
_DRAWN_BYTES = 8
_DRAWN_SHARES = Decimal(2 ** (8 * _DRAWN_BYTES + 1))


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
    ranked = sorted(peers, key=lambda peer: _score(object_id, peer), reverse=True)
    chosen: list[Peer] = []
    _choose(chosen, [peer for peer in ranked if peer.name in holders], copies)
    _choose(chosen, ranked, copies)
    if len(chosen) < copies:
        raise TooFewDomains(
            f"{copies} copies need {copies} failure domains, but the nodes that may take them span "
            f"{len(chosen)}: add nodes in other domains, or lower site.copies"
        )
    return tuple(chosen)


def shared_levels(one: str, other: str) -> int:
    """How many levels of two domains are the same, from the top: `a/b/c` and `a/b/d` share 2."""
    levels = 0
    for mine, yours in zip(one.split("/"), other.split("/"), strict=False):
        if mine != yours:
            break
        levels += 1
    return levels


def lies_within(domain: str, other: str) -> bool:
    """Whether `domain` is `other` or a part of it: then both fail together."""
    return shared_levels(domain, other) == other.count("/") + 1


def _choose(chosen: list[Peer], ranked: Sequence[Peer], copies: int) -> None:
    """Add to `chosen`, one by one, whoever shares least with it; of equals the first ranked."""
    while len(chosen) < copies:
        free = [peer for peer in ranked if not _shares_fate(peer, chosen)]
        if not free:
            return
        chosen.append(min(free, key=lambda peer: _shared(peer, chosen)))


def _shared(peer: Peer, chosen: Iterable[Peer]) -> int:
    return max((shared_levels(peer.domain, each.domain) for each in chosen), default=0)


def _shares_fate(peer: Peer, chosen: Iterable[Peer]) -> bool:
    return any(
        lies_within(peer.domain, each.domain) or lies_within(each.domain, peer.domain)
        for each in chosen
    )


def _score(object_id: str, peer: Peer) -> tuple[Decimal, bytes]:
    """weight / -ln(hash as a share of 1): the highest win, each in proportion to its weight."""
    digest = hashlib.sha256(f"{peer.name}\0{object_id}".encode()).digest()
    drawn = Decimal(2 * int.from_bytes(digest[:_DRAWN_BYTES]) + 1)
    share = _EXACT.divide(drawn, _DRAWN_SHARES)
    return _EXACT.divide(Decimal(peer.weight), -_EXACT.ln(share)), digest
