"""A node's session in each of its states, and how to read what it answers."""

import msgspec

from replication.messages import Chunk, Hello, Proceed, Put, Refused
from replication.node_session import (
    Actions,
    Begin,
    Commit,
    Greet,
    NodeSession,
    Say,
    SessionLimits,
)
from replication.roles import Authority, Role
from tests.unit.replication.wire_samples import CURVE_KEY, OP_ID, PUT

TOTAL = PUT.stream_bytes
DATA = bytes(400)


def session_of(role: Role, limits: SessionLimits | None = None) -> NodeSession:
    return NodeSession(Authority(role, role, CURVE_KEY), 0.0, limits)


def greeted(role: Role = Role.INGEST, limits: SessionLimits | None = None) -> NodeSession:
    session = session_of(role, limits)
    assert session.receive(Hello(1, role), None, 0.0) == [Greet()]
    return session


def again(attempt: int) -> Put:
    return msgspec.structs.replace(PUT, attempt=attempt)


def opening() -> NodeSession:
    session = greeted()
    assert session.receive(PUT, None, 0.0) == [Begin(PUT)]
    return session


def receiving() -> NodeSession:
    session = opening()
    assert session.begun(OP_ID, 0, 0.0) == [Say(Proceed(OP_ID, 1, 0, TOTAL))]
    return session


def halted() -> NodeSession:
    session = receiving()
    refusal = said(session.receive(Chunk(OP_ID, 1, 5), DATA, 0.0))
    assert refusal.code == "offset-unexpected"
    return session


def committing() -> NodeSession:
    session = receiving()
    session.receive(Chunk(OP_ID, 1, 0), bytes(TOTAL), 0.0)
    assert session.written(OP_ID, TOTAL, 0.0)[-1] == Commit(OP_ID)
    return session


def said(actions: Actions) -> Refused:
    """The one refusal among these actions."""
    (refusal,) = [
        action.message
        for action in actions
        if isinstance(action, Say) and isinstance(action.message, Refused)
    ]
    return refusal
