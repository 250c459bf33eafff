"""The node's side of one connection: what is answered to which message, and what is done for it.

docs/wire/session.md holds this as tables. Decides only: takes messages, outcomes and the time, and
returns actions; sockets and disks are node_service.py's, bytes of messages message_codec.py's.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from replication.message_codec import shortened
from replication.messages import (
    PROTOCOL,
    Chunk,
    Committed,
    Fetch,
    FromNode,
    Hello,
    Ping,
    Pong,
    Proceed,
    Put,
    Refused,
    Request,
    ToNode,
    WireRefusal,
    Working,
)
from replication.roles import Authority, may_say

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one connection may hold of a node. docs/wire/session.md, "Limits and timeouts"."""

    errors_max: int = 8
    puts_max: int = 64
    requests_max: int = 64
    # One operation's unwritten bytes; shared out when many operations run on one connection.
    window_bytes: int = 8 * MIB
    window_bytes_min: int = MIB
    window_bytes_total: int = 64 * MIB
    # A node that still works on an operation or a request says so this often.
    repeat_s: float = 10.0
    # A peer that said nothing for so long is gone.
    silence_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Say:
    """Send this."""

    message: FromNode
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Greet:
    """Send `welcome`, which holds what only the volume knows."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Open the operation, or take it over once its queued writes are done; then call `begun`."""

    put: Put


@dataclass(frozen=True, slots=True)
class Write:
    """Append these bytes at `offset`; when they are on the disk call `written`."""

    op_id: str
    offset: int
    data: memoryview | bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """All bytes are written: commit, then call `committed` or `refused`."""

    op_id: str


@dataclass(frozen=True, slots=True)
class Serve:
    """Answer a request; call `answered` when the answer is on its way."""

    request: Request
    data: bytes | None


@dataclass(frozen=True, slots=True)
class CutOff:
    """Too many errors: neither hear nor answer this connection, nor let its key in for a while."""


Action = Say | Greet | Begin | Write | Commit | Serve | CutOff
Actions = list[Action]


class Phase(StrEnum):
    """Where a connection stands."""

    GREETING = "greeting"  # nothing but hello is heard
    OPEN = "open"
    CUT = "cut"  # nothing is heard


class PutPhase(StrEnum):
    """Where one operation of a connection stands."""

    OPENING = "opening"  # the volume has been asked
    RECEIVING = "receiving"
    HALTED = "halted"  # this attempt is over; only another `put` goes on
    COMMITTING = "committing"


@dataclass(slots=True)
class _Operation:
    put: Put
    phase: PutPhase = PutPhase.OPENING
    expected: int = 0  # offset of the next chunk
    written: int = 0  # on the disk; never above `expected`
    credit: int = 0  # the writer may send up to here; never above put.stream_bytes
    spoken_at: float = 0.0


class NodeSession:
    """One connection of one peer. Never raises for what a peer says."""

    def __init__(
        self, authority: Authority, now: float, limits: SessionLimits | None = None
    ) -> None:
        self.authority = authority
        self.phase = Phase.GREETING
        self.errors = 0
        self.heard_at = now
        self._limits = limits or SessionLimits()
        self._operations: dict[str, _Operation] = {}
        self._requests: dict[int, float] = {}  # number → when it was last spoken of
        self._ticket: bytes | None = None
        self._told_to_greet = False

    # What the peer says.

    def receive(self, message: ToNode, data: memoryview | bytes | None, now: float) -> Actions:
        """Actions for one well-formed message."""
        if self.phase is Phase.CUT:
            return []
        self.heard_at = now
        if not may_say(self.authority.role, message):
            text = f"{self.authority.role} may not say {type(message).__name__.lower()}"
            return self._offence("role-forbids", text, message)
        if isinstance(message, Hello):
            return self._hello(message)
        if self.phase is Phase.GREETING:
            return self._too_early()
        match message:
            case Ping():
                return [Say(Pong(message.sequence))]
            case Put():
                return self._put(message, now)
            case Chunk():
                return self._chunk(message, b"" if data is None else data)
            case _:
                return self._request(message, data)

    def malformed(self, refusal: WireRefusal, now: float) -> Actions:
        """Actions for bytes that are no message."""
        if self.phase is Phase.CUT:
            return []
        self.heard_at = now
        return self._offence(refusal.refusal_code, str(refusal), None)

    def tick(self, now: float) -> Actions:
        """Signs of life for operations and requests on which the disk is still at work."""
        actions: Actions = []
        for operation in self._operations.values():
            working = operation.phase is PutPhase.COMMITTING or (
                operation.phase is PutPhase.RECEIVING and operation.written < operation.expected
            )
            if working and now - operation.spoken_at >= self._limits.repeat_s:
                actions.append(self._proceed(operation, now))
        for request, spoken_at in self._requests.items():
            if now - spoken_at >= self._limits.repeat_s:
                self._requests[request] = now
                actions.append(Say(Working(request)))
        return actions

    def is_silent(self, now: float) -> bool:
        return now - self.heard_at > self._limits.silence_s

    # What the volume says.

    def begun(self, op_id: str, written: int, now: float) -> Actions:
        """The operation is open and `written` bytes of it are on the disk."""
        operation = self._operations.get(op_id)
        if operation is None or operation.phase is not PutPhase.OPENING:
            return []
        assert 0 <= written <= operation.put.stream_bytes
        operation.phase = PutPhase.RECEIVING
        operation.expected = operation.credit = written
        return self.written(op_id, written, now)

    def written(self, op_id: str, offset: int, now: float) -> Actions:
        """Everything below `offset` is written."""
        operation = self._operations.get(op_id)
        if operation is None:
            return []
        operation.written = offset
        if operation.phase is not PutPhase.RECEIVING:
            return []
        assert offset <= operation.expected
        operation.credit = max(operation.credit, self._credit(operation))
        actions: Actions = [self._proceed(operation, now)]
        if offset == operation.put.stream_bytes:
            operation.phase = PutPhase.COMMITTING
            actions.append(Commit(op_id))
        return actions

    def committed(self, op_id: str, signed_answer: bytes) -> Actions:
        """The copy is committed and read back, now or long ago."""
        if self._operations.pop(op_id, None) is None:
            return []
        return [Say(Committed(op_id), signed_answer)]

    def refused(self, op_id: str, refusal: WireRefusal) -> Actions:
        """The volume will not have this operation."""
        if self._operations.pop(op_id, None) is None:
            return []
        return [Say(_refused(refusal.refusal_code, str(refusal), None, op_id, refusal.retry))]

    def taken_over(self, op_id: str) -> None:
        """Another connection goes on with this operation; nothing more is said of it here."""
        self._operations.pop(op_id, None)

    def answered(self, request: int) -> None:
        self._requests.pop(request, None)

    @property
    def operations(self) -> list[str]:
        return list(self._operations)

    # Below: one message each.

    def _hello(self, hello: Hello) -> Actions:
        if hello.protocol != PROTOCOL:
            text = f"this node speaks protocol {PROTOCOL}, not {hello.protocol}"
            return self._offence("protocol-unknown", text, hello)
        if hello.role != self.authority.role:
            text = f"this key belongs to a {self.authority.role}, not to {hello.role!r}"
            return self._offence("role-not-yours", text, hello)
        self.phase = Phase.OPEN
        return [Greet()]

    def _too_early(self) -> Actions:
        # After a broken connection a whole window may arrive here: said once, counted never.
        if self._told_to_greet:
            return []
        self._told_to_greet = True
        return [Say(_refused("hello-first", "say hello before anything else", None, None, True))]

    def _put(self, put: Put, now: float) -> Actions:
        operation = self._operations.get(put.op_id)
        if operation is None:
            return self._put_anew(put)
        known = operation.put
        if msgspec.structs.replace(put, attempt=known.attempt, epoch=known.epoch) != known:
            text = "this op_id was announced with other lengths or digests"
            return [Say(_refused("op-conflict", text, None, put.op_id, False))]
        if put.epoch < known.epoch:
            text = f"epoch {put.epoch} is over: {known.epoch} has begun"
            return [Say(_refused("stale-epoch", text, None, put.op_id, False))]
        # A peer that took its own transfer over again counts its attempts from 1.
        takes_over = put.epoch > known.epoch
        if put.attempt <= known.attempt and not takes_over:
            return []
        operation.put = put
        if operation.phase is PutPhase.COMMITTING:
            return [self._proceed(operation, now)]
        if operation.phase is PutPhase.OPENING and not takes_over:
            return []
        operation.phase = PutPhase.OPENING
        return [Begin(put)]

    def _put_anew(self, put: Put) -> Actions:
        if len(self._operations) >= self._limits.puts_max:
            text = f"{self._limits.puts_max} operations already run on this connection"
            return [Say(_refused("busy", text, None, put.op_id, True))]
        self._operations[put.op_id] = _Operation(put)
        return [Begin(put)]

    def _chunk(self, chunk: Chunk, data: memoryview | bytes) -> Actions:
        operation = self._operations.get(chunk.op_id)
        # What was on its way when an attempt ended arrives here, and is nobody's fault.
        if operation is None or chunk.attempt != operation.put.attempt:
            return []
        if operation.phase is PutPhase.HALTED:
            return []
        end = chunk.offset + len(data)
        if operation.phase is not PutPhase.RECEIVING or end > operation.credit or len(data) == 0:
            self._halt(operation)
            text = f"a chunk may end at {operation.credit}, not at {end}, and is not empty"
            return self._offence("credit-exceeded", text, chunk)
        if chunk.offset != operation.expected:
            self._halt(operation)
            text = f"the next chunk starts at {operation.expected}, not at {chunk.offset}"
            return [Say(_refused("offset-unexpected", text, None, chunk.op_id, True))]
        operation.expected = end
        return [Write(chunk.op_id, chunk.offset, data)]

    def _halt(self, operation: _Operation) -> None:
        if operation.phase is PutPhase.RECEIVING:
            operation.phase = PutPhase.HALTED

    def _request(self, request: Request, data: memoryview | bytes | None) -> Actions:
        if request.request in self._requests:
            return self._offence("request-repeated", "this request number is in use", request)
        if len(self._requests) >= self._limits.requests_max:
            text = f"{self._limits.requests_max} requests already run on this connection"
            return [Say(_refused("busy", text, request.request, None, True))]
        carried = None if data is None else bytes(data)
        if isinstance(request, Fetch):
            self._ticket = carried or self._ticket
            carried = self._ticket
            if carried is None:
                text = "the first fetch of a connection carries the keeper's ticket"
                return [Say(_refused("ticket-missing", text, request.request, None, False))]
        self._requests[request.request] = self.heard_at
        return [Serve(request, carried)]

    def _credit(self, operation: _Operation) -> int:
        limits = self._limits
        share = limits.window_bytes_total // max(1, len(self._operations))
        window = max(limits.window_bytes_min, min(limits.window_bytes, share))
        return min(operation.put.stream_bytes, operation.written + window)

    def _proceed(self, operation: _Operation, now: float) -> Say:
        operation.spoken_at = now
        put = operation.put
        return Say(Proceed(put.op_id, put.attempt, operation.written, operation.credit))

    def _offence(self, code: str, text: str, message: ToNode | None) -> Actions:
        self.errors += 1
        request = message.request if isinstance(message, Request) else None
        op_id = message.op_id if isinstance(message, Put | Chunk) else None
        actions: Actions = [Say(_refused(code, text, request, op_id, False))]
        if self.errors >= self._limits.errors_max:
            self.phase = Phase.CUT
            text = f"{self.errors} messages were refused; this connection is not heard any more"
            actions += [Say(_refused("cut-off", text, None, None, False)), CutOff()]
        return actions


def _refused(code: str, text: str, request: int | None, op_id: str | None, retry: bool) -> Refused:
    return Refused(request, op_id, code, shortened(text), retry)
