"""A descent finds exactly the partitions that differ, and asks no more than it must."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.descent import Descent
from storage.hash_tree.branch import FANOUT, LEVELS, Subtree, children_of, partitions_below
from storage.hash_tree.leaf import PARTITIONS
from storage.hash_tree.set_sum import SetSum

EMPTY = [SetSum().subtree()] * PARTITIONS
ALL_BRANCHES = sum(FANOUT**level for level in range(LEVELS))


def other_side(differing: set[int]) -> list[Subtree]:
    changed = SetSum().changed([], [bytes(32)]).subtree()
    return [changed if number in differing else each for number, each in enumerate(EMPTY)]


def descend(own: list[Subtree], other: list[Subtree]) -> Descent:
    descent = Descent(own)
    while descent.wanted:
        level, index = place = descent.wanted[0]
        below = partitions_below(level, index)
        descent.hear(place, children_of(level, other[below.start : below.stop]))
    return descent


def test_equal_sets_cost_one_message() -> None:
    descent = descend(EMPTY, EMPTY)
    assert (descent.asked, descent.differing) == (1, {})


@given(st.sets(st.integers(0, PARTITIONS - 1), max_size=40))
def test_messages_are_bounded_by_the_differences(differing: set[int]) -> None:
    other = other_side(differing)
    descent = descend(EMPTY, other)
    assert descent.differing == {number: other[number] for number in differing}
    assert descent.asked <= min(1 + 2 * len(differing), ALL_BRANCHES)


def test_two_sides_that_have_nothing_in_common_cost_every_branch_once() -> None:
    descent = descend(EMPTY, other_side(set(range(PARTITIONS))))
    assert descent.asked == ALL_BRANCHES == 273
    assert len(descent.differing) == PARTITIONS


@pytest.mark.parametrize("seed", range(3))
def test_answers_may_come_in_any_order(seed: int) -> None:
    chance = Random(seed)
    differing = set(chance.sample(range(PARTITIONS), 20))
    other = other_side(differing)
    descent = Descent(EMPTY)
    while descent.wanted:
        level, index = place = chance.choice(descent.wanted)
        below = partitions_below(level, index)
        descent.hear(place, children_of(level, other[below.start : below.stop]))
    assert set(descent.differing) == differing
