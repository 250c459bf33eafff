"""Claims, the life of a transfer, and what can be looked up (storage/catalogue/transfers.py)."""

import subprocess
import sys
from itertools import product

import pytest

from storage.catalogue import answers, events, tallies, transfer_lists, transfers
from storage.catalogue.engine import Catalogue
from storage.catalogue.errors import ClaimLost, IllegalTransition, NoSuchTransfer
from storage.catalogue.model import (
    Actor,
    Claim,
    Step,
    Tenure,
    Transfer,
    TransferState,
)
from storage.catalogue.transitions import BY_A_PERSON, FINAL, LEGAL, WORKING
from tests.contract.catalogue.story import Story, arrival, moment, tenure

State = TransferState
ARCHIVIST = Actor("li.wei", "console")


def test_an_entry_is_claimed_once(story: Story) -> None:
    taken = story.claimed()
    assert (taken.state, taken.claim_epoch, taken.attempts) == (State.CLAIMED, 1, 1)
    assert transfers.claim(story.connection, arrival(), tenure("ingest@two"), moment(9)) is None


def test_the_same_name_of_another_source_is_another_entry(story: Story) -> None:
    story.claimed()
    other = transfers.claim(
        story.connection, arrival(source="registry"), tenure("ingest@two"), moment(9)
    )
    assert other is not None


def test_two_processes_claim_the_same_entries_and_each_goes_to_one_of_them(
    catalogue: Catalogue, url: str
) -> None:
    code = f"""
import sys
from storage.catalogue import transfers
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Arrival, Tenure
tenure = Tenure(sys.argv[1], "2026-11-22T11:00:00.000000Z")
at = "2026-11-22T10:00:00.000000Z"
catalogue = Catalogue.open({url!r})
sys.stdin.readline()
for number in range(100):
    arrival = Arrival("portal", str(number), b"p%d" % number, "f" * 64)
    if catalogue.act(transfers.claim, arrival, tenure, at):
        print(number)
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"ingest@{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    won = [set(child.communicate(timeout=120)[0].split()) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert won[0] & won[1] == set()
    assert len(won[0] | won[1]) == 100


def test_a_waiting_entry_keeps_its_number_when_it_is_claimed(story: Story) -> None:
    noted = transfers.note_waiting(story.connection, arrival(), "no marker yet", moment(1))
    again = transfers.note_waiting(story.connection, arrival(), "marker, not quiet", moment(2))
    assert (again.id, again.message) == (noted.id, "marker, not quiet")
    assert story.claimed().id == noted.id
    past = transfers.note_waiting(story.connection, arrival(), "late", moment(3))
    assert (past.state, past.message) == (State.CLAIMED, "")


def test_a_waiting_entry_that_goes_away_frees_its_name(story: Story) -> None:
    noted = transfers.note_waiting(story.connection, arrival(), "no marker yet", moment(1))
    assert transfers.withdraw(story.connection, noted.id, moment(2))
    assert not transfers.withdraw(story.connection, noted.id, moment(3))
    assert story.claimed().id != noted.id


def test_a_claimed_entry_cannot_be_withdrawn(story: Story) -> None:
    assert not transfers.withdraw(story.connection, story.claimed().id, moment(9))


# Every pair of states: how a transfer is brought into each, without a shortcut into the table.
WAYS: dict[State, tuple[State, ...]] = {
    State.CLAIMED: (),
    State.WAITING: (State.WAITING,),
    State.STAGING: (State.STAGING,),
    State.JUDGING: (State.STAGING, State.JUDGING),
    State.ACCEPTED: (State.STAGING, State.JUDGING, State.ACCEPTED),
    State.WRITING: (State.STAGING, State.JUDGING, State.ACCEPTED, State.WRITING),
    State.AWAITING_REGISTRATION: (
        *(State.STAGING, State.JUDGING, State.ACCEPTED),
        State.AWAITING_REGISTRATION,
    ),
    State.STORED: (State.STAGING, State.JUDGING, State.ACCEPTED, State.STORED),
    State.REJECTED: (State.STAGING, State.REJECTED),
    State.HELD: (State.STAGING, State.JUDGING, State.HELD),
    State.FAILED: (State.FAILED,),
}


def _in_state(story: Story, state: State) -> Transfer:
    taken = story.claimed()
    return story.led_to(taken.claim, *WAYS[state]) if WAYS[state] else taken


@pytest.mark.parametrize(("source", "target"), list(product(sorted(WORKING), State)))
def test_under_a_claim_exactly_the_legal_steps_can_be_taken(
    story: Story, source: State, target: State
) -> None:
    known = _in_state(story, source)
    if target in LEGAL[source]:
        moved = transfers.move(story.connection, known.claim, Step(target, "so"), moment(50))
        assert (moved.state, moved.message, moved.updated_at) == (target, "so", moment(50))
        return
    with pytest.raises(IllegalTransition, match=f"is {source}; it cannot become {target}"):
        transfers.move(story.connection, known.claim, Step(target), moment(50))
    assert transfers.get(story.connection, known.id) == known


RESTING = sorted(set(WAYS) - WORKING)


@pytest.mark.parametrize(("source", "target"), list(product(RESTING, State)))
def test_a_resting_transfer_is_in_nobodys_hands(story: Story, source: State, target: State) -> None:
    claim = story.claimed().claim
    known = story.led_to(claim, *WAYS[source])
    assert known.claim_holder is None
    with pytest.raises(ClaimLost):
        transfers.move(story.connection, claim, Step(target), moment(50))


@pytest.mark.parametrize(("source", "target"), list(product(WAYS, State)))
def test_a_person_can_order_exactly_the_steps_that_are_theirs(
    story: Story, source: State, target: State
) -> None:
    known = _in_state(story, source)
    step = Step(target, "seen and decided", "by-order")
    if target in BY_A_PERSON.get(source, ()):
        moved = transfers.decide(story.connection, known.id, step, ARCHIVIST, moment(50))
        assert (moved.state, moved.claim_holder) == (target, None)
        assert moved.claim_epoch == known.claim_epoch + 1
        last = events.page(story.connection, transfer_id=known.id)[-1]
        assert (last.who, last.act) == ("li.wei", f"transfer.{target}")
        return
    with pytest.raises(IllegalTransition):
        transfers.decide(story.connection, known.id, step, ARCHIVIST, moment(50))


def test_every_legal_step_of_a_person_is_in_the_table_of_steps() -> None:
    for source, targets in BY_A_PERSON.items():
        assert targets <= LEGAL[source]


def test_nothing_leads_out_of_a_final_state() -> None:
    assert all(LEGAL[state] == frozenset() for state in FINAL)
    assert set(LEGAL) == set(State)


def test_every_state_can_be_reached_from_waiting() -> None:
    reached, fringe = {State.WAITING}, [State.WAITING]
    while fringe:
        for target in LEGAL[fringe.pop()] - reached:
            reached.add(target)
            fringe.append(target)
    assert reached == set(State)


def test_what_judging_found_stays_known(story: Story) -> None:
    accepted = story.accepted()
    written = story.led_to(accepted.claim, State.WRITING)
    assert (written.identifier, written.file_count) == ("case-0001", 8)


def test_progress_is_kept_until_the_next_step(story: Story) -> None:
    claim = story.claimed().claim
    story.led_to(claim, State.STAGING)
    transfers.progress(story.connection, claim, transfers.Progress(5, 10, 3), moment(20))
    known = transfers.get(story.connection, claim.transfer_id)
    assert (known.bytes_done, known.bytes_total, known.updated_at) == (5, 10, moment(20))
    assert (known.bytes_per_second, transfer_lists.seconds_left(known)) == (3, 2)
    next_step = story.led_to(claim, State.JUDGING)
    assert (next_step.bytes_done, next_step.bytes_total) == (0, None)
    assert transfer_lists.seconds_left(next_step) is None


def test_a_live_claim_is_not_taken_over(story: Story) -> None:
    seen = story.claimed()
    other = tenure("ingest@two", 1200)
    assert transfers.take_over(story.connection, seen, other, moment(599)) is None
    transfers.renew(story.connection, seen.claim, moment(900))
    assert transfers.take_over(story.connection, seen, other, moment(899)) is None


def test_an_expired_claim_is_taken_over_and_its_late_holder_is_refused(story: Story) -> None:
    """1. one claims and stalls 2. two takes over 3. one wakes up and goes on."""
    seen = story.claimed()
    stale = seen.claim
    story.led_to(stale, State.STAGING)
    taken = transfers.take_over(story.connection, seen, tenure("ingest@two", 1200), moment(601))
    assert taken is not None
    assert (taken.state, taken.claim_epoch, taken.attempts) == (State.STAGING, 2, 2)
    for late in (
        lambda: transfers.move(story.connection, stale, Step(State.JUDGING), moment(602)),
        lambda: transfers.progress(
            story.connection, stale, transfers.Progress(1, 2, None), moment(602)
        ),
        lambda: transfers.renew(story.connection, stale, moment(1200)),
        lambda: transfers.require(story.connection, stale),
    ):
        with pytest.raises(ClaimLost, match="ingest@two under epoch 2"):
            late()
    assert transfers.take_over(story.connection, seen, tenure("three"), moment(3000)) is None


def test_after_a_restart_the_holder_takes_its_own_transfers_over_at_once(story: Story) -> None:
    seen = story.claimed()
    taken = transfers.take_over(story.connection, seen, tenure(), moment(3))
    assert taken is not None
    assert taken.claim_epoch == 2


def test_what_a_person_released_is_found_as_unfinished_and_taken_by_anybody(
    story: Story,
) -> None:
    held = _in_state(story, State.HELD)
    assert transfer_lists.unfinished(story.connection) == []
    step = Step(State.ACCEPTED, "released")
    transfers.decide(story.connection, held.id, step, ARCHIVIST, moment(50))
    (found,) = transfer_lists.unfinished(story.connection)
    taken = transfers.take_over(story.connection, found, tenure("ingest@two"), moment(51))
    assert taken is not None
    assert taken.claim_holder == "ingest@two"


def test_a_transfer_that_does_not_exist_is_named_in_the_refusal(story: Story) -> None:
    with pytest.raises(NoSuchTransfer, match="77"):
        transfers.get(story.connection, 77)
    with pytest.raises(NoSuchTransfer):
        transfers.move(story.connection, Claim(77, 1, "a@b"), Step(State.STAGING), moment(1))


def test_the_original_is_moved_only_after_the_receipt_was_written(story: Story) -> None:
    """1. stored, receipt in the outbox 2. receipt written 3. original moved, transfer closed."""
    connection = story.connection
    number = story.stored().transfer_id
    assert transfer_lists.to_be_moved(connection, "portal") == []
    (answer,) = answers.outbox(connection)
    answers.mark_written(connection, [answer.id], moment(61))
    assert transfer_lists.to_be_moved(connection, "registry") == []
    (found,) = transfer_lists.to_be_moved(connection, "portal")
    assert found.id == number
    transfers.close(connection, number, moment(62))
    transfers.close(connection, number, moment(63))
    assert transfers.get(connection, number).closed_at == moment(62)
    assert transfer_lists.to_be_moved(connection, "portal") == []


def test_a_name_is_free_again_once_its_transfer_is_closed(story: Story) -> None:
    rejected = _in_state(story, State.REJECTED)
    assert transfers.claim(story.connection, arrival(), tenure(), moment(70)) is None
    transfers.close(story.connection, rejected.id, moment(71))
    assert story.claimed().id != rejected.id


def test_an_unfinished_transfer_cannot_be_closed(story: Story) -> None:
    with pytest.raises(IllegalTransition, match="not to be closed"):
        transfers.close(story.connection, story.claimed().id, moment(9))


def test_lists_come_newest_first_and_in_pages(story: Story) -> None:
    ids = [story.claimed(f"p{number}").id for number in range(5)]
    first = transfer_lists.page(story.connection, limit=2)
    assert [transfer.id for transfer in first] == ids[:2:-1]
    rest = transfer_lists.page(story.connection, before=first[-1].id)
    assert [transfer.id for transfer in rest] == ids[2::-1]
    assert transfer_lists.page(story.connection, states=[State.STORED]) == []


def test_open_transfers_are_counted_by_state(story: Story) -> None:
    story.claimed("a")
    story.accepted("b")
    transfers.note_waiting(story.connection, arrival("c"), "", moment(1))
    rejected = story.led_to(story.claimed("d").claim, State.STAGING, State.REJECTED)
    transfers.close(story.connection, rejected.id, moment(90))
    counts = transfer_lists.counts_of_open(story.connection)
    assert set(counts) == set(State)
    assert {state: count for state, count in counts.items() if count} == {
        State.CLAIMED: 1,
        State.ACCEPTED: 1,
        State.WAITING: 1,
    }
    (portal,) = tallies.holdings(story.connection)
    assert (portal.rejected, portal.packages) == (1, 0)


@pytest.mark.parametrize("name_raw", [b"\xc9\xea\xc7\xeb", "申请表".encode(), b"a\nb"])
def test_names_are_kept_as_the_bytes_they_are(story: Story, name_raw: bytes) -> None:
    odd = arrival()
    odd = type(odd)(odd.source, "shown", name_raw, odd.fingerprint)
    taken = transfers.claim(story.connection, odd, Tenure("a@b", moment(90)), moment(1))
    assert taken is not None
    found = transfers.open_by_name(story.connection, "portal", name_raw)
    assert found is not None
    assert found.name_raw == name_raw


def test_each_act_of_a_transfers_life_is_on_record(story: Story) -> None:
    claim = story.accepted().claim
    acts = [event.act for event in events.page(story.connection, transfer_id=claim.transfer_id)]
    assert acts == ["transfer.claimed", "transfer.accepted"]


def test_what_a_sender_writes_is_no_obstacle_even_with_a_nul_in_it(story: Story) -> None:
    """PostgreSQL's text cannot have one; nobody's package may stop an intake by that."""
    noted = transfers.note_waiting(story.connection, arrival(), "not whole: a\0b", moment(1))
    again = transfers.get(story.connection, noted.id)
    assert again == noted
    assert again.message.startswith("not whole: a")
    assert again.message.endswith("b")
