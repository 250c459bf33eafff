"""Equal sets have equal roots, others have not; and bytes are as docs/wire/tree.md has them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.hash_tree.branch import (
    FANOUT,
    LEVELS,
    Subtree,
    children_of,
    decode_branch,
    encode_branch,
    parent,
    partitions_below,
    root,
)
from storage.hash_tree.leaf import PARTITIONS, Leaf, LeafState, leaf_digest, partition_of
from storage.hash_tree.set_sum import SetSum

PAGE = Path(__file__).parents[4] / "docs" / "wire" / "tree.md"
LEAF = Leaf("lantai:政务服务/case-1", 1, "ab" * 32, LeafState.STORED)

leaves = st.builds(
    Leaf,
    st.sampled_from([f"lantai:s/{number}" for number in range(12)]),
    st.integers(1, 3),
    st.sampled_from(["ab" * 32, "cd" * 32]),
    st.sampled_from(LeafState),
)


def sum_of(found: dict[str, Leaf]) -> SetSum:
    return SetSum().changed([], (leaf_digest(leaf) for leaf in found.values()))


def test_the_page_s_vectors_are_what_is_computed() -> None:
    text = PAGE.read_text("utf-8")
    (partition,) = re.findall(r"^    partition (\d+)$", text, re.MULTILINE)
    assert partition_of(LEAF.object_id) == int(partition)
    named = r"^    (leaf stored|leaf damaged|alone) ([0-9a-f]{64})$"
    said = dict(re.findall(named, text, re.MULTILINE))
    damaged = replace(LEAF, state=LeafState.DAMAGED)
    assert said == {
        "leaf stored": leaf_digest(LEAF).hex(),
        "leaf damaged": leaf_digest(damaged).hex(),
        "alone": SetSum().changed([], [leaf_digest(LEAF)]).subtree().digest.hex(),
    }


@given(st.lists(leaves))
def test_what_came_and_went_leaves_no_trace_but_what_is_left(acts: list[Leaf]) -> None:
    """Each act puts a leaf in the place of whatever its object had, or takes that away."""
    kept: dict[str, Leaf] = {}
    running = SetSum()
    for leaf in acts:
        before = kept.pop(leaf.object_id, None)
        if before != leaf:
            kept[leaf.object_id] = leaf
        after = kept.get(leaf.object_id)
        running = running.changed(
            [leaf_digest(before)] if before else [], [leaf_digest(after)] if after else []
        )
    assert running == sum_of(kept)
    assert running.objects == len(kept)


@given(st.lists(leaves), st.lists(leaves))
def test_sums_are_equal_exactly_where_the_sets_are(one: list[Leaf], other: list[Leaf]) -> None:
    first = {leaf.object_id: leaf for leaf in one}
    second = {leaf.object_id: leaf for leaf in other}
    are_equal = sum_of(first).subtree() == sum_of(second).subtree()
    assert are_equal == (first == second)


@pytest.mark.parametrize(
    "other",
    [
        replace(LEAF, object_id=LEAF.object_id + "0"),
        replace(LEAF, head=2),
        replace(LEAF, inventory_sha256="ac" + "ab" * 31),
        replace(LEAF, state=LeafState.DAMAGED),
    ],
    ids=["object id", "head", "inventory", "state"],
)
def test_every_member_is_under_the_digest(other: Leaf) -> None:
    assert leaf_digest(other) != leaf_digest(LEAF)


def test_names_cannot_be_moved_into_other_members() -> None:
    """Whatever a sender calls its package, its length stands before it."""
    long_named = replace(LEAF, object_id="x" * 300)
    digests = {leaf_digest(replace(long_named, object_id="x" * n)) for n in range(300)}
    assert len(digests) == 300


def test_partitions_are_filled_evenly() -> None:
    counts = [0] * PARTITIONS
    for number in range(40_960):
        counts[partition_of(f"lantai:s/{number}")] += 1
    assert max(counts) < 40
    assert sum(counts) == 40_960


@given(st.integers(0, PARTITIONS - 1))
def test_one_changed_partition_changes_every_branch_above_it_and_no_other(number: int) -> None:
    before = [SetSum().subtree()] * PARTITIONS
    after = list(before)
    after[number] = SetSum().changed([], [leaf_digest(LEAF)]).subtree()
    assert root(before) != root(after)
    assert root(after).objects == 1
    for level in range(LEVELS):
        for index in {0, 3, number // FANOUT ** (LEVELS - level)} & set(range(FANOUT**level)):
            below = partitions_below(level, index)
            one, other = (
                children_of(level, side[below.start : below.stop]) for side in (before, after)
            )
            changed = [child for child in range(FANOUT) if one[child] != other[child]]
            assert len(changed) == (1 if number in below else 0)


def test_a_parent_is_of_its_children_s_order_and_counts() -> None:
    children = [Subtree(bytes([number]) * 32, number) for number in range(FANOUT)]
    turned = [children[1], children[0], *children[2:]]
    counted = [Subtree(children[0].digest, 1), *children[1:]]
    assert len({parent(each).digest for each in (children, turned, counted)}) == 3


def test_a_branch_is_read_as_it_was_written_and_nothing_else_is() -> None:
    children = [Subtree(bytes([number]) * 32, 2**63 + number) for number in range(FANOUT)]
    assert decode_branch(encode_branch(children)) == children
    for length in (0, 639, 641):
        with pytest.raises(ValueError, match="640"):
            decode_branch(bytes(length))
