"""What a package's scope is on record as, and which held transfers are outside it."""

from dataclasses import replace

from storage.catalogue import packages, transfer_lists, transfers, verdicts
from storage.catalogue.model import AnswerKind, Step, TransferState
from tests.contract.catalogue.story import Story, facts, new_package, receipt


def test_matter_class_and_retention_are_kept_with_the_package(story: Story) -> None:
    claim = story.accepted().claim
    said = replace(new_package(), matter="M1", record_class="XZ", retention="D30")
    begun = packages.begin_writing(story.connection, claim, said, story.tick())
    kept = packages.get(story.connection, begun.id)
    assert (kept.matter, kept.record_class, kept.retention) == ("M1", "XZ", "D30")


def test_transfers_that_are_held_for_their_scope_are_counted_by_source(story: Story) -> None:
    for name, code in (("a", "scope-outside"), ("b", "virus-unscanned"), ("c", "scope-classified")):
        claim = story.claimed(name).claim
        story.led_to(claim, TransferState.STAGING, TransferState.JUDGING)
        said = replace(facts(), identifier=name, retention="Y")
        step = Step(TransferState.HELD, outcome_code=code, facts=said)
        answer = receipt(name, AnswerKind.HELD)
        held = verdicts.decide(story.connection, claim, step, answer, story.tick())
        assert transfers.get(story.connection, held.id).retention == "Y"
    assert transfer_lists.held_by_source(story.connection, "scope-") == {"portal": 2}
    assert transfer_lists.held_by_source(story.connection, "scope_") == {}
