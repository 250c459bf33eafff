"""What moves next, and when a disk may go (replication/moves.py)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.layout import Layout, Standing
from replication.membership import first_layout, moved
from replication.moves import (
    Candidate,
    Leaving,
    MoveFacts,
    left_s,
    plan_moves,
    unheard,
    why_not_removable,
)
from tests.unit.replication.layout_samples import BY, PEERS, five

NAMES = [each.name for each in PEERS]
NOW = "2026-11-22T10:00:00.000000Z"
LATER = "2026-11-22T11:00:00.000000Z"


def draining() -> Layout:
    return moved(five(), "node-1", Standing.DRAINING, BY, ())


def facts(layout: Layout, resting: frozenset[str] = frozenset()) -> MoveFacts:
    return MoveFacts(layout, tuple(PEERS), NOW, frozenset(NAMES), resting)


def candidate(number: int, good: str = "123", bad: str = "") -> Candidate:
    return Candidate(
        f"object-{number}",
        1,
        "a" * 64,
        number,
        "node-1",
        frozenset(f"node-{each}" for each in good),
        frozenset(f"node-{each}" for each in bad),
    )


def test_a_copy_moves_to_a_node_that_has_none_in_a_domain_of_its_own() -> None:
    plan = plan_moves(map(candidate, range(20)), facts(draining()), 99)
    assert len(plan.moves) == 20
    for move in plan.moves:
        assert move.target in {"node-4", "node-5"}
        assert move.source in {"node-1", "node-2", "node-3"}


def test_the_same_copy_goes_to_the_same_node_whoever_plans_it() -> None:
    one, other = (plan_moves([candidate(7)], facts(draining()), 9) for _ in range(2))
    assert one == other


def test_what_has_fewest_good_copies_goes_first() -> None:
    lost = moved(five(), "node-1", Standing.LOST, BY, ())
    objects = [candidate(1, "234"), candidate(2, "23", "1"), candidate(3, "2", "1")]
    plan = plan_moves([replace(each, leaving="node-1") for each in objects[1:]], facts(lost), 1)
    assert [move.candidate.package_id for move in plan.moves] == [3]


def test_an_object_is_planned_once_however_often_it_is_named() -> None:
    assert len(plan_moves([candidate(1), candidate(1)], facts(draining()), 9).moves) == 1


def test_what_moved_lately_rests_but_not_where_a_copy_is_lacking() -> None:
    rested = [
        replace(candidate(1), not_before=LATER),
        replace(candidate(2, "23"), not_before=LATER),
    ]
    plan = plan_moves(rested, facts(draining()), 9)
    assert [move.candidate.package_id for move in plan.moves] == [2]
    assert plan.waiting == 1


def test_what_failed_waits_for_its_time_and_then_asks_another_source() -> None:
    failed = replace(candidate(1), attempts=1, not_before=LATER)
    assert plan_moves([failed], facts(draining()), 9).moves == ()
    first, second, third = (
        plan_moves([replace(candidate(1), attempts=tries)], facts(draining()), 9).moves[0].source
        for tries in range(3)
    )
    assert {first, second, third} == {"node-1", "node-2", "node-3"}


def test_neither_a_suspect_nor_a_silent_node_gives_or_takes() -> None:
    resting = facts(draining(), frozenset({"node-2", "node-4"}))
    silent = replace(resting, answering=frozenset(NAMES) - {"node-3"})
    for move in plan_moves(map(candidate, range(9)), silent, 99).moves:
        assert (move.source, move.target) == ("node-1", "node-5")


def test_a_copy_on_a_node_that_is_up_is_mended_in_its_place_and_not_moved() -> None:
    """node-2's copy is bad: repair has it replaced there; node-1's goes to one other node."""
    (move,) = plan_moves([candidate(1, "13", "2")], facts(draining()), 9).moves
    assert move.target in {"node-4", "node-5"}
    after = candidate(1, f"13{move.target[-1]}", "2")
    assert plan_moves([after], facts(draining()), 9).moves == ()


def test_where_no_domain_is_free_nothing_moves_and_it_is_said() -> None:
    layout = first_layout(PEERS[:4], 3, BY)
    layout = moved(layout, "node-1", Standing.DRAINING, BY, ())
    short = replace(facts(layout), peers=tuple(PEERS[:3]))
    assert plan_moves([candidate(1)], short, 9).homeless == 1


@settings(max_examples=60)
@given(st.lists(st.sets(st.sampled_from("12345"), min_size=1, max_size=5), max_size=12))
def test_moving_ends_with_three_copies_that_stay_and_takes_one_step_at_a_time(
    held: list[set[str]],
) -> None:
    state = {number: set(good) for number, good in enumerate(held)}
    for _ in range(4):
        lacking = [
            candidate(number, "".join(sorted(good)))
            for number, good in state.items()
            if len(good - {"1"}) < 3
        ]
        for move in plan_moves(lacking, facts(draining()), 99).moves:
            target = move.target[-1]
            assert target not in state[move.candidate.package_id]
            state[move.candidate.package_id].add(target)
    assert all(len(good - {"1"}) >= 3 for good in state.values())


@pytest.mark.parametrize(
    ("leaving", "reasons"),
    [
        (Leaving("node-1", 0, 0, ()), 0),
        (Leaving("node-1", 1, 0, ()), 1),
        (Leaving("node-1", 0, 1, ()), 1),
        (Leaving("node-1", 0, 0, ("node-2",)), 1),
        (Leaving("node-1", 5, 2, ("node-2", "node-3")), 3),
    ],
)
def test_a_disk_may_go_only_when_nothing_speaks_against_it(leaving: Leaving, reasons: int) -> None:
    assert len(why_not_removable(leaving)) == reasons


def test_every_live_node_must_have_signed_for_the_layout() -> None:
    layout = moved(draining(), "node-5", Standing.LOST, BY, ())
    assert unheard(layout, {"node-1": 3, "node-2": 2, "node-3": 3}) == ("node-2", "node-4")


def test_what_is_left_is_reckoned_from_the_pace_of_late() -> None:
    assert left_s(0, (), 100.0, 600) == 0
    assert left_s(10, (99.0,), 100.0, 600) is None
    assert left_s(10, [float(each) for each in range(90, 100)], 100.0, 600) == pytest.approx(10)
