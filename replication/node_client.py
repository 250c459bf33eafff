"""One node as a client sees it: put a package, ask for bytes, objects, findings, sweeps, mending.

docs/wire/README.md. Every request may be asked again: none changes anything twice. Bytes that come
back are not verified here (reader.py does); signed answers are, against the node's own key.
"""

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar, TypeVar

import msgspec

from replication.endpoints import CurveKeys, PeerGone
from replication.listings import decode_findings, decode_leaves, decode_objects
from replication.message_codec import members_of
from replication.messages import (
    Account,
    Accounted,
    Answer,
    Audit,
    Audited,
    Blocks,
    Branch,
    Bytes,
    Committed,
    Fetch,
    Findings,
    FromNode,
    Laid,
    Layout,
    Leaves,
    Listing,
    MalformedMessage,
    Mend,
    Mended,
    Object,
    Objects,
    Pong,
    Proceed,
    Read,
    Recheck,
    Rechecked,
    Refused,
    Request,
    Source,
    Stat,
    State,
    Status,
    Sweep,
    Sweeping,
    Tree,
    Welcome,
    WireRefusal,
    Working,
)
from replication.node_answers import FilePart, FindingPage, LeafPage, NodeState, ObjectPage
from replication.node_volume import MendOutcome
from replication.peer_link import Caller, LinkCounts, LinkPatience, PeerLink
from replication.peers import Peer
from replication.put_writer import Clock, Progress, PutSource, PutWriter
from replication.requests import SILENCE_S, Heard, Requests
from replication.sweep_account import from_forecasts, to_account
from replication.sweep_actions import STATUS, SweepAction
from replication.tickets import MendOrder
from replication.transport import Wire
from storage.audit.framing import Question
from storage.hash_tree.branch import Subtree, decode_branch
from storage.hash_tree.leaf import Leaf
from storage.model import SignedAnswer, StoredObject
from storage.signing import SIGNATURE_BYTES, VerifyKey
from storage.sweep.account import SweepAccount
from storage.sweep.model import SweepStatus
from storage.volume.findings import Finding
from storage.volume.order import StoreOrder

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)

ANSWER_S = 30.0
# Below the node's own limits, so that it never has to refuse.
REQUESTS_MAX = 48
PUTS_MAX = 48


class NodeUnreachable(WireRefusal):
    """The node did not answer in time, or the connection broke. Asking again is safe."""

    code: ClassVar[str] = "node-unreachable"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry=True)


class NodeRefused(WireRefusal):
    """The node refuses a request; `refusal_code` is the node's."""

    code: ClassVar[str] = "node-refused"


class AnswerUnsigned(WireRefusal):
    """A node's answer is not signed with that node's key: it counts for nothing."""

    code: ClassVar[str] = "answer-unsigned"


class NodeClient:
    """A client of one node. `connect` first, `close` at the end; both on the same event loop."""

    def __init__(
        self,
        wire: Wire,
        peer: Peer,
        keys: CurveKeys,
        role: str,
        patience: LinkPatience | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.peer = peer
        self._clock = clock
        self._wire = wire
        self._caller = Caller(role, keys)
        self._patience = patience or LinkPatience()
        self._verify_key = VerifyKey.from_hex(peer.verify_key)
        self._link: PeerLink | None = None
        self._greeted = asyncio.Event()
        self._writers: dict[str, PutWriter] = {}
        self._requests = Requests()
        self._put_slots = asyncio.Semaphore(PUTS_MAX)
        self._slots = asyncio.Semaphore(REQUESTS_MAX)
        self._ticket_shown: bytes | None = None

    async def connect(self) -> None:
        """Begin to connect, and keep at it until `close`. Does not wait for the node."""
        assert self._link is None, "a client connects once"
        self._link = PeerLink(self._wire, self.peer, self._caller, self, self._patience)

    async def wait_until_greeted(self, wait_s: float) -> Welcome:
        """Raises NodeUnreachable, or NodeRefused where the node will not have this key or role."""
        try:
            async with asyncio.timeout(wait_s):
                await self._greeted.wait()
        except TimeoutError as error:
            refusal = self._linked.refusal
            if refusal is not None:
                raise NodeRefused(refusal.message, refusal.code) from error
            raise NodeUnreachable(f"{self.peer.name} did not greet us in {wait_s:g} s") from error
        welcome = self._linked.welcome
        assert welcome is not None
        return welcome

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()
        self.lost()
        for writer in self._writers.values():
            writer.give_up()

    @property
    def is_connected(self) -> bool:
        return self._greeted.is_set()

    @property
    def counts(self) -> LinkCounts:
        return self._linked.counts

    @property
    def welcome(self) -> Welcome | None:
        return self._linked.welcome

    @property
    def _linked(self) -> PeerLink:
        assert self._link is not None, "connect first"
        return self._link

    # Acts.

    async def put(
        self, order: StoreOrder, source: PutSource, progress: Progress | None = None
    ) -> SignedAnswer:
        """Store one package on this node, over as many connections as it takes.

        Waits for ever while the node is away: bound it with asyncio.timeout, and say the same
        order again later. Raises PutRefused where the node refuses, AnswerUnsigned.
        """
        assert order.op_id not in self._writers, "one put of an operation at a time"
        writer = PutWriter(order, source, self._linked, self._clock)
        writer.progress = progress or writer.progress
        async with self._put_slots:
            self._writers[order.op_id] = writer
            try:
                if self.is_connected:
                    writer.connected()
                return self._signed(await writer.run())
            finally:
                del self._writers[order.op_id]

    async def stat(self, object_id: str) -> StoredObject | None:
        """What the node keeps under this name, or None."""
        try:
            heard, _ = await self._ask(Stat(self._next(), object_id), Object)
        except NodeRefused as refusal:
            if refusal.refusal_code == "object-unknown":
                return None
            raise
        return StoredObject(**members_of(heard))

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        """`length` (at most 1 MiB) bytes of a file, fewer only at its end.

        `path` is relative to the object's folder.
        """
        return (await self._part(Read(self._next(), object_id, path, offset, length))).data

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        """Leaf digests of `count` blocks of a file, 32 bytes each, from block `first` on."""
        return (await self._part(Blocks(self._next(), object_id, path, first, count))).data

    async def fetch(
        self, object_id: str, path: str, offset: int, length: int, ticket: bytes
    ) -> FilePart:
        """As `read`, from node to node, by a ticket of the keeper."""
        await self.wait_until_greeted(ANSWER_S)
        shown = None if self._ticket_shown == ticket else ticket
        self._ticket_shown = ticket
        return await self._part(Fetch(self._next(), object_id, path, offset, length), shown)

    async def objects(self, after: str = "", limit: int = 1000) -> ObjectPage:
        """Objects whose names sort after `after`."""
        heard, data = await self._ask(Objects(self._next(), after, limit), Listing)
        listed = [StoredObject(**msgspec.structs.asdict(each)) for each in decode_objects(data)]
        return ObjectPage(tuple(listed), heard.more)

    async def tree(self, level: int, index: int) -> list[Subtree]:
        """The 16 children of one inner node of this node's hash tree."""
        _, data = await self._ask(Tree(self._next(), level, index), Branch)
        try:
            return decode_branch(data)
        except ValueError as error:
            raise MalformedMessage(f"{self.peer.name}: {error}") from error

    async def leaves(self, partition: int, after: str = "", limit: int = 1000) -> LeafPage:
        """What this node keeps in one partition, of objects whose ids sort after `after`."""
        heard, data = await self._ask(Leaves(self._next(), partition, after, limit), Listing)
        listed = [Leaf(**msgspec.structs.asdict(each)) for each in decode_leaves(data)]
        return LeafPage(tuple(listed), heard.more)

    async def findings(self, after: int = 0, limit: int = 1000, epoch: int = 0) -> FindingPage:
        """Findings with a greater sequence than `after`; `epoch` is the lease's of who asks."""
        heard, data = await self._ask(Findings(self._next(), after, limit, epoch), Listing)
        listed = [Finding(**msgspec.structs.asdict(each)) for each in decode_findings(data)]
        return FindingPage(tuple(listed), heard.more)

    async def sweep(self, order: SweepAction = STATUS) -> SweepStatus:
        """Have this node's sweep do something, and hear how it goes."""
        asked = Sweep(
            self._next(), order.action, order.kind, order.scope, order.subject, order.pause_s
        )
        heard, _ = await self._ask(asked, Sweeping)
        members = members_of(heard) | {"forecasts": from_forecasts(heard.forecasts)}
        return SweepStatus(**members)

    async def account(self, after: int = 0) -> SweepAccount:
        """How long ago objects were read, and the sweep cycles after number `after`."""
        heard, _ = await self._ask(Account(self._next(), after), Accounted)
        return to_account(heard.deadline_s, heard.oldest_checked_at, heard.ages, heard.cycles)

    async def mend(self, order: MendOrder, ticket: bytes, wait_s: float) -> MendOutcome:
        """Have this node replace its copy by the one on `order.source`, within `wait_s`."""
        source = order.source
        request = Mend(
            request=self._next(),
            object_id=order.object_id,
            version=order.version,
            inventory_sha256=order.inventory_sha256,
            epoch=order.epoch,
            source=Source(source.name, source.endpoint, source.curve_public_key),
        )
        heard, data = await self._ask(request, Mended, ticket, wait_s)
        return MendOutcome(heard.outcome, self._signed(data) if data else None)

    async def audit(self, question: Question, wait_s: float) -> Audited:
        """Have this node read an object and answer with a digest over nonce and content."""
        what, nonce = question, question.nonce.hex()
        request = Audit(self._next(), what.object_id, what.version, nonce, what.blocks)
        return (await self._ask(request, Audited, wait_s=wait_s))[0]

    async def recheck(self, object_id: str, wait_s: float) -> Rechecked:
        """Have this node check one of its copies now, as its sweep would."""
        return (await self._ask(Recheck(self._next(), object_id), Rechecked, wait_s=wait_s))[0]

    async def layout(self, told: bytes | None = None) -> tuple[int, bytes]:
        """Tell this node a layout and get its signed ack; or ask for the one that it has."""
        heard, data = await self._ask(Layout(self._next()), Laid, told)
        return heard.version, data

    async def status(self) -> NodeState:
        heard, _ = await self._ask(Status(self._next()), State)
        return NodeState(**members_of(heard))

    # What the link tells.

    def greeted(self, welcome: Welcome) -> None:
        self._ticket_shown = None
        self._greeted.set()
        for writer in self._writers.values():
            writer.connected()

    def lost(self) -> None:
        self._greeted.clear()
        for writer in self._writers.values():
            writer.disconnected()
        self._requests.fail_all(lambda: NodeUnreachable(f"{self.peer.name} was lost"))

    def heard(self, message: FromNode, data: memoryview | None) -> None:
        match message:
            case Proceed():
                if writer := self._writers.get(message.op_id):
                    writer.proceed(message)
            case Committed():
                if writer := self._writers.get(message.op_id):
                    writer.committed(bytes(data or b""))
            case Working():
                self._requests.worked_on(message.request)
            case Refused():
                self._refused(message)
            case Welcome() | Pong():
                pass  # the link's own
            case _:
                self._requests.answered(message.request, Heard(message, bytes(data or b"")))

    # Requests.

    async def ask(
        self, make: Callable[[int], Request], kind: type[AnyAnswer], data: bytes | None = None
    ) -> tuple[AnyAnswer, bytes]:
        """Any request, made with the number that it is given. Raises as every other."""
        return await self._ask(make(self._next()), kind, data)

    def _next(self) -> int:
        return self._requests.next_number()

    async def _part(self, request: Read | Blocks | Fetch, data: bytes | None = None) -> FilePart:
        heard, received = await self._ask(request, Bytes, data)
        return FilePart(received, heard.end)

    async def _ask(
        self,
        request: Request,
        kind: type[AnyAnswer],
        data: bytes | None = None,
        wait_s: float = ANSWER_S,
    ) -> tuple[AnyAnswer, bytes]:
        """Raises NodeUnreachable, also when the node speaks no more of it, or NodeRefused."""
        try:
            async with asyncio.timeout(wait_s), self._slots:
                await self._greeted.wait()
                heard = await self._requests.exchange(self._linked, request, data)
        except (TimeoutError, PeerGone) as error:
            silent_s = min(wait_s, SILENCE_S)
            raise NodeUnreachable(f"{self.peer.name} did not answer in {silent_s:g} s") from error
        if not isinstance(heard.message, kind):
            raise NodeRefused(f"{self.peer.name} answers something else", "node-nonsense")
        return heard.message, heard.data

    def _refused(self, refused: Refused) -> None:
        if refused.op_id is not None and (writer := self._writers.get(refused.op_id)):
            writer.refused(refused)
        refusal = NodeRefused(refused.message, refused.code, retry=refused.retry)
        self._requests.fail(refused.request, refusal)

    def _signed(self, raw: bytes) -> SignedAnswer:
        answer = SignedAnswer(raw[SIGNATURE_BYTES:], raw[:SIGNATURE_BYTES])
        if not self._verify_key.verify(answer.payload, answer.signature):
            raise AnswerUnsigned(f"an answer of {self.peer.name} is not signed with its key")
        return answer
