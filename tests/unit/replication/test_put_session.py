"""Every event in every state of the writer's side of a put, and both sides together."""

from dataclasses import dataclass, field
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.messages import Chunk, Committed, Hello, Proceed, Put, Refused
from replication.node_session import (
    Actions,
    Begin,
    Commit,
    NodeSession,
    Say,
    SessionLimits,
    Write,
)
from replication.put_session import (
    CHUNK_BYTES,
    SILENCE_S,
    Action,
    Announce,
    Finish,
    GiveUp,
    PutSession,
    SendChunk,
    WriterPhase,
)
from replication.roles import Authority, Role
from tests.unit.replication.wire_samples import CURVE_KEY, OP_ID, PUT

ANEW = msgspec.structs.replace(PUT, attempt=0)
TOTAL = PUT.stream_bytes


def attempt(number: int) -> Put:
    return msgspec.structs.replace(PUT, attempt=number)


def refusal(code: str, *, retry: bool = True) -> Refused:
    return Refused(None, OP_ID, code, "why", retry)


def apart() -> PutSession:
    return PutSession(ANEW, 0.0)


def asked() -> PutSession:
    session = apart()
    assert session.connected(0.0) == [Announce(attempt(1))]
    return session


def sending() -> PutSession:
    session = asked()
    assert session.proceed(Proceed(OP_ID, 1, 100, 400), 0.0) == []
    return session


def waiting() -> PutSession:
    session = asked()
    assert session.refused(refusal("busy"), 0.0) == []
    return session


def over() -> PutSession:
    session = sending()
    assert session.committed(b"signed") == [Finish(b"signed")]
    return session


STATES = {
    "apart": apart,
    "asked": asked,
    "sending": sending,
    "waiting": waiting,
    "over": over,
}
CONNECTED = ["asked", "sending", "waiting"]


@pytest.mark.parametrize("state", ["apart", *CONNECTED])
def test_a_new_connection_begins_with_another_attempt(state: str) -> None:
    session = STATES[state]()
    before = session.attempt
    assert session.connected(1.0) == [Announce(attempt(before + 1))]
    assert session.phase is WriterPhase.ASKED


@pytest.mark.parametrize("state", STATES)
def test_a_lost_connection_stops_the_sending(state: str) -> None:
    session = STATES[state]()
    session.disconnected()
    assert session.next_chunk(1.0) is None
    assert session.tick(1000.0) == []
    assert session.phase is (WriterPhase.OVER if state == "over" else WriterPhase.APART)


@pytest.mark.parametrize("state", STATES)
def test_a_proceed_of_another_attempt_changes_nothing(state: str) -> None:
    session = STATES[state]()
    before = (session.phase, session.acknowledged)
    for number in (0, 7):
        assert session.proceed(Proceed(OP_ID, number, 1, TOTAL), 1.0) == []
    assert (session.phase, session.acknowledged) == before


@pytest.mark.parametrize("state", ["apart", "waiting", "over"])
def test_a_proceed_that_nobody_waits_for_sends_nothing(state: str) -> None:
    session = STATES[state]()
    session.proceed(Proceed(OP_ID, session.attempt, 0, TOTAL), 1.0)
    assert session.next_chunk(1.0) is None


@pytest.mark.parametrize("state", ["apart", *CONNECTED])
def test_committed_ends_the_put_in_every_state(state: str) -> None:
    session = STATES[state]()
    assert session.committed(b"signed") == [Finish(b"signed")]
    assert session.phase is WriterPhase.OVER


def test_what_comes_after_the_end_changes_nothing() -> None:
    session = over()
    assert session.committed(b"other") == []
    assert session.connected(1.0) == []
    assert session.refused(refusal("full"), 1.0) == []
    assert session.tick(1000.0) == []


@pytest.mark.parametrize("state", ["asked", "sending"])
def test_a_lost_chunk_is_answered_by_another_attempt(state: str) -> None:
    assert STATES[state]().refused(refusal("offset-unexpected"), 1.0) == [Announce(attempt(2))]


@pytest.mark.parametrize("state", ["asked", "sending"])
def test_a_busy_node_is_asked_again_after_a_second(state: str) -> None:
    session = STATES[state]()
    assert session.refused(refusal("busy"), 1.0) == []
    assert session.tick(1.9) == []
    assert session.tick(2.0) == [Announce(attempt(2))]


@pytest.mark.parametrize("state", ["asked", "sending"])
@pytest.mark.parametrize("retry", [True, False])
def test_any_other_refusal_ends_the_put(state: str, retry: bool) -> None:
    session = STATES[state]()
    assert session.refused(refusal("full", retry=retry), 1.0) == [GiveUp("full", "why", retry)]
    assert session.phase is WriterPhase.OVER


@pytest.mark.parametrize("state", ["asked", "sending"])
def test_thirty_seconds_of_silence_are_answered_by_another_attempt(state: str) -> None:
    session = STATES[state]()
    assert session.tick(SILENCE_S - 0.1) == []
    assert session.tick(SILENCE_S) == [Announce(attempt(2))]
    assert session.deadline == 2 * SILENCE_S


def test_a_repeated_proceed_puts_the_silence_off() -> None:
    session = sending()
    session.proceed(Proceed(OP_ID, 1, 100, 400), 20.0)
    assert session.tick(SILENCE_S + 1) == []


@pytest.mark.parametrize(
    "proceed", [Proceed(OP_ID, 1, TOTAL + 1, TOTAL), Proceed(OP_ID, 1, 0, TOTAL + 1)]
)
@pytest.mark.parametrize("state", ["asked", "sending"])
def test_a_node_that_talks_nonsense_is_left(state: str, proceed: Proceed) -> None:
    (action,) = STATES[state]().proceed(proceed, 1.0)
    assert isinstance(action, GiveUp)
    assert (action.code, action.retry) == ("node-nonsense", True)


def test_a_node_cannot_acknowledge_what_was_not_sent() -> None:
    (action,) = sending().proceed(Proceed(OP_ID, 1, 101, 400), 1.0)
    assert isinstance(action, GiveUp)


def test_chunks_start_at_the_offset_and_stop_at_the_credit() -> None:
    session = sending()
    assert session.next_chunk(1.0) == SendChunk(Chunk(OP_ID, 1, 100), 300)
    assert session.next_chunk(1.0) is None
    session.proceed(Proceed(OP_ID, 1, 400, TOTAL), 2.0)
    assert session.next_chunk(2.0) == SendChunk(Chunk(OP_ID, 1, 400), TOTAL - 400)
    assert session.acknowledged == 400


def test_chunks_are_of_256_kibibytes() -> None:
    put = msgspec.structs.replace(ANEW, content_bytes=2**20)
    session = PutSession(put, 0.0)
    session.connected(0.0)
    session.proceed(Proceed(OP_ID, 1, 0, put.stream_bytes), 0.0)
    lengths = []
    while chunk := session.next_chunk(0.0):
        lengths.append(chunk.length)
    assert lengths == [CHUNK_BYTES] * 4 + [300]


# Both sides over a line that loses connections, and a disk of any speed.


@dataclass
class Line:
    """A writer, a node whose disk and line are driven by a seed, and what they made of it."""

    seed: int
    breaks: int
    now: float = 0.0
    to_node: list[Put | SendChunk] = field(default_factory=list)
    to_writer: list[Proceed | Refused | Committed] = field(default_factory=list)
    disk: bytearray = field(default_factory=bytearray)
    queued: list[tuple[int, bytes]] = field(default_factory=list)
    asked: bool = False
    committing: bool = False
    answer: bytes | None = None

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.stream = self.random.randbytes(50 + TOTAL)[:TOTAL]
        self.writer = PutSession(ANEW, 0.0)
        self.node = self.new_node()

    def new_node(self) -> NodeSession:
        limits = SessionLimits(window_bytes=300, window_bytes_min=50, window_bytes_total=300)
        session = NodeSession(Authority("ingest", Role.INGEST, CURVE_KEY), self.now, limits)
        session.receive(Hello(1, "ingest"), None, self.now)
        return session

    def step(self) -> None:
        """One of the things that may happen next."""
        self.now += self.random.choice([0.0, 0.1, 1.0])
        moves = [self.connect, self.send, self.carry, self.carry_back, self.work, self.wait]
        if self.breaks > 0:
            moves.append(self.cut)
        self.random.choice(moves)()

    def connect(self) -> None:
        if self.writer.phase is WriterPhase.APART:
            self.write(self.writer.connected(self.now))

    def cut(self) -> None:
        """The line breaks: what is on its way is lost, the node hears a new connection."""
        self.breaks -= 1
        self.to_node.clear()
        self.to_writer.clear()
        self.writer.disconnected()
        self.node.taken_over(OP_ID)
        self.node = self.new_node()

    def send(self) -> None:
        chunk = self.writer.next_chunk(self.now)
        if chunk is not None:
            self.to_node.append(chunk)

    def carry(self) -> None:
        if not self.to_node:
            return
        match self.to_node.pop(0):
            case Put() as put:
                self.act(self.node.receive(put, None, self.now))
            case SendChunk(chunk, length):
                if self.breaks and self.random.random() < 0.05:
                    self.breaks -= 1  # one chunk is lost, and nobody is told
                    return
                data = self.stream[chunk.offset : chunk.offset + length]
                self.act(self.node.receive(chunk, data, self.now))

    def carry_back(self) -> None:
        if not self.to_writer:
            return
        match self.to_writer.pop(0):
            case Proceed() as proceed:
                self.write(self.writer.proceed(proceed, self.now))
            case Refused() as refused:
                self.write(self.writer.refused(refused, self.now))
            case Committed():
                self.write(self.writer.committed(b"signed"))

    def work(self) -> None:
        if self.queued:
            offset, data = self.queued.pop(0)
            assert offset == len(self.disk)
            self.disk += data
            self.act(self.node.written(OP_ID, len(self.disk), self.now))
        elif self.committing and not self.asked:
            self.act(self.node.committed(OP_ID, b"signed"))
        if self.asked and not self.queued:
            self.asked = False
            self.act(self.node.begun(OP_ID, len(self.disk), self.now))

    def wait(self) -> None:
        self.act(self.node.tick(self.now))
        self.write(self.writer.tick(self.now))

    def act(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Begin():
                    self.asked = True
                case Write():
                    self.queued.append((action.offset, bytes(action.data)))
                case Commit():
                    assert bytes(self.disk) == self.stream
                    self.committing = True
                case Say(message=Proceed() | Refused() | Committed() as message):
                    self.to_writer.append(message)
                case _:
                    raise AssertionError(action)

    def write(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Announce():
                    self.to_node.append(action.put)
                case Finish():
                    self.answer = action.signed_answer
                case GiveUp():
                    raise AssertionError(action)


@given(st.integers(0, 2**32), st.integers(0, 8))
@settings(max_examples=300)
def test_whatever_the_line_loses_every_byte_arrives_once_and_is_answered(
    seed: int, breaks: int
) -> None:
    line = Line(seed, breaks)
    steps = 0
    while line.answer is None:
        line.step()
        steps += 1
        assert steps < 20_000, f"seed {seed} with {breaks} breaks comes to no end"
    assert bytes(line.disk) == line.stream
