"""What is mended, from where, and when the keeper stops and calls."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from replication.repair_plan import (
    PAUSES,
    BadCopy,
    Holding,
    RepairPlan,
    StormLimits,
    Weather,
    plan_repairs,
)

NODES = ("node-1", "node-2", "node-3")
SIGNED = "ab" * 32
OTHER = "cd" * 32
NOW = Weather(now="2026-11-22T11:00:00Z", hour_ago="2026-11-22T10:00:00Z")
EARLIER = "2026-11-22T10:30:00Z"
PATTERNS = 10_000


def holding(
    number: int, good: tuple[str, ...] = NODES, testimony: Mapping[str, str] | None = None
) -> Holding:
    return Holding(f"object-{number}", 1, SIGNED, good, good, testimony or {})


def plan(
    bad: list[BadCopy],
    holdings: list[Holding],
    weather: Weather = NOW,
    limits: StormLimits | None = None,
) -> RepairPlan:
    by_id = {item.object_id: item for item in holdings}
    return plan_repairs(bad, by_id, weather, limits or StormLimits())


def storm(node: str, count: int, found_at: str = EARLIER) -> list[BadCopy]:
    return [BadCopy(node, f"object-{number}", found_at) for number in range(count)]


def test_a_bad_copy_is_mended_from_a_node_whose_copy_is_good() -> None:
    (mend,) = plan([BadCopy("node-1", "object-1")], [holding(1, NODES[1:])]).mends
    assert mend.target == "node-1"
    assert mend.source in NODES[1:]


def test_the_next_attempt_asks_another_source() -> None:
    sources = [
        plan([BadCopy("node-1", "object-1", "", attempt)], [holding(1, NODES[1:])]).mends[0].source
        for attempt in range(2)
    ]
    assert set(sources) == set(NODES[1:])


def test_a_try_that_failed_is_repeated_later_and_later() -> None:
    assert [PAUSES.after(attempts) for attempts in (1, 2, 3, 4, 50)] == [0, 0, 15, 30, 21600]
    bad = BadCopy("node-1", "object-1", attempts=1, not_before="2026-11-22T11:00:30Z")
    assert plan([bad], [holding(1, NODES[1:])]).mends == ()
    assert plan([replace(bad, not_before=NOW.now)], [holding(1, NODES[1:])]).mends


def test_without_any_good_copy_nothing_is_touched_and_the_object_is_named() -> None:
    bad = [BadCopy(node, "object-1") for node in NODES]
    outcome = plan(bad, [holding(1, ())])
    assert outcome.mends == ()
    assert outcome.hopeless == ("object-1",)


def test_a_silent_node_is_no_source_and_its_copy_is_not_given_up() -> None:
    silent = replace(holding(1, ("node-3",)), sources=())
    outcome = plan([BadCopy("node-1", "object-1"), BadCopy("node-2", "object-1")], [silent])
    assert (outcome.mends, outcome.hopeless, outcome.waiting) == ((), (), 2)


def test_a_node_that_is_away_by_plan_is_no_source_no_target_and_not_given_up() -> None:
    planned = replace(NOW, away=frozenset({"node-3"}))
    bad = [BadCopy("node-1", "object-1"), BadCopy("node-2", "object-1")]
    outcome = plan(bad, [holding(1, ("node-3",))], planned)
    assert (outcome.mends, outcome.hopeless, outcome.waiting) == ((), (), 2)
    assert outcome.suspect_nodes == frozenset()
    assert plan([BadCopy("node-3", "object-1")], [holding(1, NODES[:2])], planned).waiting == 1
    (mend,) = plan(bad[:1], [holding(1, NODES[1:])], planned).mends
    assert mend.source == "node-2"


def test_an_object_that_the_catalogue_does_not_know_is_left_alone() -> None:
    assert plan([BadCopy("node-1", "object-9")], []).mends == ()


def test_a_storm_on_one_node_stops_mending_there_and_reading_from_there() -> None:
    other = BadCopy("node-2", "object-20")
    holdings = [holding(n, NODES[1:]) for n in range(11)]
    outcome = plan([*storm("node-1", 11), other], [*holdings, holding(20, ("node-1", "node-3"))])
    assert outcome.suspect_nodes == {"node-1"}
    assert [(mend.target, mend.source) for mend in outcome.mends] == [("node-2", "node-3")]


def test_mends_of_the_last_hour_count_towards_the_storm() -> None:
    bad, holdings = [BadCopy("node-1", "object-1")], [holding(1, NODES[1:])]
    assert plan(bad, holdings, replace(NOW, mended={"node-1": 9})).mends
    assert plan(bad, holdings, replace(NOW, mended={"node-1": 10})).suspect_nodes == {"node-1"}


def test_a_share_of_a_node_may_be_a_storm_too() -> None:
    limits = StormLimits(share_per_node_hour_max=0.001)
    weather = replace(NOW, objects=dict.fromkeys(NODES, 3000))
    holdings = [holding(n, NODES[1:]) for n in range(4)]
    assert len(plan(storm("node-1", 3), holdings, weather, limits).mends) == 3
    assert plan(storm("node-1", 4), holdings, weather, limits).suspect_nodes == {"node-1"}


def test_damage_on_two_nodes_within_an_hour_stops_both_where_that_rule_is_on() -> None:
    bad = [BadCopy("node-1", "object-1", EARLIER), BadCopy("node-2", "object-2", EARLIER)]
    holdings = [holding(1, NODES[1:]), holding(2, ("node-1", "node-3"))]
    strict = StormLimits(nodes_per_hour_max=1)
    assert len(plan(bad, holdings).mends) == 2
    assert plan(bad, holdings, limits=strict).suspect_nodes == {"node-1", "node-2"}
    long_ago = replace(bad[0], found_at="2026-11-21T00:00:00Z")
    assert len(plan([long_ago, bad[1]], holdings, limits=strict).mends) == 2


def test_a_suspect_stays_one_until_a_person_releases_it() -> None:
    bad, holdings = storm("node-1", 1), [holding(0, NODES[1:])]
    assert plan(bad, holdings, replace(NOW, suspects=frozenset({"node-1"}))).mends == ()
    many = storm("node-1", 11)
    holdings = [holding(n, NODES[1:]) for n in range(11)]
    released = replace(NOW, released_at={"node-1": "2026-11-22T10:59:00Z"})
    assert plan(many, holdings).mends == ()
    assert len(plan(many, holdings, released).mends) == 11


def test_the_catalogue_alone_against_all_nodes_touches_nothing() -> None:
    said = dict.fromkeys(NODES, OTHER)
    outcome = plan([BadCopy("node-1", "object-1")], [holding(1, NODES[1:], said)])
    assert outcome.mends == ()
    assert outcome.disagreements == ("object-1",)


def test_a_node_that_keeps_another_inventory_is_no_source() -> None:
    said = {"node-1": SIGNED, "node-2": OTHER, "node-3": SIGNED}
    (mend,) = plan([BadCopy("node-1", "object-1")], [holding(1, NODES[1:], said)]).mends
    assert mend.source == "node-3"


@pytest.mark.parametrize("seed", range(10))
def test_no_random_pattern_of_damage_leads_to_a_wrong_source(seed: int) -> None:
    """Ten thousand patterns: damage, silence, suspicion, wrong testimony, tries, limits."""
    chance = random.Random(seed)
    planned = 0
    for _ in range(PATTERNS // 10):
        planned += judge_random_pattern(chance)
    assert planned > 100, "patterns in which nothing is mended prove nothing"


def judge_random_pattern(chance: random.Random) -> int:
    """How many mends were planned. Raises AssertionError where one is wrong."""
    nodes = [f"node-{number}" for number in range(chance.randint(2, 6))]
    truth = {
        f"object-{number}": {node: chance.random() < 0.6 for node in nodes}
        for number in range(chance.randint(1, 5))
    }
    bad = [
        BadCopy(node, name, chance.choice(["", EARLIER]), chance.randint(0, 9))
        for name, copies in truth.items()
        for node, good in copies.items()
        if not good
    ]
    holdings = [random_holding(chance, name, copies) for name, copies in truth.items()]
    suspects = frozenset(node for node in nodes if chance.random() < 0.1)
    weather = replace(NOW, suspects=suspects, objects=dict.fromkeys(nodes, 100))
    limits = StormLimits(chance.choice([0, 1, 3, 10]), 0.0, chance.choice([0, 0, 2]))
    outcome = plan(bad, holdings, weather, limits)
    by_id = {each.object_id: each for each in holdings}
    for mend in outcome.mends:
        held = by_id[mend.object_id]
        assert truth[mend.object_id][mend.source], "a bad copy was named as source"
        assert not truth[mend.object_id][mend.target], "a good copy was to be replaced"
        assert mend.source in held.sources
        assert held.testimony.get(mend.source, SIGNED) == SIGNED
        assert not outcome.suspect_nodes & {mend.source, mend.target}
        assert mend.inventory_sha256 == SIGNED
    assert set(outcome.hopeless) == {
        name
        for name, copies in truth.items()
        if not any(copies.values()) and name not in outcome.disagreements
    }
    assert suspects <= outcome.suspect_nodes
    return len(outcome.mends)


def random_holding(chance: random.Random, name: str, copies: Mapping[str, bool]) -> Holding:
    good = tuple(node for node, is_good in copies.items() if is_good)
    answering = [node for node in copies if chance.random() < 0.8]
    odd = chance.random() < 0.1
    testimony = {
        node: OTHER if odd or chance.random() < 0.05 else SIGNED
        for node in answering
        if chance.random() < 0.9
    }
    sources = tuple(node for node in good if node in answering)
    return Holding(name, 1, SIGNED, good, sources, testimony)
