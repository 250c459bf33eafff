"""A node on the wire: joins connections, sessions, operations, requests and the volume.

docs/wire/session.md. Serves nobody before it has proved that strangers are refused, and ends when
a stranger is let in. Decides nothing about messages (node_session.py) and nothing about copies
(storage.volume).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monitoring.log import get_log
from replication.authentication import CUT_OFF_S, Authenticator
from replication.endpoints import Arrival, CurveKeys, PeerGone
from replication.message_codec import decode_to_node, encode, shortened
from replication.messages import PROTOCOL, Put, Refused, Request, Welcome, WireRefusal
from replication.node_puts import NodePuts, PutCounts
from replication.node_requests import RequestDesk
from replication.node_session import (
    Action,
    Actions,
    Begin,
    Commit,
    CutOff,
    Greet,
    NodeSession,
    Phase,
    Say,
    Serve,
    SessionLimits,
    Write,
)
from replication.node_volume import DiskThreads, NodeParts
from replication.refusals import to_wire
from replication.selftest import PERIOD_S, StrangerUnanswered, prove_strangers_refused
from replication.transport import NodeListener, Wire
from storage.model import SignedAnswer

log = get_log(__name__)

TICK_S = 1.0
SESSIONS_MAX = 256
# A proof that nobody answered is tried again so soon.
REPROOF_S = 10.0
# Before a node serves it is tried so often.
_FIRST_PROOFS = 3


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What a node says of itself in `welcome`."""

    node: str
    node_uuid: str
    domain: str
    epoch: Callable[[], int]  # highest that the volume has seen


@dataclass(slots=True)
class WireCounts:
    """Since the process started."""

    messages: int = 0
    nobodies: int = 0  # messages of connections without a known key
    refused: dict[str, int] = field(default_factory=dict)  # by code
    cut_off: int = 0
    proofs: int = 0  # strangers refused at our own door
    proofs_unanswered: int = 0


class Connection:
    """One connection: a session and the route to its peer. Owns the operations that came by it."""

    def __init__(self, service: "NodeService", peer: bytes, session: NodeSession) -> None:
        self.peer = peer
        self.session = session
        self._service = service

    def begun(self, op_id: str, written: int) -> None:
        self._perform(self.session.begun(op_id, written, self._service.now()))

    def written(self, op_id: str, offset: int) -> None:
        self._perform(self.session.written(op_id, offset, self._service.now()))

    def committed(self, op_id: str, answer: SignedAnswer) -> None:
        self._perform(self.session.committed(op_id, answer.signature + answer.payload))

    def refused(self, op_id: str, refusal: WireRefusal) -> None:
        self._perform(self.session.refused(op_id, refusal))

    def taken_over(self, op_id: str) -> None:
        self.session.taken_over(op_id)

    def _perform(self, actions: Actions) -> None:
        self._service.perform(self, actions)


class NodeService:
    """Serves one volume. `run` is the whole life of it; `close` comes after."""

    def __init__(
        self,
        parts: NodeParts,
        identity: NodeIdentity,
        authenticator: Authenticator,
        limits: SessionLimits | None = None,
        proof_period_s: float = PERIOD_S,
    ) -> None:
        self.counts = WireCounts()
        self.put_counts = PutCounts()
        self.serving = asyncio.Event()
        self.endpoint = ""
        self.now = time.monotonic
        self._proof_period_s = proof_period_s
        self._parts = parts
        self._identity = identity
        self._authenticator = authenticator
        self._limits = limits or SessionLimits()
        self._disk = DiskThreads()
        self._desk = RequestDesk(parts, self._disk)
        self._connections: dict[bytes, Connection] = {}
        self._listener: NodeListener
        self._group: asyncio.TaskGroup
        self._puts: NodePuts

    async def run(
        self,
        wire: Wire,
        endpoint: str,
        keys: CurveKeys,
        listener: type[NodeListener] = NodeListener,
    ) -> None:
        """Serve until cancelled. Raises StrangerAdmitted or StrangerUnanswered, and serves not."""
        await self._authenticator.serving.wait()
        async with asyncio.TaskGroup() as self._group:
            self._puts = NodePuts(self._parts.volume, self._disk, self._group, self.now)
            self._puts.counts = self.put_counts
            self._listener = listener(wire, endpoint, keys, self._receive)
            try:
                self.endpoint = self._listener.endpoint
                await self._prove_before_serving(keys.public)
                self.serving.set()
                self._group.create_task(self._keep_proving(keys.public))
                await self._keep_ticking()
            finally:
                self.serving.clear()
                self._listener.close()

    def close(self) -> None:
        """Let go of the threads."""
        self._disk.close()

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def mends(self) -> Mapping[str, int]:
        """Mends that ended here since the process started, by outcome."""
        return self._desk.mends

    @property
    def open_puts(self) -> int:
        return len(self._puts) if self.serving.is_set() else 0

    async def _prove_before_serving(self, public_key: str) -> None:
        """A machine that has no time for an answer is no reason to stay down until a person comes.

        Raises StrangerAdmitted at once, StrangerUnanswered after so many tries.
        """
        for left in reversed(range(_FIRST_PROOFS)):
            try:
                await prove_strangers_refused(self.endpoint, public_key)
            except StrangerUnanswered as error:
                log.warning("wire.proof.unanswered", endpoint=self.endpoint, reason=str(error))
                if left == 0:
                    raise
            else:
                self.counts.proofs += 1
                return

    async def _keep_proving(self, public_key: str) -> None:
        wait_s = self._proof_period_s
        while True:
            await asyncio.sleep(wait_s)
            try:
                await prove_strangers_refused(self.endpoint, public_key)
            except StrangerUnanswered as error:
                # Nobody can connect now, so nothing is at risk; the ZAP handler is being replaced.
                self.counts.proofs_unanswered += 1
                log.warning("wire.proof.unanswered", endpoint=self.endpoint, reason=str(error))
                wait_s = REPROOF_S
            else:
                self.counts.proofs += 1
                wait_s = self._proof_period_s

    async def _keep_ticking(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self.now()
            self._puts.tick()
            for connection in list(self._connections.values()):
                self.perform(connection, connection.session.tick(now))
                if self._is_over(connection.session, now):
                    self._forget(connection)

    def _is_over(self, session: NodeSession, now: float) -> bool:
        if session.phase is Phase.CUT:
            return now - session.heard_at > CUT_OFF_S
        return session.is_silent(now)

    # What arrives.

    def _receive(self, arrival: Arrival) -> None:
        if not self.serving.is_set():
            return
        self.counts.messages += 1
        connection = self._connection(arrival)
        if connection is None:
            self.counts.nobodies += 1
            return
        now = self.now()
        session = connection.session
        try:
            message = decode_to_node(arrival.frames)
        except WireRefusal as refusal:
            self.perform(connection, session.malformed(refusal, now))
            return
        data = arrival.frames[1] if len(arrival.frames) > 1 else None
        self.perform(connection, session.receive(message, data, now))

    def _connection(self, arrival: Arrival) -> Connection | None:
        authority = self._authenticator.roles.find(arrival.key)
        known = self._connections.get(arrival.peer)
        if known is not None and known.session.authority == authority:
            return known
        if known is not None:  # its key was revoked, or its route was used before
            self._forget(known)
        if authority is None or len(self._connections) >= SESSIONS_MAX:
            return None
        session = NodeSession(authority, self.now(), self._limits)
        connection = Connection(self, arrival.peer, session)
        self._connections[arrival.peer] = connection
        return connection

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection.peer, None)
        self._listener.forget(connection.peer)
        for op_id in connection.session.operations:
            self._puts.disown(op_id, connection)

    # What is done about it.

    def perform(self, connection: Connection, actions: Actions) -> None:
        """Carry out what the session decided, in order."""
        for action in actions:
            self._perform_one(connection, action)

    def _perform_one(self, connection: Connection, action: Action) -> None:
        match action:
            case Say():
                self._say(connection, action)
            case Greet():
                self._say(connection, Say(self._welcome()))
            case Begin():
                self._begin(action.put, connection)
            case Write():
                self._puts.write(action.op_id, action.offset, action.data)
            case Commit():
                self._puts.commit(action.op_id)
            case Serve():
                self._group.create_task(self._serve(connection, action.request, action.data))
            case CutOff():
                self._cut_off(connection)

    def _begin(self, put: Put, connection: Connection) -> None:
        layouts = self._parts.layouts
        refusal = None if layouts is None else layouts.refusal_of(put.version)
        if refusal is None:
            self._puts.begin(put, connection)
        else:
            connection.refused(put.op_id, refusal)

    def _say(self, connection: Connection, say: Say) -> None:
        if isinstance(say.message, Refused):
            code = say.message.code
            self.counts.refused[code] = self.counts.refused.get(code, 0) + 1
        try:
            self._listener.post(connection.peer, encode(say.message), say.data)
        except PeerGone:
            self._forget(connection)

    def _welcome(self) -> Welcome:
        who = self._identity
        return Welcome(PROTOCOL, who.node, who.node_uuid, who.domain, who.epoch())

    def _cut_off(self, connection: Connection) -> None:
        self.counts.cut_off += 1
        authority = connection.session.authority
        log.warning("wire.peer.cut-off", peer=authority.name, errors=connection.session.errors)
        self._authenticator.cut_off(authority.curve_public_key)
        for op_id in connection.session.operations:
            self._puts.disown(op_id, connection)

    async def _serve(self, connection: Connection, request: Request, data: bytes | None) -> None:
        session = connection.session
        try:
            reply = await self._desk.answer(request, data, session.authority)
            await self._listener.send(connection.peer, encode(reply.message), reply.data)
        except PeerGone:
            self._forget(connection)
        except Exception as error:  # noqa: BLE001 - top of a request: the node goes on
            refusal = to_wire(error, type(request).__name__.lower())
            code, text = refusal.refusal_code, shortened(str(refusal))
            self._say(connection, Say(Refused(request.request, None, code, text, refusal.retry)))
        finally:
            session.answered(request.request)
