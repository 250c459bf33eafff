"""Every message in every state of the node's side of a connection."""

import msgspec
import pytest

from replication.messages import (
    Chunk,
    Committed,
    Fetch,
    Hello,
    MalformedMessage,
    Ping,
    Pong,
    Proceed,
    Put,
    Read,
    Refused,
    Stat,
    Status,
    ToNode,
    WireRefusal,
    Working,
)
from replication.node_session import (
    MIB,
    Actions,
    Begin,
    Commit,
    CutOff,
    Greet,
    Phase,
    Say,
    Serve,
    SessionLimits,
    Write,
)
from replication.roles import MAY_SAY, Role
from tests.unit.replication.node_states import (
    DATA,
    TOTAL,
    again,
    committing,
    greeted,
    halted,
    opening,
    receiving,
    said,
    session_of,
)
from tests.unit.replication.wire_samples import OP_ID, PUT, TO_NODE, data_for

# Every message before hello, and every message by every role.


@pytest.mark.parametrize("message", TO_NODE, ids=lambda each: type(each).__name__)
def test_before_hello_nothing_else_is_heard(message: ToNode) -> None:
    role = min(MAY_SAY[type(message)])
    session = session_of(role)
    actions = session.receive(message, data_for(message), 0.0)
    if isinstance(message, Hello):
        return
    assert said(actions).code == "hello-first"
    assert session.receive(message, data_for(message), 0.0) == []
    assert session.errors == 0
    assert session.phase is Phase.GREETING


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("message", TO_NODE, ids=lambda each: type(each).__name__)
def test_a_role_may_say_what_its_table_says(message: ToNode, role: Role) -> None:
    session = session_of(role)
    session.phase = Phase.OPEN
    if isinstance(message, Hello):
        message = Hello(1, role)
    actions = session.receive(message, data_for(message), 0.0)
    allowed = role in MAY_SAY[type(message)]
    codes = [
        action.message.code
        for action in actions
        if isinstance(action, Say) and isinstance(action.message, Refused)
    ]
    assert ("role-forbids" in codes) is not allowed
    assert session.errors == (0 if allowed or codes == ["ticket-missing"] else 1)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("v1/inventory.json", True),
        ("v12/inventory.json", True),
        ("inventory.json", False),
        ("v1/content/received/a", False),
        ("v1/content/received/v1/inventory.json", False),
        ("v1/inventory.json\n", False),
        ("v0/inventory.json", False),
    ],
)
def test_the_intake_reads_inventories_of_versions_and_nothing_else(
    path: str, allowed: bool
) -> None:
    session = session_of(Role.INGEST)
    session.phase = Phase.OPEN
    actions = session.receive(Read(1, "lantai:s/a", path, 0, 1), None, 0.0)
    refused = [
        action.message.code
        for action in actions
        if isinstance(action, Say) and isinstance(action.message, Refused)
    ]
    assert refused == ([] if allowed else ["role-forbids"])


@pytest.mark.parametrize("message", TO_NODE, ids=lambda each: type(each).__name__)
def test_a_connection_that_was_cut_is_not_heard(message: ToNode) -> None:
    session = greeted()
    session.phase = Phase.CUT
    assert session.receive(message, data_for(message), 0.0) == []
    assert session.malformed(MalformedMessage("x"), 0.0) == []


# Hello.


def test_another_protocol_is_refused_and_may_be_followed_by_ours() -> None:
    session = session_of(Role.VIEW)
    assert said(session.receive(Hello(2, "view"), None, 0.0)).code == "protocol-unknown"
    assert session.receive(Hello(1, "view"), None, 0.0) == [Greet()]


def test_a_role_that_the_key_does_not_have_is_refused() -> None:
    session = session_of(Role.NODE)
    assert said(session.receive(Hello(1, "ingest"), None, 0.0)).code == "role-not-yours"
    assert session.phase is Phase.GREETING


def test_hello_twice_is_answered_twice() -> None:
    session = greeted()
    assert session.receive(Hello(1, "ingest"), None, 1.0) == [Greet()]


def test_a_ping_is_answered_with_its_number() -> None:
    assert greeted().receive(Ping(41), None, 0.0) == [Say(Pong(41))]


def test_silence_is_noticed_after_ten_seconds_and_any_message_ends_it() -> None:
    session = greeted()
    assert not session.is_silent(10.0)
    assert session.is_silent(10.1)
    session.receive(Ping(1), None, 10.1)
    assert not session.is_silent(20.0)


# One operation: every event in every state.


def test_a_put_is_begun_written_committed_and_answered() -> None:
    session = receiving()
    assert session.receive(Chunk(OP_ID, 1, 0), DATA, 1.0) == [Write(OP_ID, 0, DATA)]
    assert session.receive(Chunk(OP_ID, 1, 400), bytes(600), 1.0) == [Write(OP_ID, 400, bytes(600))]
    assert session.written(OP_ID, 400, 2.0) == [Say(Proceed(OP_ID, 1, 400, TOTAL))]
    assert session.written(OP_ID, TOTAL, 3.0) == [
        Say(Proceed(OP_ID, 1, TOTAL, TOTAL)),
        Commit(OP_ID),
    ]
    assert session.committed(OP_ID, b"signed") == [Say(Committed(OP_ID), b"signed")]
    assert session.operations == []


def test_nothing_is_committed_while_one_byte_is_missing() -> None:
    session = receiving()
    session.receive(Chunk(OP_ID, 1, 0), bytes(TOTAL), 1.0)
    assert session.written(OP_ID, TOTAL - 1, 2.0) == [Say(Proceed(OP_ID, 1, TOTAL - 1, TOTAL))]


STATES = {
    "opening": opening,
    "receiving": receiving,
    "halted": halted,
    "committing": committing,
}


@pytest.mark.parametrize("state", STATES)
def test_a_put_with_other_lengths_is_a_conflict_in_every_state(state: str) -> None:
    session = STATES[state]()
    other = msgspec.structs.replace(PUT, attempt=9, content_bytes=1)
    assert said(session.receive(other, None, 0.0)).code == "op-conflict"
    assert session.operations == [OP_ID]


@pytest.mark.parametrize("state", STATES)
def test_a_put_of_an_earlier_or_the_same_attempt_is_nothing_new(state: str) -> None:
    session = STATES[state]()
    assert session.receive(PUT, None, 0.0) == []
    assert session.receive(again(0), None, 0.0) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("opening", []),
        ("receiving", [Begin(again(2))]),
        ("halted", [Begin(again(2))]),
        ("committing", [Say(Proceed(OP_ID, 2, TOTAL, TOTAL))]),
    ],
)
def test_a_put_of_a_later_attempt_takes_the_operation_up(state: str, expected: Actions) -> None:
    session = STATES[state]()
    assert session.receive(again(2), None, 0.0) == expected


def test_a_later_attempt_while_the_volume_is_asked_is_the_one_that_is_answered() -> None:
    session = opening()
    session.receive(again(2), None, 0.0)
    assert session.begun(OP_ID, 0, 0.0) == [Say(Proceed(OP_ID, 2, 0, TOTAL))]


@pytest.mark.parametrize("state", STATES)
def test_a_chunk_of_another_attempt_or_operation_is_ignored(state: str) -> None:
    session = STATES[state]()
    assert session.receive(Chunk(OP_ID, 7, 0), DATA, 0.0) == []
    assert session.receive(Chunk("f" * 32, 1, 0), DATA, 0.0) == []
    assert session.errors == 0


@pytest.mark.parametrize("state", ["opening", "committing"])
def test_a_chunk_without_credit_is_an_error(state: str) -> None:
    session = STATES[state]()
    assert said(session.receive(Chunk(OP_ID, 1, 0), DATA, 0.0)).code == "credit-exceeded"
    assert session.errors == 1


@pytest.mark.parametrize("data", [b"", bytes(TOTAL + 1)])
def test_an_empty_chunk_or_one_past_the_credit_ends_the_attempt(data: bytes) -> None:
    session = receiving()
    assert said(session.receive(Chunk(OP_ID, 1, 0), data, 0.0)).code == "credit-exceeded"
    assert session.receive(Chunk(OP_ID, 1, 0), DATA, 0.0) == []


def test_a_chunk_at_another_offset_ends_the_attempt_and_what_follows_is_ignored() -> None:
    session = halted()
    assert session.receive(Chunk(OP_ID, 1, 0), DATA, 0.0) == []
    assert session.receive(again(2), None, 0.0) == [Begin(again(2))]
    assert session.begun(OP_ID, 400, 0.0) == [Say(Proceed(OP_ID, 2, 400, TOTAL))]
    assert session.receive(Chunk(OP_ID, 2, 400), DATA, 0.0) == [Write(OP_ID, 400, DATA)]


def test_an_operation_that_was_written_whole_before_goes_straight_to_commit() -> None:
    session = opening()
    assert session.begun(OP_ID, TOTAL, 0.0) == [
        Say(Proceed(OP_ID, 1, TOTAL, TOTAL)),
        Commit(OP_ID),
    ]


@pytest.mark.parametrize("state", STATES)
def test_a_refusal_of_the_volume_ends_the_operation_in_every_state(state: str) -> None:
    session = STATES[state]()
    refusal = said(session.refused(OP_ID, WireRefusal("no room", "full", retry=True)))
    assert refusal == Refused(None, OP_ID, "full", "no room", True)
    assert session.operations == []
    assert session.errors == 0


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_said_of_an_operation_that_another_connection_took_over(state: str) -> None:
    session = STATES[state]()
    session.taken_over(OP_ID)
    assert session.written(OP_ID, 10, 0.0) == []
    assert session.begun(OP_ID, 10, 0.0) == []
    assert session.committed(OP_ID, b"signed") == []
    assert session.refused(OP_ID, WireRefusal("x")) == []
    assert session.tick(100.0) == []


def test_a_disk_that_works_long_is_told_of_every_ten_seconds() -> None:
    session = committing()
    assert session.tick(9.9) == []
    assert session.tick(10.0) == [Say(Proceed(OP_ID, 1, TOTAL, TOTAL))]
    assert session.tick(19.9) == []
    slow = receiving()
    assert slow.tick(10.0) == []
    slow.receive(Chunk(OP_ID, 1, 0), DATA, 0.0)
    assert slow.tick(10.0) == [Say(Proceed(OP_ID, 1, 0, TOTAL))]


# Credit.


def big(number: int) -> Put:
    return msgspec.structs.replace(PUT, op_id=f"{number:032x}", content_bytes=100 * MIB)


def test_credit_is_eight_mebibytes_beyond_what_is_written() -> None:
    session = greeted()
    put = big(1)
    session.receive(put, None, 0.0)
    assert session.begun(put.op_id, 0, 0.0) == [Say(Proceed(put.op_id, 1, 0, 8 * MIB))]
    session.receive(Chunk(put.op_id, 1, 0), bytes(MIB), 0.0)
    assert session.written(put.op_id, MIB, 0.0) == [Say(Proceed(put.op_id, 1, MIB, 9 * MIB))]


def test_many_operations_share_the_window_and_credit_is_never_taken_back() -> None:
    session = greeted()
    session.receive(big(0), None, 0.0)
    session.begun(big(0).op_id, 0, 0.0)
    for number in range(1, 32):
        session.receive(big(number), None, 0.0)
    assert session.begun(big(31).op_id, 0, 0.0) == [Say(Proceed(big(31).op_id, 1, 0, 2 * MIB))]
    session.receive(Chunk(big(0).op_id, 1, 0), bytes(MIB), 0.0)
    assert session.written(big(0).op_id, MIB, 0.0) == [Say(Proceed(big(0).op_id, 1, MIB, 8 * MIB))]


def test_operations_beyond_the_limit_are_asked_to_wait() -> None:
    session = greeted(limits=SessionLimits(puts_max=1))
    session.receive(PUT, None, 0.0)
    refusal = said(session.receive(big(1), None, 0.0))
    assert (refusal.code, refusal.retry, session.errors) == ("busy", True, 0)


# Requests.


def test_a_request_is_served_once_at_a_time_under_its_number() -> None:
    session = greeted(Role.VIEW)
    request = Stat(5, "x")
    assert session.receive(request, None, 0.0) == [Serve(request, None)]
    assert said(session.receive(request, None, 0.0)).code == "request-repeated"
    session.answered(5)
    assert session.receive(request, None, 0.0) == [Serve(request, None)]


def test_a_request_that_takes_long_is_spoken_of_every_ten_seconds_until_it_is_answered() -> None:
    session = greeted(Role.VIEW)
    session.receive(Stat(5, "x"), None, 0.0)
    assert session.tick(9.9) == []
    assert session.tick(10.0) == [Say(Working(5))]
    assert session.tick(19.9) == []
    assert session.tick(20.0) == [Say(Working(5))]
    session.answered(5)
    assert session.tick(30.0) == []


def test_requests_beyond_the_limit_are_asked_to_wait() -> None:
    session = greeted(Role.VIEW, SessionLimits(requests_max=2))
    session.receive(Status(1), None, 0.0)
    session.receive(Status(2), None, 0.0)
    refusal = said(session.receive(Status(3), None, 0.0))
    assert (refusal.request, refusal.code, refusal.retry) == (3, "busy", True)
    assert session.errors == 0


def test_a_ticket_is_shown_once_and_covers_the_connection() -> None:
    session = greeted(Role.NODE)
    first, second = Fetch(1, "x", "p", 0, 1), Fetch(2, "x", "p", 1, 1)
    assert said(session.receive(first, None, 0.0)).code == "ticket-missing"
    assert session.receive(first, b"ticket", 0.0) == [Serve(first, b"ticket")]
    assert session.receive(second, None, 0.0) == [Serve(second, b"ticket")]


# Errors.


def test_the_eighth_error_cuts_the_connection_off() -> None:
    session = greeted()
    for _ in range(7):
        assert len(session.malformed(MalformedMessage("x"), 0.0)) == 1
    actions = session.malformed(MalformedMessage("x"), 0.0)
    assert actions[-1] == CutOff()
    assert isinstance(actions[-2], Say)
    assert session.phase is Phase.CUT


def test_an_error_names_what_it_answers() -> None:
    session = greeted()
    refusal = said(session.receive(Read(9, "x", "y", 0, 1), None, 0.0))
    assert (refusal.request, refusal.op_id, refusal.code) == (9, None, "role-forbids")
