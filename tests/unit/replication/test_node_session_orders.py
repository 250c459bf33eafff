"""Whatever comes to a node's session, in whatever order, twice or never."""

from hypothesis import given
from hypothesis import strategies as st

from replication.messages import Chunk, MalformedMessage, Proceed, ToNode, WireRefusal
from replication.node_session import (
    Actions,
    Begin,
    Commit,
    NodeSession,
    Say,
    SessionLimits,
    Write,
)
from tests.unit.replication.node_states import TOTAL, again, greeted
from tests.unit.replication.wire_samples import OP_ID, TO_NODE

EVENTS = st.one_of(
    st.sampled_from(TO_NODE),
    st.builds(again, st.integers(0, 4)),
    st.builds(Chunk, st.just(OP_ID), st.integers(0, 4), st.integers(0, TOTAL)),
    st.sampled_from(["written", "begun", "committed", "refused", "taken over", "tick", "bad"]),
)


@given(st.lists(st.tuples(EVENTS, st.integers(0, 300)), max_size=60))
def test_no_order_of_events_breaks_the_sessions_promises(
    events: list[tuple[ToNode | str, int]],
) -> None:
    """Writes have no gap, credit is kept, nothing commits before its last byte is written."""
    session = greeted(limits=SessionLimits(errors_max=1000))
    disk = Disk(session)
    for now, (event, size) in enumerate(events):
        if isinstance(event, str):
            disk.happen(event, size, float(now))
        else:
            data = bytes(size) if event.carries_data == "always" else None
            disk.take(session.receive(event, data, float(now)))


class Disk:
    """A volume that keeps what the session has it write, and checks it."""

    def __init__(self, session: NodeSession) -> None:
        self.session = session
        self.queued = self.written = 0
        self.credit = 0
        self.asked = self.committing = False

    def take(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Begin():
                    self.asked = True
                case Write():
                    assert action.offset == self.queued
                    self.queued += len(action.data)
                    assert self.queued <= self.credit
                case Commit():
                    assert not self.committing
                    assert self.written == self.queued == TOTAL
                    self.committing = True
                case Say(Proceed() as proceed):
                    assert proceed.offset == self.written
                    assert proceed.offset <= proceed.credit <= TOTAL
                    self.credit = proceed.credit
                case _:
                    pass

    def happen(self, event: str, size: int, now: float) -> None:
        match event:
            case "written" if self.queued > self.written:
                self.written = min(self.written + size, self.queued)
                self.take(self.session.written(OP_ID, self.written, now))
            case "begun" if self.asked:
                self.asked = False
                self.written = self.queued
                self.take(self.session.begun(OP_ID, self.written, now))
            case "committed" if self.committing:
                self.take(self.session.committed(OP_ID, b"signed"))
                self._start_anew()
            case "refused":
                self.take(self.session.refused(OP_ID, WireRefusal("full")))
                self._start_anew()
            case "taken over":
                self.session.taken_over(OP_ID)
                self._start_anew()
            case "tick":
                self.take(self.session.tick(now))
            case "bad":
                self.take(self.session.malformed(MalformedMessage("bad"), now))
            case _:
                pass

    def _start_anew(self) -> None:
        self.queued = self.written = self.credit = 0
        self.asked = self.committing = False
