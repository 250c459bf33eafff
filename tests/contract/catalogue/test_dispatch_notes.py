"""Dispatch notes on record, held against transfers and packages (dispatch_notes.py)."""

from itertools import permutations

import pytest

from storage.catalogue import dispatch_notes, transfers
from storage.catalogue.dispatch_notes import (
    DispatchLine,
    GapCounts,
    Note,
    NoteFile,
    line_state,
)
from storage.catalogue.dispatch_schema import LineState, NoteState
from storage.catalogue.model import Arrival, Facts, Step, Transfer, TransferState
from tests.contract.catalogue.story import Story, tenure

WAY = (TransferState.STAGING, TransferState.JUDGING, TransferState.ACCEPTED)


def file_of(name: str = "day.csv", sha256: str = "a" * 64) -> NoteFile:
    return NoteFile("portal", name, name.encode(), sha256)


def taken_in(story: Story, *identifiers: str, name: str = "day.csv") -> Note:
    lines = [DispatchLine(line, each, None, None) for line, each in enumerate(identifiers, 1)]
    return dispatch_notes.take_in(story.connection, file_of(name), lines, story.tick())


def compared(story: Story, note: Note) -> Note:
    comparison = dispatch_notes.compare(story.connection, note)
    return dispatch_notes.record(story.connection, note, comparison, story.tick())


def judged(story: Story, identifier: str, batch_id: int | None = None) -> Transfer:
    """A transfer that was accepted under this identifier."""
    name = identifier if batch_id is None else f"batch/{identifier}"
    arrival = Arrival("portal", name, name.encode(), "f" * 64, batch_id)
    claimed = transfers.claim(story.connection, arrival, tenure(), story.tick())
    assert claimed is not None
    facts = Facts(identifier, "1" * 64, f"lantai:portal/{identifier}", 8, 10)
    for state in WAY:
        step = Step(state, facts=facts if state is TransferState.ACCEPTED else None)
        moved = transfers.move(story.connection, claimed.claim, step, story.tick())
    return moved


def unsaid(story: Story, note: Note) -> list[str]:
    return [each.identifier for each in dispatch_notes.gap(story.connection, note, 99)]


@pytest.mark.parametrize(
    ("expected", "stored", "is_under_way", "state"),
    [
        ((8, 10), [(8, 10)], False, LineState.MATCHED),
        ((None, None), [(8, 10)], True, LineState.MATCHED),
        ((None, 10), [(9, 9), (8, 10)], False, LineState.MATCHED),
        ((8, 11), [(8, 10)], False, LineState.DIFFERENT),
        ((8, 11), [(8, 10)], True, LineState.UNDER_WAY),
        ((0, None), [(8, 10)], False, LineState.DIFFERENT),
        ((8, 10), [], True, LineState.UNDER_WAY),
        ((8, 10), [], False, LineState.MISSING),
    ],
)
def test_a_line_comes_to_what_is_stored_under_way_or_neither(
    expected: tuple[int | None, int | None],
    stored: list[tuple[int | None, int | None]],
    is_under_way: bool,
    state: LineState,
) -> None:
    assert line_state(expected, stored, is_under_way) is state


def test_a_note_is_closed_by_the_comparison_that_finds_no_gap(story: Story) -> None:
    note = compared(story, taken_in(story, "case-0001", "case-0002"))
    assert (note.state, note.counts) == (NoteState.OPEN, GapCounts(missing=2))
    story.stored("case-0001")
    assert compared(story, note).counts == GapCounts(matched=1, missing=1)
    note = compared(story, taken_in(story, "case-0001"))
    assert (note.state, note.counts) == (NoteState.CLOSED, GapCounts(matched=1))
    assert note.closed_at is not None


def test_what_once_matched_is_not_asked_for_again(story: Story) -> None:
    story.stored("case-0001")
    note = compared(story, taken_in(story, "case-0001", "case-0002"))
    assert dispatch_notes.compare(story.connection, note).changes == ()


def test_surplus_is_what_came_between_two_notes_and_stands_on_none(story: Story) -> None:
    judged(story, "long-ago")
    first = compared(story, taken_in(story, "said-before", name="monday.csv"))
    assert unsaid(story, first) == ["said-before"], "a first note has no surplus"
    judged(story, "said-before")
    judged(story, "unsaid")
    second = compared(story, taken_in(story, name="tuesday.csv"))
    judged(story, "later")
    assert unsaid(story, second) == ["unsaid"]
    assert compared(story, second).counts == GapCounts(surplus=1)


def test_what_came_and_is_not_judged_yet_keeps_a_note_open(story: Story) -> None:
    taken_in(story, "x", name="monday.csv")
    waiting = Arrival("portal", "nameless.zip", b"nameless.zip", "f" * 64)
    transfer = transfers.note_waiting(story.connection, waiting, "changing", story.tick())
    note = compared(story, taken_in(story, name="tuesday.csv"))
    assert (note.state, note.counts) == (NoteState.OPEN, GapCounts(under_way=1))
    assert transfers.withdraw(story.connection, transfer.id, story.tick())
    assert compared(story, note).state is NoteState.CLOSED


@pytest.mark.parametrize("said", [["batch-1"], ["part-1", "part-2"], ["batch-1", "part-1"]])
def test_a_batch_is_said_by_itself_or_by_its_parts(story: Story, said: list[str]) -> None:
    taken_in(story, "x", name="monday.csv")
    batch = judged(story, "batch-1")
    for part in ("part-1", "part-2"):
        judged(story, part, batch.id)
    note = taken_in(story, *said, name="tuesday.csv")
    assert set(unsaid(story, note)) == set(said), "no surplus beside the lines"
    other = taken_in(story, "y", name="tuesday.csv")
    assert set(unsaid(story, other)) == {"y", "batch-1", "part-1", "part-2"}


def test_a_note_replaces_the_open_one_of_its_name_and_a_refused_one_does_not(
    story: Story,
) -> None:
    first = taken_in(story, "case-0001")
    dispatch_notes.refuse(story.connection, file_of(sha256="b" * 64), "line 1", story.tick())
    assert dispatch_notes.open_notes(story.connection, "portal") == [first]
    second = taken_in(story, "case-0002")
    assert dispatch_notes.open_notes(story.connection) == [second]
    assert dispatch_notes.get(story.connection, first.id).state is NoteState.REPLACED
    assert dispatch_notes.latest(story.connection, "portal", b"day.csv") == second


def test_figures_are_of_open_notes_by_source(story: Story) -> None:
    assert dispatch_notes.gaps_by_source(story.connection) == []
    monday = compared(story, taken_in(story, "case-1", "case-2", name="monday.csv"))
    compared(story, taken_in(story, "case-3", name="tuesday.csv"))
    (gap,) = dispatch_notes.gaps_by_source(story.connection)
    assert (gap.source, gap.counts, gap.oldest_taken_at) == (
        "portal",
        GapCounts(missing=3),
        monday.taken_at,
    )


def test_a_list_of_the_gap_ends_where_it_is_told_to(story: Story) -> None:
    note = taken_in(story, *(f"case-{number}" for number in range(5)))
    for limit in (1, 3, 5, 9):
        assert len(dispatch_notes.gap(story.connection, note, limit)) == min(limit, 5)


def test_the_order_of_notes_changes_no_count(story: Story) -> None:
    story.stored("case-0001")
    counts = set()
    for order in permutations(["case-0001", "case-0002", "case-0003"]):
        counts.add(compared(story, taken_in(story, *order)).counts)
    assert counts == {GapCounts(matched=1, missing=2)}
