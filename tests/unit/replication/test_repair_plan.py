"""What is mended, from where, and when the keeper stops and calls."""

from hypothesis import given
from hypothesis import strategies as st

from replication.repair import pause_s
from replication.repair_plan import BadCopy, Holding, RepairPlan, plan_repairs

NODES = ("node-1", "node-2", "node-3")


def holding(number: int, good: tuple[str, ...] = NODES) -> Holding:
    return Holding(f"object-{number}", 1, "ab" * 32, good)


def plan(bad: list[BadCopy], holdings: list[Holding], limit: int = 10, **mended: int) -> RepairPlan:
    by_id = {item.object_id: item for item in holdings}
    recent = {name.replace("_", "-"): count for name, count in mended.items()}
    return plan_repairs(bad, by_id, recent, limit)


def test_a_bad_copy_is_mended_from_a_node_whose_copy_is_good() -> None:
    (mend,) = plan([BadCopy("node-1", "object-1")], [holding(1, NODES[1:])]).mends
    assert mend.target == "node-1"
    assert mend.source in NODES[1:]


def test_the_next_attempt_asks_another_source() -> None:
    sources = [
        plan([BadCopy("node-1", "object-1", attempt)], [holding(1, NODES[1:])]).mends[0].source
        for attempt in range(2)
    ]
    assert set(sources) == set(NODES[1:])


def test_without_any_good_copy_nothing_is_touched_and_the_object_is_named() -> None:
    bad = [BadCopy(node, "object-1") for node in NODES]
    outcome = plan(bad, [holding(1, ())])
    assert outcome.mends == ()
    assert outcome.hopeless == ("object-1",)


def test_an_object_that_the_catalogue_does_not_know_is_left_alone() -> None:
    assert plan([BadCopy("node-1", "object-9")], []).mends == ()


def test_a_storm_on_one_node_stops_mending_there_and_reading_from_there() -> None:
    storm = [BadCopy("node-1", f"object-{n}") for n in range(1, 12)]
    other = BadCopy("node-2", "object-20")
    holdings = [holding(n, NODES[1:]) for n in range(1, 12)]
    outcome = plan([*storm, other], [*holdings, holding(20, ("node-1", "node-3"))])
    assert outcome.suspect_nodes == {"node-1"}
    assert [(mend.target, mend.source) for mend in outcome.mends] == [("node-2", "node-3")]


def test_mends_of_the_last_hour_count_towards_the_storm() -> None:
    bad = [BadCopy("node-1", "object-1")]
    assert plan(bad, [holding(1, NODES[1:])], node_1=9).mends
    assert plan(bad, [holding(1, NODES[1:])], node_1=10).suspect_nodes == {"node-1"}


@given(
    st.dictionaries(
        st.integers(1, 6), st.lists(st.sampled_from(NODES), unique=True, max_size=3), max_size=6
    ),
    st.integers(0, 4),
)
def test_a_source_is_never_a_bad_copy_and_never_the_target(
    damage: dict[int, list[str]], attempts: int
) -> None:
    bad = [BadCopy(node, f"object-{n}", attempts) for n, nodes in damage.items() for node in nodes]
    holdings = [
        holding(n, tuple(node for node in NODES if node not in nodes))
        for n, nodes in damage.items()
    ]
    damaged = {(copy.node, copy.object_id) for copy in bad}
    for mend in plan(bad, holdings, limit=100).mends:
        assert (mend.source, mend.object_id) not in damaged
        assert (mend.target, mend.object_id) in damaged


def test_every_source_is_tried_at_once_and_then_ever_more_rarely() -> None:
    pauses_s = [pause_s(attempts) for attempts in range(1, 20)]
    assert pauses_s[:4] == [0, 0, 15, 30]
    assert pauses_s == sorted(pauses_s)
    assert max(pauses_s) == 3600
