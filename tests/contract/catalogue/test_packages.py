"""Packages, copies and the outbox (storage/catalogue/packages.py, copies.py, answers.py)."""

import dataclasses
import random

import pytest
from sqlalchemy import Connection

from storage.catalogue import answers, copies, packages, schema, tallies, transfers
from storage.catalogue.engine import Catalogue
from storage.catalogue.errors import (
    AnswerConflict,
    ClaimLost,
    CopiesMissing,
    NoSuchTransfer,
    PackageExists,
)
from storage.catalogue.model import Answer, AnswerKind, CopyState, PackageState, TransferState
from tests.contract.catalogue.story import (
    Story,
    copy_of,
    moment,
    new_package,
    receipt,
    tenure,
)


def test_a_package_is_stored_together_with_its_receipt(story: Story) -> None:
    """1. accepted 2. writing 3. three copies 4. stored, and the receipt is in the outbox."""
    package = story.stored()
    assert (package.state, package.copies_committed) == (PackageState.STORED, 3)
    transfer = transfers.get(story.connection, package.transfer_id)
    assert (transfer.state, transfer.package_id) == (TransferState.STORED, package.id)
    (answer,) = answers.outbox(story.connection)
    assert (answer.kind, answer.body, answer.name_raw) == (
        AnswerKind.STORED,
        receipt().body,
        b"case-0001",
    )
    (portal,) = tallies.holdings(story.connection)
    assert (portal.packages, portal.files, portal.content_bytes) == (1, 12, 1_002_000)


def test_copies_may_go_on_record_with_the_receipt(story: Story) -> None:
    """One was noted before, because another node was away; it is not counted twice."""
    transfer, package = story.writing()
    proven = [copy_of(package, f"node-{number}") for number in (1, 2, 3)]
    copies.record(story.connection, proven[0])
    stored = packages.finish(
        story.connection, transfer.claim, package.id, receipt(), moment(60), proven
    )
    assert (stored.state, stored.copies_committed) == (PackageState.STORED, 3)
    assert copies.of_package(story.connection, package.id) == proven


@pytest.mark.parametrize(
    "domains", [[], ["a"], ["a", "b"], ["a", "a", "b"]], ids=["0", "1", "2", "3 in 2 domains"]
)
def test_a_package_with_fewer_copies_than_wanted_is_not_stored(
    story: Story, domains: list[str]
) -> None:
    transfer, package = story.writing()
    for number, domain in enumerate(domains):
        copies.record(story.connection, copy_of(package, f"node-{number}", domain))
    with pytest.raises(CopiesMissing, match=f"{len(domains)} proven copies"):
        packages.finish(story.connection, transfer.claim, package.id, receipt(), moment(90))
    assert answers.outbox(story.connection) == []
    assert transfers.get(story.connection, transfer.id).state is TransferState.WRITING


def test_a_damaged_copy_does_not_count(story: Story) -> None:
    transfer, package = story.writing()
    for number in (1, 2, 3):
        copies.record(story.connection, copy_of(package, f"node-{number}"))
    copies.mark(story.connection, package.id, "node-2", CopyState.DAMAGED)
    with pytest.raises(CopiesMissing, match="2 proven copies"):
        packages.finish(story.connection, transfer.claim, package.id, receipt(), moment(90))


def test_a_refused_finish_leaves_nothing_half_done(catalogue: Catalogue) -> None:
    """The answer conflicts after package and transfer were touched: all of it is undone."""
    with catalogue.writing() as connection:
        story = Story(connection)
        transfer, package = story.writing()
        for number in (1, 2, 3):
            copies.record(connection, copy_of(package, f"node-{number}"))
        other = dataclasses.replace(receipt(), body_sha256="e" * 64)
        answers.give(connection, transfer.id, other, moment(80))
    finish = (transfer.claim, package.id, receipt(), moment(90))
    with pytest.raises(AnswerConflict):
        catalogue.act(packages.finish, *finish)
    known = catalogue.look(packages.get, package.id)
    assert known.state is PackageState.WRITING
    assert catalogue.look(transfers.get, transfer.id).state is TransferState.WRITING


def test_writing_begun_again_after_a_crash_finds_the_same_operation(story: Story) -> None:
    transfer, package = story.writing()
    again = dataclasses.replace(new_package(), op_id="9" * 32)
    taken = transfers.take_over(story.connection, transfer, tenure(), moment(60))
    assert taken is not None
    resumed = packages.begin_writing(story.connection, taken.claim, again, moment(61))
    assert (resumed.id, resumed.op_id) == (package.id, package.op_id)


def test_a_worker_that_lost_its_claim_cannot_begin_writing(story: Story) -> None:
    accepted = story.accepted()
    transfers.take_over(story.connection, accepted, tenure("ingest@two"), moment(700))
    with pytest.raises(ClaimLost):
        packages.begin_writing(story.connection, accepted.claim, new_package(), moment(701))
    assert packages.versions(story.connection, "portal", "case-0001") == []


def test_one_object_version_belongs_to_one_transfer(story: Story) -> None:
    story.writing()
    other = story.accepted("sent-again")
    with pytest.raises(PackageExists, match="case-0001 version 1"):
        packages.begin_writing(story.connection, other.claim, new_package(), moment(61))
    assert transfers.get(story.connection, other.id).state is TransferState.ACCEPTED


def test_the_same_package_sent_again_gets_the_same_receipt_and_no_second_object(
    story: Story,
) -> None:
    first = story.stored()
    same = packages.find_same(story.connection, "portal", "case-0001", "1" * 64)
    assert same == first
    again = story.accepted("sent-again")
    packages.finish_duplicate(story.connection, again.claim, first.id, moment(90))
    one = answers.find(story.connection, first.transfer_id, AnswerKind.STORED)
    two = answers.find(story.connection, again.id, AnswerKind.STORED)
    assert one is not None
    assert two is not None
    assert (one.body, one.signature) == (two.body, two.signature)
    assert two.name == "sent-again"
    assert len(packages.page(story.connection)) == 1


def test_a_duplicate_waits_until_the_first_is_stored(story: Story) -> None:
    _, package = story.writing()
    again = story.accepted("sent-again")
    with pytest.raises(CopiesMissing, match="wait"):
        packages.finish_duplicate(story.connection, again.claim, package.id, moment(90))


def test_other_bytes_under_the_same_identifier_are_not_the_same_package(story: Story) -> None:
    story.stored()
    assert packages.find_same(story.connection, "portal", "case-0001", "2" * 64) is None
    assert packages.find_same(story.connection, "registry", "case-0001", "1" * 64) is None


def test_identifiers_are_compared_byte_for_byte(story: Story) -> None:
    story.stored("Case")
    assert packages.versions(story.connection, "portal", "case") == []
    story.stored("case")


def test_a_package_below_target_is_found_and_leaves_the_list_when_mended(story: Story) -> None:
    package = story.stored()
    assert packages.below_target(story.connection) == []
    assert copies.mark(story.connection, package.id, "node-2", CopyState.MISSING)
    assert not copies.mark(story.connection, package.id, "node-2", CopyState.MISSING)
    (found,) = packages.below_target(story.connection)
    assert (found.id, found.copies_committed) == (package.id, 2)
    copies.record(story.connection, copy_of(package, "node-2"))
    assert packages.below_target(story.connection) == []


def test_a_package_that_is_still_being_written_is_no_alarm(story: Story) -> None:
    story.writing()
    assert packages.below_target(story.connection) == []


def test_a_miscounted_package_is_put_right_by_recounting(story: Story) -> None:
    package = story.stored()
    story.connection.execute(schema.packages.update().values(copies_committed=7))
    copies.recount(story.connection, package.id)
    assert packages.get(story.connection, package.id).copies_committed == 3


def test_copies_are_listed_by_package_and_by_node_as_they_were_signed(story: Story) -> None:
    first, second = story.stored("a"), story.stored("b")
    kept = copies.of_package(story.connection, first.id)
    assert kept == [copy_of(first, f"node-{number}") for number in (1, 2, 3)]
    held = copies.on_node(story.connection, "node-1", after=first.id)
    assert [copy.package_id for copy in held] == [second.id]


def test_a_sweep_that_found_a_copy_intact_is_noted(story: Story) -> None:
    package = story.stored()
    copies.checked(story.connection, package.id, "node-1", moment(99))
    noted = [copy.checked_at for copy in copies.of_package(story.connection, package.id)]
    assert noted == [moment(99), None, None]


def test_a_copy_of_an_unknown_package_is_refused(story: Story) -> None:
    package = story.stored()
    unknown = dataclasses.replace(copy_of(package, "node-1"), package_id=77)
    with pytest.raises(NoSuchTransfer):
        copies.record(story.connection, unknown)


def test_stored_packages_of_a_source_are_listed_in_pages_by_identifier(story: Story) -> None:
    names = ["b", "a", "丙", "B"]
    for name in names:
        story.stored(name)
    story.writing("unfinished")
    first = packages.of_source(story.connection, "portal", limit=2)
    last = (first[-1].identifier, first[-1].version)
    rest = packages.of_source(story.connection, "portal", after=last)
    listed = [package.identifier for package in first + rest]
    assert listed == sorted(names, key=lambda name: name.encode())


def test_an_object_is_found_by_its_ocfl_id(story: Story) -> None:
    package = story.stored()
    assert packages.versions_of_object(story.connection, package.object_id) == [package]
    assert packages.find_version(story.connection, package.object_id, 2) is None
    assert package.object_version == new_package().version


def test_an_answer_leaves_the_outbox_when_it_was_written(story: Story) -> None:
    story.stored()
    (answer,) = answers.outbox(story.connection)
    answers.mark_written(story.connection, [answer.id], moment(91))
    answers.mark_written(story.connection, [answer.id], moment(92))
    assert answers.outbox(story.connection) == []
    (kept,) = answers.of_transfer(story.connection, answer.transfer_id)
    assert kept == dataclasses.replace(answer, written_at=moment(91))


def test_what_two_intakes_delivered_is_told_again_as_it_was_told_last(story: Story) -> None:
    """One was away meanwhile: it may have moved aside what the other one had written since."""
    package = story.stored("a")
    told = answers.of_transfer(story.connection, package.transfer_id)
    story.stored("b")
    every = [answer.id for answer in answers.outbox(story.connection)]
    assert answers.note_delivered(story.connection, every, moment(91)) == 0
    assert answers.outbox(story.connection) == []
    assert answers.note_delivered(story.connection, every[:1], moment(92)) == len(told)
    waiting = answers.outbox(story.connection)
    assert [answer.id for answer in waiting] == [answer.id for answer in told] == every[:1]
    assert answers.note_delivered(story.connection, every[:1], moment(93)) == 0
    assert answers.outbox(story.connection) == []


def test_answering_the_same_twice_is_once(story: Story) -> None:
    transfer = story.claimed()
    given = _give(story.connection, transfer.id)
    assert _give(story.connection, transfer.id) == given
    other = dataclasses.replace(receipt(kind=AnswerKind.RECEIVED), body_sha256="e" * 64)
    with pytest.raises(AnswerConflict, match="what was said stands"):
        answers.give(story.connection, transfer.id, other, moment(8))


def _give(connection: Connection, transfer_id: int) -> Answer:
    answers.give(connection, transfer_id, receipt(kind=AnswerKind.RECEIVED), moment(7))
    given = answers.find(connection, transfer_id, AnswerKind.RECEIVED)
    assert given is not None
    return given


@pytest.mark.parametrize("size_bytes", [64 * 1024, 64 * 1024 + 1, 1024 * 1024, 3_000_000])
def test_a_long_body_is_kept_whole_and_is_not_in_the_outbox_s_list(
    story: Story, size_bytes: int
) -> None:
    transfer = story.claimed()
    body = random.Random(size_bytes).randbytes(size_bytes)
    long = dataclasses.replace(receipt(kind=AnswerKind.STORED), body=body)
    answers.give(story.connection, transfer.id, long, moment(7))
    answers.give(story.connection, transfer.id, long, moment(8))
    (listed,) = answers.outbox(story.connection)
    is_long = size_bytes > 64 * 1024
    assert listed.body == (None if is_long else body)
    assert answers.body_of(story.connection, listed.id) == (body if is_long else None)
    found = answers.find(story.connection, transfer.id, AnswerKind.STORED)
    assert found is not None
    assert found.body == body


def test_a_long_receipt_is_repeated_byte_for_byte(story: Story) -> None:
    first, again = story.claimed(), story.claimed("case-0002")
    body = random.Random(7).randbytes(1_500_000)
    long = dataclasses.replace(receipt(kind=AnswerKind.STORED), body=body)
    answers.give(story.connection, first.id, long, moment(7))
    for _ in range(2):
        answers.repeat_stored(story.connection, first.id, again.id, moment(8))
    repeated = answers.find(story.connection, again.id, AnswerKind.STORED)
    assert repeated is not None
    assert repeated.body == body
