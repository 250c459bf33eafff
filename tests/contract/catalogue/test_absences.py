"""Who is away by plan, by the ledger, and what that does to counts (absences.py, figures.py)."""

from storage.catalogue import absences, acts, copies, figures, fixity
from storage.catalogue.fixity import DomainSpread, Period
from storage.catalogue.model import Actor, CopyState
from tests.contract.catalogue.story import Story, moment

ZHANG = Actor("zhang", "control socket")


def away(story: Story, at: int) -> list[tuple[str, str]]:
    return [(each.node, each.until) for each in absences.present(story.connection, moment(at))]


def test_an_absence_lasts_until_its_end_and_no_longer(story: Story) -> None:
    absences.begin(story.connection, "node-3", moment(60), "moved", ZHANG, moment(10))
    assert away(story, 59) == [("node-3", moment(60))]
    assert away(story, 60) == []


def test_an_absence_ends_when_somebody_says_so_and_only_once(story: Story) -> None:
    absences.begin(story.connection, "node-3", moment(60), "moved", ZHANG, moment(10))
    assert absences.end(story.connection, "node-3", "done", ZHANG, moment(20))
    assert away(story, 21) == []
    assert not absences.end(story.connection, "node-3", "done", ZHANG, moment(22))
    assert not absences.end(story.connection, "node-1", "never", ZHANG, moment(22))


def test_said_again_it_replaces_what_was_said_before(story: Story) -> None:
    absences.begin(story.connection, "node-3", moment(60), "moved", ZHANG, moment(10))
    absences.begin(story.connection, "node-3", moment(90), "takes longer", ZHANG, moment(20))
    absences.begin(story.connection, "node-2", moment(80), "same room", ZHANG, moment(21))
    (first, second) = absences.present(story.connection, moment(30))
    assert (first.node, first.since, first.reason) == ("node-2", moment(21), "same room")
    assert (second.until, second.reason, second.who) == (moment(90), "takes longer", "zhang")


def test_both_words_are_on_record_with_who_said_them(story: Story) -> None:
    absences.begin(story.connection, "node-3", moment(60), "moved", ZHANG, moment(10))
    absences.end(story.connection, "node-3", "done", ZHANG, moment(20))
    said = [each.event for each in acts.page(story.connection)]
    assert [(each.act, each.node, each.who) for each in said] == [
        ("node.away", "node-3", "zhang"),
        ("node.back", "node-3", "zhang"),
    ]
    assert acts.details(said[0]) == {"until": moment(60), "reason": "moved"}


def test_a_copy_on_an_absent_node_is_neither_damage_nor_a_good_copy(story: Story) -> None:
    """One copy is bad, one is away: the package is at risk, and nothing more is called bad."""
    package = story.stored()
    story.stored("case-0002")
    copies.mark(story.connection, package.id, "node-2", CopyState.DAMAGED)
    usual = figures.safety(story.connection)
    absent = figures.safety(story.connection, frozenset({"node-3"}))
    assert (usual.at_risk, absent.at_risk) == (0, 1)
    assert (absent.bad_copies, absent.below_target) == (usual.bad_copies, usual.below_target)
    assert absent.without_good_copy == 0


def test_an_absent_node_is_in_no_domain_of_a_report(story: Story) -> None:
    story.stored()
    told = fixity.facts(story.connection, Period(moment(1), moment(2)), 10, frozenset({"node-3"}))
    assert told.spread == [DomainSpread(2, 1)]
