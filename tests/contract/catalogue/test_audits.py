"""What audits leave on record, and which packages they may ask about."""

import json

from storage.catalogue import audits, events, suspects
from storage.catalogue.audits import AuditRecord
from storage.catalogue.model import Actor
from tests.contract.catalogue.story import Story, moment

KEEPER = Actor("keeper", "host-1")


def test_only_stored_packages_are_audited(story: Story) -> None:
    stored = story.stored("case-0001")
    _, writing = story.writing("case-0002")
    assert audits.highest_number(story.connection) == writing.id
    drawn = audits.auditable(story.connection, [stored.id, writing.id, 99])
    assert drawn == [stored]


def test_packages_are_looked_for_among_any_number_of_numbers(story: Story) -> None:
    stored = story.stored()
    assert audits.auditable(story.connection, range(300_000)) == [stored]


def test_an_audit_noted_in_the_future_by_a_wrong_clock_does_not_put_off_the_next(
    story: Story,
) -> None:
    for name, second in (("case-0001", 100), ("case-0002", 3000)):
        audit = AuditRecord(story.stored(name).id, moment(second), "agreed", "")
        audits.record(story.connection, audit, KEEPER)
    assert audits.last_at(story.connection, moment(200)) == moment(100)


def test_the_last_audit_of_a_package_is_a_row_and_every_audit_an_event(story: Story) -> None:
    package = story.stored()
    assert audits.last_at(story.connection, moment(999)) is None
    for second, outcome in ((100, "located"), (200, "agreed")):
        audit = AuditRecord(package.id, moment(second), outcome, '{"nonce": "…"}')
        audits.record(story.connection, audit, KEEPER)
    (last,) = audits.page(story.connection)
    assert (last.object_id, last.outcome, last.audited_at) == (
        package.object_id, "agreed", moment(200),
    )  # fmt: skip
    assert audits.last_at(story.connection, moment(200)) == moment(200)
    recorded = [
        event.outcome
        for event in events.page(story.connection, package_id=package.id)
        if event.act == audits.AUDIT_COMPARED
    ]
    assert recorded == ["located", "agreed"]


def test_audits_that_a_person_must_look_at_are_listed_apart(story: Story) -> None:
    for name, outcome in (("case-0001", "agreed"), ("case-0002", "undecided")):
        package = story.stored(name)
        audits.record(story.connection, AuditRecord(package.id, moment(9), outcome, ""), KEEPER)
    (open_one,) = audits.still_open(story.connection)
    assert open_one.object_id.endswith("case-0002")
    assert len(audits.page(story.connection, limit=1)) == 1


def test_a_node_is_suspect_until_a_person_trusts_it(story: Story) -> None:
    assert suspects.name(story.connection, "node-1", "it lied", KEEPER, moment(5))
    assert not suspects.name(story.connection, "node-1", "again", KEEPER, moment(6))
    (known,) = suspects.all_of(story.connection)
    assert (known.node, known.since, known.reason) == ("node-1", moment(5), "it lied")
    person = Actor("li", "control socket")
    assert suspects.release(story.connection, "node-1", "new disk", person, moment(7))
    assert not suspects.release(story.connection, "node-1", "new disk", person, moment(8))
    assert suspects.all_of(story.connection) == []
    acts = [(event.act, event.who) for event in events.page(story.connection)][-2:]
    assert acts == [("node.suspected", "keeper"), ("node.trusted", "li")]
    detail = events.page(story.connection)[-2].detail
    assert json.loads(detail) == {"reason": "it lied"}
