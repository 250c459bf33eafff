"""Who may belong and how that may change (replication/membership.py)."""

import pytest

from replication.layout import Layout, LayoutRefused, Standing
from replication.membership import (
    Signatory,
    added,
    apart,
    first_layout,
    moved,
    proven,
    reconfigured,
    restated,
    takers,
    unproven,
)
from tests.unit.replication.layout_samples import BY, PEERS, five, peer


def states(layout: Layout) -> str:
    return " ".join(each.state.value for each in layout.members)


def test_the_first_layout_has_every_configured_node_up() -> None:
    layout = first_layout([peer(2, "b", 7), peer(1, "a"), peer(3, "c")], 3, BY)
    assert (layout.version, layout.copies) == (1, 3)
    assert [(each.name, each.weight, each.state, each.verified) for each in layout.members] == [
        ("node-1", 1, Standing.UP, True),
        ("node-2", 7, Standing.UP, True),
        ("node-3", 1, Standing.UP, True),
    ]


def test_a_layout_with_fewer_domains_than_copies_is_refused() -> None:
    with pytest.raises(LayoutRefused, match="3 copies need as many failure domains"):
        first_layout([peer(1, "a"), peer(2, "a"), peer(3, "b")], 3, BY)


def test_a_domain_inside_another_is_refused() -> None:
    nodes = [peer(1, "a"), peer(2, "a/rack-1"), peer(3, "b"), peer(4, "c")]
    with pytest.raises(LayoutRefused, match="a part of a"):
        first_layout(nodes, 3, BY)


@pytest.mark.parametrize("state", [Standing.DRAINING, Standing.LOST, Standing.READONLY])
def test_a_node_may_not_leave_where_too_few_domains_would_remain(state: Standing) -> None:
    three = first_layout(PEERS[:3], 3, BY)
    with pytest.raises(LayoutRefused, match="add a node in another domain first"):
        moved(three, "node-1", state, BY, ())


def test_each_change_is_a_new_version_that_says_who_and_why() -> None:
    made = moved(five(), "node-2", Standing.DRAINING, Signatory("wang", "2026", "old disk"), ())
    assert (made.version, made.made_by, made.reason) == (2, "wang", "old disk")
    assert states(made) == "up draining up up up"


def test_a_second_domain_may_not_leave_while_copies_of_the_first_are_not_elsewhere() -> None:
    draining = moved(five(), "node-1", Standing.DRAINING, BY, ())
    with pytest.raises(LayoutRefused, match="more than one domain would be leaving at once"):
        moved(draining, "node-2", Standing.LOST, BY, {"node-1"})
    assert states(moved(draining, "node-2", Standing.LOST, BY, ())) == "draining lost up up up"


def test_nodes_of_one_site_may_leave_together() -> None:
    nodes = [peer(number, f"site-{number % 2}/room-{number}") for number in range(1, 8)]
    layout = moved(first_layout(nodes, 3, BY), "node-1", Standing.LOST, BY, ())
    assert moved(layout, "node-3", Standing.LOST, BY, {"node-1"}).version == 3


def test_a_new_node_takes_nothing_before_it_was_proven_and_is_up_then() -> None:
    three = first_layout(PEERS[:3], 3, BY)
    joining = added(three, PEERS[3], BY)
    assert states(joining) == "up up up joining"
    assert "node-4" not in {each.name for each in takers(joining, PEERS)}
    up = proven(joining, "node-4", BY)
    assert states(up) == "up up up up"
    assert "node-4" in {each.name for each in takers(up, PEERS)}
    with pytest.raises(LayoutRefused, match="belongs to the archive already"):
        added(up, PEERS[3], BY)


def test_a_lost_node_comes_back_readonly_and_is_up_only_once_it_was_verified() -> None:
    lost = moved(five(), "node-5", Standing.LOST, BY, ())
    with pytest.raises(LayoutRefused, match="cannot become up"):
        moved(lost, "node-5", Standing.UP, BY, ())
    back = moved(lost, "node-5", Standing.READONLY, BY, ())
    assert unproven(back) == {"node-5"}
    with pytest.raises(LayoutRefused, match="has not been verified"):
        moved(back, "node-5", Standing.UP, BY, ())
    verified = proven(back, "node-5", BY)
    assert unproven(verified) == frozenset()
    assert states(moved(verified, "node-5", Standing.UP, BY, ())) == "up up up up up"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (Standing.DRAINING, Standing.UP),
        (Standing.READONLY, Standing.UP),
        (Standing.READONLY, Standing.DRAINING),
        (Standing.DRAINING, Standing.LOST),
    ],
)
def test_a_person_may_change_their_mind(first: Standing, then: Standing) -> None:
    made = moved(moved(five(), "node-1", first, BY, ()), "node-1", then, BY, {"node-1"})
    assert made.member("node-1") is not None
    assert states(made).split()[0] == then.value


def test_what_is_no_node_or_no_change_is_refused() -> None:
    with pytest.raises(LayoutRefused, match="does not belong to the archive"):
        moved(five(), "node-9", Standing.DRAINING, BY, ())
    with pytest.raises(LayoutRefused, match="is up already"):
        moved(five(), "node-1", Standing.UP, BY, ())


def test_a_draining_node_takes_a_later_version_only_where_too_few_holders_are_up() -> None:
    draining = moved(five(), "node-1", Standing.DRAINING, BY, ())
    assert {each.name for each in takers(draining, PEERS)} == {
        "node-2", "node-3", "node-4", "node-5",
    }  # fmt: skip
    holders = {"node-1", "node-2", "node-3"}
    assert "node-1" in {each.name for each in takers(draining, PEERS, holders)}
    moved_on = holders | {"node-4"}
    assert "node-1" not in {each.name for each in takers(draining, PEERS, moved_on)}


def test_takers_have_the_domain_and_weight_of_the_layout() -> None:
    layout = first_layout([peer(1, "a", 5), *PEERS[1:3]], 3, BY)
    (taker, *_) = takers(layout, PEERS)
    assert (taker.name, taker.domain, taker.weight) == ("node-1", "a", 5)


def test_nothing_is_asked_of_lost_joining_and_unknown_nodes() -> None:
    layout = added(moved(five(), "node-1", Standing.LOST, BY, ()), peer(6), BY)
    asked = [f"node-{number}" for number in range(1, 8)]
    assert apart(layout, asked) == {"node-1", "node-6", "node-7"}


def test_weights_and_n_are_taken_from_the_configuration_with_a_change() -> None:
    heavier = [peer(1, weight=4), *PEERS[1:]]
    asked = reconfigured(five(), 2, heavier)
    made = restated(asked, BY)
    assert (made.version, made.copies) == (2, 2)
    assert [each.weight for each in made.members] == [4, 1, 1, 1, 1]
    with pytest.raises(LayoutRefused, match="6 copies need"):
        restated(reconfigured(five(), 6, heavier), BY)
