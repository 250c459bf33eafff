"""Who is called slow, from when on, and until when."""

from replication.paces import Paces, SlowLimits

NODES = ("node-1", "node-2", "node-3")
LIMITS = SlowLimits(times_median=3, after_s=600, answer_s_min=0.1)


class Watched:
    """Paces of three nodes, with a clock that is turned by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.paces = Paces(NODES, LIMITS, lambda: self.now_s)

    def answers(self, for_s: float, *, node_1_s: float, others_s: float = 0.02) -> None:
        """Each node answers every ten seconds."""
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            self.now_s += 10
            self.paces.note("node-1", node_1_s)
            for node in NODES[1:]:
                self.paces.note(node, others_s)


def test_a_node_is_slow_after_ten_minutes_of_answering_three_times_as_slowly() -> None:
    watched = Watched()
    watched.answers(590, node_1_s=0.5)
    assert watched.paces.slow == frozenset()
    watched.answers(40, node_1_s=0.5)
    assert watched.paces.slow == {"node-1"}


def test_a_moment_of_quickness_begins_the_ten_minutes_anew() -> None:
    watched = Watched()
    watched.answers(500, node_1_s=0.5)
    watched.answers(300, node_1_s=0.02)
    watched.answers(500, node_1_s=0.5)
    assert watched.paces.slow == frozenset()


def test_whoever_answers_within_a_tenth_of_a_second_is_never_slow() -> None:
    watched = Watched()
    watched.answers(3000, node_1_s=0.09, others_s=0.001)
    assert watched.paces.slow == frozenset()


def test_nobody_is_slow_where_all_are() -> None:
    watched = Watched()
    watched.answers(3000, node_1_s=5, others_s=4)
    assert watched.paces.slow == frozenset()


def test_a_slow_node_is_tried_again_and_its_first_answer_decides() -> None:
    watched = Watched()
    watched.answers(700, node_1_s=0.5)
    watched.now_s += 700
    assert watched.paces.slow == frozenset(), "tried again"
    watched.paces.note("node-1", 0.5)
    assert watched.paces.slow == {"node-1"}, "still slow: left alone at once"
    watched.now_s += 700
    watched.paces.note("node-1", 0.02)
    watched.answers(300, node_1_s=0.02)
    assert watched.paces.slow == frozenset()
    watched.answers(500, node_1_s=0.5)
    assert watched.paces.slow == frozenset(), "what was before is forgotten"


def test_one_that_was_never_asked_says_nothing_of_itself() -> None:
    watched = Watched()
    watched.paces.note("node-1", 9)
    assert watched.paces.answer_s == {"node-1": 9}
    assert watched.paces.slow == frozenset(), "there is nobody to compare it with"
