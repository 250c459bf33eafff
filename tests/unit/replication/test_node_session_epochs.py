"""A put that comes again under another epoch: whoever took its transfer over goes on with it.

Found by the simulator (docs/simulator.md): an ingest process was frozen past its claim, took the
same transfer over again, and its connection still had the operation open.
"""

import msgspec
import pytest

from replication.messages import Hello, Proceed, Put, Refused
from replication.node_session import Begin, NodeSession, Say
from replication.roles import Authority, Role

PUT = Put(
    op_id="0" * 32, attempt=3, object_id="lantai:a/1", version=1, epoch=2, file_list_bytes=1,
    inventory_bytes=1, content_bytes=8, file_count=1, file_list_sha256="a" * 64,
    inventory_sha256="b" * 64,
)  # fmt: skip


def session_with_a_put(*, begun: bool) -> NodeSession:
    session = NodeSession(Authority("ingest-1", Role.INGEST, "k" * 40), 0.0)
    session.receive(Hello(1, "ingest"), None, 0.0)
    session.receive(PUT, None, 0.0)
    if begun:
        session.begun(PUT.op_id, 0, 0.0)
    return session


def again(epoch: int, attempt: int) -> Put:
    return msgspec.structs.replace(PUT, epoch=epoch, attempt=attempt)


@pytest.mark.parametrize("begun", [False, True])
def test_a_greater_epoch_goes_on_whatever_its_attempt(begun: bool) -> None:
    session = session_with_a_put(begun=begun)
    put = again(epoch=3, attempt=1)
    assert session.receive(put, None, 1.0) == [Begin(put)]


@pytest.mark.parametrize("begun", [False, True])
def test_a_lower_epoch_is_over_and_the_operation_goes_on(begun: bool) -> None:
    session = session_with_a_put(begun=begun)
    (said,) = session.receive(again(epoch=1, attempt=9), None, 1.0)
    assert isinstance(said, Say)
    assert isinstance(said.message, Refused)
    assert said.message.code == "stale-epoch"
    assert session.operations == [PUT.op_id]


def test_a_greater_epoch_in_the_middle_of_a_commit_is_told_how_far_it_is() -> None:
    session = session_with_a_put(begun=False)
    session.begun(PUT.op_id, PUT.stream_bytes, 0.0)
    (said,) = session.receive(again(epoch=3, attempt=1), None, 1.0)
    assert isinstance(said, Say)
    assert said.message == Proceed(PUT.op_id, 1, PUT.stream_bytes, PUT.stream_bytes)
