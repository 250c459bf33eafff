"""What answers say when they are laid side by side, and how much is audited."""

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from replication.audit_plan import (
    Answer,
    AuditOutcome,
    Comparison,
    Denied,
    Said,
    Silent,
    compare,
    conclude,
    confessed,
    draw,
    objects_due,
    suspects,
)


def answers(*words: str) -> list[Answer]:
    """`x`, `y`: digests; `x!`: with unread files; `-`: no answer; `no`: denies the object."""
    return [_answer(f"node-{number}", word) for number, word in enumerate(words, 1)]


def _answer(node: str, word: str) -> Answer:
    if word == "-":
        return Silent(node, "away")
    if word == "no":
        return Denied(node, "object-unknown")
    return Said(node, word.strip("!"), word.count("!"))


def judged(*words: str) -> tuple[AuditOutcome, tuple[str, ...]]:
    """Outcome, and the numbers of the nodes that have to re-check."""
    comparison = compare(answers(*words))
    return comparison.outcome, tuple(node.removeprefix("node-") for node in comparison.doubted)


def test_equal_answers_of_all_agree() -> None:
    assert judged("x", "x", "x") == (AuditOutcome.AGREED, ())


def test_a_node_that_does_not_answer_says_nothing_about_its_copy() -> None:
    assert judged("x", "x", "-") == (AuditOutcome.PARTIAL, ())
    assert judged("x", "-", "-") == (AuditOutcome.UNANSWERED, ())
    assert judged("-", "-", "-") == (AuditOutcome.UNANSWERED, ())
    assert judged() == (AuditOutcome.UNANSWERED, ())


def test_one_against_two_is_located() -> None:
    assert judged("x", "y", "x") == (AuditOutcome.LOCATED, ("2",))


def test_without_a_majority_nobody_is_believed() -> None:
    assert judged("x", "y", "z") == (AuditOutcome.UNDECIDED, ("1", "2", "3"))
    assert judged("x", "y", "-") == (AuditOutcome.UNDECIDED, ("1", "2"))
    assert judged("x", "x", "y", "y") == (AuditOutcome.UNDECIDED, ("1", "2", "3", "4"))


def test_who_confesses_that_files_are_unreadable_has_no_vote() -> None:
    assert judged("x", "x", "x!") == (AuditOutcome.LOCATED, ("3",))
    assert judged("x", "y!", "y!") == (AuditOutcome.LOCATED, ("2", "3"))
    assert judged("x!", "x!", "x!") == (AuditOutcome.UNDECIDED, ("1", "2", "3"))


def test_who_denies_an_object_it_signed_for_is_named() -> None:
    comparison = compare(answers("x", "x", "no"))
    assert comparison.outcome is AuditOutcome.LOCATED
    assert comparison.denying == ("node-3",)
    assert comparison.doubted == ()
    assert judged("x", "y", "no", "no") == (AuditOutcome.UNDECIDED, ("1", "2"))


def concluded(
    first: list[Answer], rechecks: dict[str, str], second: list[Answer]
) -> tuple[AuditOutcome, tuple[str, ...]]:
    begun = compare(first)
    final = compare(confessed(second, rechecks))
    return conclude(begun, rechecks, final), suspects(begun, rechecks, final)


def test_damage_that_its_node_finds_is_located_and_suspects_nobody() -> None:
    first = answers("x", "y", "x")
    assert concluded(first, {"node-2": "damaged"}, first) == (AuditOutcome.LOCATED, ())


def test_a_node_that_differs_twice_and_says_intact_is_suspect() -> None:
    first, second = answers("x", "y", "x"), answers("p", "q", "p")
    outcome = concluded(first, {"node-2": "intact"}, second)
    assert outcome == (AuditOutcome.SUSPECT, ("node-2",))


def test_a_copy_that_was_mended_in_between_is_settled() -> None:
    first, second = answers("x", "y", "x"), answers("p", "p", "p")
    assert concluded(first, {"node-2": "intact"}, second) == (AuditOutcome.SETTLED, ())


def test_a_node_that_could_not_check_itself_is_not_suspected() -> None:
    first = answers("x", "y", "x")
    assert concluded(first, {"node-2": "not-judged"}, first) == (AuditOutcome.LOCATED, ())
    assert concluded(first, {}, first) == (AuditOutcome.LOCATED, ())


def test_two_damaged_of_three_are_told_by_their_own_word() -> None:
    first, second = answers("x", "y", "z"), answers("p", "q", "r")
    rechecks = {"node-1": "intact", "node-2": "damaged", "node-3": "damaged"}
    assert concluded(first, rechecks, second) == (AuditOutcome.LOCATED, ())


def test_two_that_differ_and_both_say_intact_stay_undecided() -> None:
    first, second = answers("x", "y", "-"), answers("p", "q", "-")
    rechecks = {"node-1": "intact", "node-2": "intact"}
    assert concluded(first, rechecks, second) == (AuditOutcome.UNDECIDED, ())


WORDS = st.lists(st.sampled_from(["x", "y", "z", "x!", "y!", "-", "no"]), max_size=7)


@given(WORDS)
def test_every_holder_is_judged_once_and_only_speakers_are_doubted(words: list[str]) -> None:
    given_answers = answers(*words)
    said = {answer.node for answer in given_answers if isinstance(answer, Said)}
    comparison = compare(given_answers)
    everyone = [
        *comparison.agreeing, *comparison.doubted, *comparison.denying, *comparison.missing,
    ]  # fmt: skip
    assert sorted(everyone) == sorted(answer.node for answer in given_answers)
    assert set(comparison.doubted) <= said


@given(WORDS, st.randoms())
def test_the_order_of_answers_changes_nothing(words: list[str], chance: random.Random) -> None:
    given_answers = answers(*words)
    shuffled = list(given_answers)
    chance.shuffle(shuffled)

    def without_order(comparison: Comparison) -> tuple[object, ...]:
        return (
            comparison.outcome, set(comparison.agreeing), set(comparison.doubted),
            set(comparison.denying), set(comparison.missing),
        )  # fmt: skip

    assert without_order(compare(given_answers)) == without_order(compare(shuffled))


@given(WORDS)
def test_a_minority_never_makes_a_majority_doubted(words: list[str]) -> None:
    """Whatever fewer than half of the speakers say, those who agree are not doubted."""
    given_answers = answers(*words)
    votes = [word for word in words if word in ("x", "y", "z")]
    speakers = [word for word in words if word != "-"]
    for digest in set(votes):
        if votes.count(digest) * 2 > len(speakers) and votes.count(digest) >= 2:
            holders = {a.node for a in given_answers if isinstance(a, Said) and a.digest == digest}
            honest = {a.node for a in given_answers if isinstance(a, Said) and not a.unread_files}
            assert not (holders & honest & set(compare(given_answers).doubted))


@given(WORDS, WORDS, st.lists(st.sampled_from(["intact", "damaged", "not-judged"]), max_size=7))
def test_only_a_node_that_says_intact_and_differs_twice_is_suspected(
    first: list[str], second: list[str], said: list[str]
) -> None:
    rechecks = {f"node-{number}": word for number, word in enumerate(said, 1)}
    begun = compare(answers(*first))
    final = compare(confessed(answers(*second), rechecks))
    for node in suspects(begun, rechecks, final):
        assert rechecks[node] == "intact"
        assert node in begun.doubted
        assert node in final.doubted
        assert final.agreeing
    if conclude(begun, rechecks, final) is AuditOutcome.SUSPECT:
        assert suspects(begun, rechecks, final)


def test_a_share_of_all_objects_is_audited_each_day() -> None:
    assert objects_due(1_000_000, 0.001, timedelta(hours=1)) == 41
    assert objects_due(1_000_000, 0.001, timedelta(days=1)) == 1000


def test_a_small_archive_has_one_object_audited_a_day() -> None:
    assert objects_due(50, 0.001, timedelta(hours=23)) == 0
    assert objects_due(50, 0.001, timedelta(hours=24)) == 1


def test_after_a_long_pause_no_more_than_a_day_is_caught_up() -> None:
    assert objects_due(1_000_000, 0.001, timedelta(days=90)) == 1000


def test_a_day_of_a_very_large_archive_is_not_audited_in_one_go() -> None:
    assert objects_due(100_000_000, 0.001, timedelta(days=1)) == 1000


def test_an_archive_never_audited_begins_with_one_object() -> None:
    assert objects_due(1_000_000, 0.001, None) == 1
    assert objects_due(0, 0.001, None) == 0


def test_a_share_of_nothing_audits_nothing() -> None:
    assert objects_due(1_000_000, 0.0, timedelta(days=9)) == 0


def test_a_clock_that_was_set_back_audits_nothing() -> None:
    assert objects_due(1_000_000, 0.001, -timedelta(days=1)) == 0


@given(st.integers(0, 50), st.integers(0, 50), st.integers())
def test_a_draw_is_distinct_numbers_and_the_same_for_a_seed(
    highest: int, count: int, seed: int
) -> None:
    drawn = draw(random.Random(seed), highest, count)
    assert drawn == draw(random.Random(seed), highest, count)
    assert len(set(drawn)) == len(drawn) >= min(highest, count)
    assert all(1 <= number <= highest for number in drawn)


def test_every_package_is_as_likely_as_any_other() -> None:
    chance = random.Random(5)
    seen = [draw(chance, 10, 1)[0] for _ in range(5000)]
    assert all(400 < seen.count(number) < 600 for number in range(1, 11))
