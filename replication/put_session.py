"""The writer's side of one put: when to announce, what to send, when to begin again.

docs/wire/put.md and docs/wire/session.md. Decides only: the driver is node_client.py. Says `put`
again after a lost connection, a lost chunk or a silence; refusals about the package or the node's
disk end the put, and whoever placed it decides what then.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from replication.messages import Chunk, Proceed, Put, Refused

# 256 KiB by measure: larger frames are slower over CURVE (knowledge/performance.md).
CHUNK_BYTES = 256 * 1024
# A node says `proceed` every 10 s even when its disk is busy, so this is three signs missed.
SILENCE_S = 30.0
BUSY_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Announce:
    """Say this `put`."""

    put: Put


@dataclass(frozen=True, slots=True)
class SendChunk:
    """Read `length` bytes of the stream at `chunk.offset` and send them under this header."""

    chunk: Chunk
    length: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The node has committed; `signed_answer` is signature ‖ payload, not yet verified."""

    signed_answer: bytes


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The node refuses this operation."""

    code: str
    message: str
    retry: bool


Action = Announce | Finish | GiveUp


class WriterPhase(StrEnum):
    """Where a put stands, as its writer sees it."""

    APART = "apart"  # no connection
    ASKED = "asked"  # put is said, no answer yet
    SENDING = "sending"  # credit was given; also while the node commits
    WAITING = "waiting"  # the node is busy; put is said again at a set time
    OVER = "over"


class PutSession:
    """One operation towards one node, over as many connections as it takes."""

    def __init__(self, put: Put, now: float) -> None:
        self.phase = WriterPhase.APART
        self.acknowledged = 0  # the node has written so far
        self._put = put
        self._sent = 0
        self._credit = 0
        self._moved_at = now

    @property
    def attempt(self) -> int:
        return self._put.attempt

    @property
    def deadline(self) -> float:
        """When `tick` has something to decide, at the earliest."""
        waits = BUSY_RETRY_S if self.phase is WriterPhase.WAITING else SILENCE_S
        return self._moved_at + waits

    def connected(self, now: float) -> list[Action]:
        """A connection stands and was greeted."""
        return [] if self.phase is WriterPhase.OVER else self._announce(now)

    def disconnected(self) -> None:
        if self.phase is not WriterPhase.OVER:
            self.phase = WriterPhase.APART

    def proceed(self, proceed: Proceed, now: float) -> list[Action]:
        """The node has written to an offset and grants credit."""
        if proceed.attempt != self.attempt or self.phase not in _LISTENING:
            return []
        total = self._put.stream_bytes
        reach = total if self.phase is WriterPhase.ASKED else self._sent
        if proceed.offset > reach or proceed.credit > total:
            return self._give_up("node-nonsense", "the node acknowledges what was never sent")
        if self.phase is WriterPhase.ASKED:
            self.phase = WriterPhase.SENDING
            self._sent = proceed.offset
            self._credit = proceed.credit
            self.acknowledged = proceed.offset
        self.acknowledged = max(self.acknowledged, proceed.offset)
        self._credit = max(self._credit, proceed.credit)
        self._moved_at = now
        return []

    def next_chunk(self, now: float) -> SendChunk | None:
        """What may be sent now; it counts as sent."""
        if self.phase is not WriterPhase.SENDING or self._sent >= self._credit:
            return None
        length = min(CHUNK_BYTES, self._credit - self._sent)
        chunk = Chunk(self._put.op_id, self.attempt, self._sent)
        self._sent += length
        self._moved_at = now
        return SendChunk(chunk, length)

    def committed(self, signed_answer: bytes) -> list[Action]:
        if self.phase is WriterPhase.OVER:
            return []
        self.phase = WriterPhase.OVER
        return [Finish(signed_answer)]

    def refused(self, refused: Refused, now: float) -> list[Action]:
        if self.phase not in _LISTENING:
            return []
        if refused.code == "offset-unexpected":
            return self._announce(now)
        if refused.code == "busy":
            self.phase = WriterPhase.WAITING
            self._moved_at = now
            return []
        self.phase = WriterPhase.OVER
        return [GiveUp(refused.code, refused.message, refused.retry)]

    def tick(self, now: float) -> list[Action]:
        """Say `put` again when the node was silent too long, or has had time to breathe."""
        if self.phase in {WriterPhase.APART, WriterPhase.OVER} or now < self.deadline:
            return []
        return self._announce(now)

    def _announce(self, now: float) -> list[Action]:
        self._put = msgspec.structs.replace(self._put, attempt=self.attempt + 1)
        self.phase = WriterPhase.ASKED
        self._moved_at = now
        return [Announce(self._put)]

    def _give_up(self, code: str, message: str) -> list[Action]:
        self.phase = WriterPhase.OVER
        return [GiveUp(code, message, retry=True)]


_LISTENING = frozenset({WriterPhase.ASKED, WriterPhase.SENDING})
