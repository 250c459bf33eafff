"""When catalogue and nodes are compared: by the clock, and at once when somebody returns."""

import pytest

from daemon.roles.keeper_comparison import ComparisonTimes, sentence
from replication.comparison import Comparison, Effort

PERIOD_S = 600.0
BOTH = frozenset({("node-1", 1), ("node-2", 1)})


@pytest.fixture
def times() -> ComparisonTimes:
    """One comparison of two nodes was made, from 100 to 102."""
    times = ComparisonTimes(PERIOD_S)
    assert times.is_due(100, BOTH), "the first one is due at once"
    times.compared(100, 102, BOTH, is_settled=True)
    return times


def test_the_next_one_is_due_after_the_period(times: ComparisonTimes) -> None:
    assert not times.is_due(102 + PERIOD_S - 1, BOTH)
    assert times.is_due(102 + PERIOD_S, BOTH)


@pytest.mark.parametrize("newcomer", [("node-2", 2), ("node-3", 1)], ids=["greeted anew", "new"])
def test_whoever_returns_is_compared_at_once(
    times: ComparisonTimes, newcomer: tuple[str, int]
) -> None:
    assert times.is_due(103, frozenset({("node-1", 1), newcomer}))


def test_a_node_that_goes_away_is_no_reason(times: ComparisonTimes) -> None:
    assert not times.is_due(103, frozenset({("node-1", 1)}))


def test_what_stayed_in_doubt_is_looked_at_soon_but_not_without_end(
    times: ComparisonTimes,
) -> None:
    times.compared(200, 203, BOTH, is_settled=False)
    assert not times.is_due(203 + 29, BOTH)
    assert times.is_due(203 + 30, BOTH)
    times.compared(300, 500, BOTH, is_settled=False)
    assert times.is_due(500 + PERIOD_S, BOTH), "never later than by the clock"


def test_the_sentence_says_what_differs_and_who_was_silent() -> None:
    equal = Comparison((), (), (), effort=Effort(nodes=3))
    assert sentence(equal) == "3 nodes keep what the catalogue says"
    effort = Effort(nodes=2, partitions=4)
    found = Comparison(("lantai:s/1",), (), ("node-3",), 2, 1, 1, effort)
    assert sentence(found) == (
        "4 of 4096 partitions differ on 2 nodes: 2 copies forgotten, 1 damaged, 1 verified; "
        "1 objects differ from all nodes: call a person; no answer from node-3"
    )
