"""Orders, findings, leases and the ledger (storage/catalogue/orders.py and its neighbours)."""

import pytest

from storage.catalogue import events, findings, leases, orders
from storage.catalogue.errors import IllegalTransition, NoSuchTransfer
from storage.catalogue.model import Actor, NewEvent, NodeFinding, OrderState
from tests.contract.catalogue.story import Story, moment, tenure

PERSON = Actor("li.wei", "host-1")


def finding(sequence: int, node: str = "node-1") -> NodeFinding:
    return NodeFinding(
        node, sequence, moment(1), "lantai:portal/x", "altered", "v1/content/a", "…", "{}"
    )


def test_orders_are_carried_out_in_the_order_of_asking(story: Story) -> None:
    for verb in ("sweep.start", "sweep.pause"):
        orders.place(story.connection, verb, "{}", PERSON, moment(1))
    first = orders.start_next(story.connection, "keeper@one", moment(2), orders.ALL_OTHERS)
    assert first is not None
    assert (first.verb, first.state, first.started_by) == (
        "sweep.start",
        OrderState.RUNNING,
        "keeper@one",
    )
    assert orders.running(story.connection, orders.ALL_OTHERS) == [first]
    done = orders.finish(story.connection, first.id, OrderState.DONE, "{}", moment(3))
    assert orders.get(story.connection, first.id) == done
    second = orders.start_next(story.connection, "keeper@one", moment(4), orders.ALL_OTHERS)
    assert second is not None
    assert second.verb == "sweep.pause"
    assert orders.start_next(story.connection, "keeper@one", moment(5), orders.ALL_OTHERS) is None
    assert [order.verb for order in orders.page(story.connection)] == ["sweep.pause", "sweep.start"]


def test_an_order_that_is_not_running_cannot_be_finished(story: Story) -> None:
    placed = orders.place(story.connection, "sweep.start", "", PERSON, moment(1))
    with pytest.raises(IllegalTransition, match="waiting"):
        orders.finish(story.connection, placed.id, OrderState.DONE, "", moment(2))
    with pytest.raises(NoSuchTransfer):
        orders.finish(story.connection, 77, OrderState.DONE, "", moment(2))


def test_who_gave_an_order_and_who_carried_it_out_is_on_record(story: Story) -> None:
    placed = orders.place(story.connection, "sweep.start", "", PERSON, moment(1))
    orders.start_next(story.connection, "keeper@one", moment(2), orders.ALL_OTHERS)
    orders.finish(story.connection, placed.id, OrderState.FAILED, "no node", moment(3))
    said = [(event.who, event.origin, event.outcome) for event in events.page(story.connection)]
    assert said == [("li.wei", "host-1", "placed"), ("keeper", "one", "failed")]


def test_a_finding_reported_twice_is_recorded_once(story: Story) -> None:
    assert findings.last_sequence(story.connection, "node-1") == 0
    assert findings.record(story.connection, finding(4), moment(5))
    assert not findings.record(story.connection, finding(4), moment(6))
    assert findings.record(story.connection, finding(4, "node-2"), moment(7))
    assert findings.last_sequence(story.connection, "node-1") == 4
    assert len(findings.page(story.connection)) == 2


def test_a_finding_is_open_until_something_became_of_it(story: Story) -> None:
    findings.record(story.connection, finding(1), moment(5))
    findings.record(story.connection, finding(2), moment(5))
    assert findings.close(story.connection, "node-1", 1, "mended from node-2", moment(8))
    assert not findings.close(story.connection, "node-1", 1, "again", moment(9))
    (left,) = findings.still_open(story.connection)
    assert left.sequence == 2
    closed = findings.page(story.connection, object_id="lantai:portal/x", before=left.id)
    assert [(one.outcome, one.mended_at) for one in closed] == [("mended from node-2", moment(8))]
    assert findings.page(story.connection, object_id="lantai:portal/y") == []


def test_a_lease_goes_to_one_holder_until_it_expires(story: Story) -> None:
    first = leases.acquire(story.connection, "keeper", tenure("keeper@one", 30), moment(0))
    assert first is not None
    assert first.epoch == 1
    assert leases.acquire(story.connection, "keeper", tenure("keeper@two", 60), moment(30)) is None
    second = leases.acquire(story.connection, "keeper", tenure("keeper@two", 60), moment(31))
    assert second is not None
    assert (second.holder, second.epoch) == ("keeper@two", 2)
    assert leases.renew(story.connection, first, moment(90)) is None
    assert leases.renew(story.connection, second, moment(90)) is not None


def test_a_lease_that_a_wrong_clock_wrote_binds_nobody(story: Story) -> None:
    """1. A keeper takes it with its clock an hour ahead, and dies. 2. Another stands by."""
    leases.acquire(story.connection, "keeper", tenure("keeper@one", 3590), moment(3560))
    second = leases.acquire(story.connection, "keeper", tenure("keeper@two", 30), moment(0))
    assert second is not None
    assert (second.holder, second.epoch) == ("keeper@two", 2)


def test_a_lease_of_a_clock_that_is_a_little_ahead_is_kept(story: Story) -> None:
    leases.acquire(story.connection, "keeper", tenure("keeper@one", 250), moment(220))
    assert leases.acquire(story.connection, "keeper", tenure("keeper@two", 30), moment(0)) is None


def test_a_holder_that_restarts_gets_a_new_epoch(story: Story) -> None:
    leases.acquire(story.connection, "keeper", tenure("keeper@one", 30), moment(0))
    again = leases.acquire(story.connection, "keeper", tenure("keeper@one", 40), moment(5))
    assert again is not None
    assert again.epoch == 2


def test_a_released_lease_can_be_taken_at_once_and_scopes_are_apart(story: Story) -> None:
    mine = leases.acquire(story.connection, "keeper", tenure("keeper@one", 30), moment(0))
    assert mine is not None
    assert leases.acquire(story.connection, "other", tenure("x@two", 30), moment(0)) is not None
    leases.release(story.connection, mine, moment(3))
    assert leases.acquire(story.connection, "keeper", tenure("k@two", 60), moment(4)) is not None


def test_events_are_listed_in_pages_and_by_what_they_were_done_to(story: Story) -> None:
    for number in range(5):
        event = NewEvent("copy.mended", "done", package_id=number % 2, node="node-1")
        events.append(story.connection, event, PERSON, moment(number))
    first = events.page(story.connection, limit=2)
    rest = events.page(story.connection, after=first[-1].sequence)
    assert [event.at for event in first + rest] == [moment(number) for number in range(5)]
    assert len(events.page(story.connection, package_id=1)) == 2
