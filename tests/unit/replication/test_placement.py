"""Each object lies on N nodes in N domains, and stays there when nodes join."""

import pytest

from replication.peers import Peer
from replication.placement import TooFewDomains, place


def peer(number: int, domain: str | None = None) -> Peer:
    return Peer(
        f"node-{number}", f"tcp://10.0.0.{number}:1", "k" * 40, "0" * 64, domain or f"room-{number}"
    )


def test_the_copies_lie_in_distinct_domains() -> None:
    peers = [peer(1, "a"), peer(2, "a"), peer(3, "b"), peer(4, "b"), peer(5, "c")]
    for number in range(200):
        assert {node.domain for node in place(f"object-{number}", peers, 3)} == {"a", "b", "c"}


def test_the_same_object_is_placed_alike_whatever_the_order_of_the_list() -> None:
    peers = [peer(number) for number in range(1, 7)]
    assert place("object", peers, 3) == place("object", peers[::-1], 3)


def test_a_new_node_takes_only_the_objects_that_it_wins() -> None:
    before = [peer(number) for number in range(1, 6)]
    moved = 0
    for number in range(500):
        old = set(place(f"object-{number}", before, 3))
        new = set(place(f"object-{number}", [*before, peer(6)], 3))
        assert len(old - new) <= 1
        moved += old != new
    assert 150 < moved < 350


def test_an_object_that_nodes_have_already_stays_with_them_when_nodes_join() -> None:
    before = [peer(number) for number in range(1, 4)]
    holders = {node.name for node in before}
    joined = [*before, *(peer(number) for number in range(4, 30))]
    for number in range(50):
        placed = place(f"object-{number}", joined, 3, holders)
        assert {node.name for node in placed} == holders


def test_a_holder_that_is_gone_is_replaced_by_placement() -> None:
    left = [peer(1), peer(2), peer(4), peer(5)]
    placed = {node.name for node in place("object", left, 3, {"node-1", "node-2", "node-3"})}
    assert {"node-1", "node-2"} < placed


def test_too_few_domains_are_refused_with_what_to_do() -> None:
    with pytest.raises(TooFewDomains, match="add nodes in other domains"):
        place("object", [peer(1, "a"), peer(2, "a"), peer(3, "b")], 3)
