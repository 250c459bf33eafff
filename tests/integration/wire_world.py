"""A node with a volume in memory, on the wire for real: CURVE, ZAP, TCP on loopback.

The volume is the smallest that keeps the promises of replication.node_volume; the real one is
storage.volume's. Everything else is the product's own.
"""

import asyncio
import hashlib
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from replication.authentication import Authenticator
from replication.endpoints import CurveKeys
from replication.node_client import NodeClient
from replication.node_service import NodeIdentity, NodeService
from replication.node_volume import NodeParts
from replication.peer_link import LinkPatience
from replication.peers import Peer
from replication.roles import Authority, Role, RoleTable
from replication.selftest import PERIOD_S
from replication.transport import NodeListener, Wire, generate_keys
from storage.hash_tree.branch import Subtree, children_of, partitions_below
from storage.hash_tree.leaf import PARTITIONS, Leaf, LeafState, leaf_digest, partition_of
from storage.hash_tree.set_sum import SetSum
from storage.model import SignedAnswer, StoredObject
from storage.signing import SigningKey
from storage.volume.findings import Finding
from storage.volume.order import StoreOrder
from storage.volume.refusals import ContentRefused, ObjectUnknown, OpConflict, VolumeFull

DEADLINE_S = 20.0
NOW = "2026-11-22T00:00:00Z"


class MemoryIncoming:
    """Bytes of one operation."""

    def __init__(self, volume: "MemoryVolume", order: StoreOrder) -> None:
        self.order = order
        self.stream = bytearray()
        self._volume = volume

    @property
    def written(self) -> int:
        return len(self.stream)

    def write(self, offset: int, data: memoryview | bytes) -> int:
        assert offset == len(self.stream)
        self._volume.gate.wait(DEADLINE_S)
        self.stream += data
        return len(self.stream)

    def abandon(self) -> None:
        self._volume.incoming.pop(self.order.op_id, None)


@dataclass(frozen=True)
class MemoryState:
    state: str
    message: str
    free_bytes: int
    total_bytes: int
    objects: int
    content_bytes: int


@dataclass
class MemoryVolume:
    """Keeps whole streams by object id. `gate` closed is a disk that hangs."""

    key: SigningKey = field(default_factory=SigningKey.generate)
    incoming: dict[str, MemoryIncoming] = field(default_factory=dict)
    answers: dict[str, SignedAnswer] = field(default_factory=dict)
    orders: dict[str, StoreOrder] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    damage: list[Finding] = field(default_factory=list)
    full: bool = False
    commits: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    commit_gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.commit_gate.set()

    def begin(self, order: StoreOrder) -> MemoryIncoming | SignedAnswer:
        if self.full:
            raise VolumeFull("there is no room for this package: free some, or add a disk")
        self.epochs.append(order.epoch)
        known = self.orders.setdefault(order.op_id, order)
        if replace(known, epoch=order.epoch) != order:
            raise OpConflict("this operation is known with other lengths or digests")
        if order.op_id in self.answers:
            return self.answers[order.op_id]
        return self.incoming.setdefault(order.op_id, MemoryIncoming(self, order))

    async def commit(self, incoming: MemoryIncoming) -> SignedAnswer:
        await self.commit_gate.wait()
        order, stream = incoming.order, bytes(incoming.stream)
        assert len(stream) == order.total_bytes
        listed = await asyncio.to_thread(hashlib.sha256, stream[: order.file_list_bytes])
        if listed.hexdigest() != order.file_list_sha256:
            incoming.abandon()
            raise ContentRefused("the file list is not the one announced")
        self.commits += 1
        self.kept[order.object_id] = stream
        payload = f"{order.op_id} {hashlib.sha256(stream).hexdigest()}".encode()
        answer = SignedAnswer(payload, self.key.sign(payload))
        self.answers[order.op_id] = answer
        del self.incoming[order.op_id]
        return answer

    def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        self.gate.wait(DEADLINE_S)
        return self._stream(object_id)[offset : offset + length]

    def file_size(self, object_id: str, path: str) -> int:
        return len(self._stream(object_id))

    def block_leaves(self, object_id: str, path: str, first: int, count: int) -> bytes:
        stream = self._stream(object_id)
        blocks = range(first, min(first + count, -(-len(stream) // 2**20)))
        return b"".join(hashlib.sha256(stream[i * 2**20 :][: 2**20]).digest() for i in blocks)

    def stat(self, object_id: str) -> StoredObject | None:
        stream = self.kept.get(object_id)
        if stream is None:
            return None
        return StoredObject(object_id, 1, hashlib.sha256(stream).hexdigest(), 1, len(stream), NOW)

    def objects(self, after: str, limit: int) -> list[StoredObject]:
        found = [self.stat(name) for name in sorted(self.kept) if name > after]
        return [each for each in found[:limit] if each is not None]

    def tree_branch(self, level: int, index: int) -> list[Subtree]:
        sums = [SetSum() for _ in range(PARTITIONS)]
        for leaf in self._leaves():
            partition = partition_of(leaf.object_id)
            sums[partition] = sums[partition].changed([], [leaf_digest(leaf)])
        below = partitions_below(level, index)
        return children_of(level, [sums[each].subtree() for each in below])

    def leaves(self, partition: int, after: str, limit: int) -> list[Leaf]:
        found = [
            leaf
            for leaf in self._leaves()
            if partition_of(leaf.object_id) == partition and leaf.object_id > after
        ]
        return found[:limit]

    def _leaves(self) -> list[Leaf]:
        kept = [self.stat(name) for name in sorted(self.kept)]
        return [
            Leaf(each.object_id, each.head, each.inventory_sha256, LeafState.STORED)
            for each in kept
            if each is not None
        ]

    def findings(self, after: int, limit: int) -> list[Finding]:
        return [each for each in self.damage if each.sequence > after][:limit]

    def state(self) -> MemoryState:
        content = sum(len(stream) for stream in self.kept.values())
        return MemoryState("ready", "", 2**40, 2**41, len(self.kept), content)

    def _stream(self, object_id: str) -> bytes:
        if object_id not in self.kept:
            raise ObjectUnknown("no object of this name is kept here")
        return self.kept[object_id]


@dataclass
class BytesSource:
    """A stream that is held whole."""

    stream: bytes
    reads: list[int] = field(default_factory=list)

    async def read(self, offset: int, length: int) -> bytes:
        self.reads.append(offset)
        return self.stream[offset : offset + length]


def package(
    size_bytes: int, object_id: str = "lantai:test/case-1"
) -> tuple[StoreOrder, BytesSource]:
    """A put of `size_bytes` of noise after a short file list and inventory."""
    file_list, inventory = b"file list\n", b"inventory\n"
    block = secrets.token_bytes(min(size_bytes, 2**20))
    content = (block * (size_bytes // max(1, len(block)) + 1))[:size_bytes]
    order = StoreOrder(
        op_id=secrets.token_hex(16),
        object_id=object_id,
        version=1,
        epoch=1,
        file_list_bytes=len(file_list),
        inventory_bytes=len(inventory),
        content_bytes=len(content),
        file_count=1,
        file_list_sha256=hashlib.sha256(file_list).hexdigest(),
        inventory_sha256=hashlib.sha256(inventory).hexdigest(),
    )
    return order, BytesSource(file_list + inventory + content)


PartsOf = Callable[[MemoryVolume], NodeParts]


class WireNode:
    """One node: its own context, ZAP handler, volume and port."""

    def __init__(
        self,
        name: str,
        roles: RoleTable,
        listener: type[NodeListener],
        proof_period_s: float = PERIOD_S,
        parts: PartsOf = NodeParts,
    ) -> None:
        self.name = name
        self.keys = generate_keys()
        self.volume = MemoryVolume()
        self.wire = Wire()
        self.authenticator = Authenticator(self.wire, roles, time.monotonic)
        identity = NodeIdentity(name, f"uuid-of-{name}", f"shelf-{name}", lambda: 1)
        self.service = NodeService(
            parts(self.volume), identity, self.authenticator, proof_period_s=proof_period_s
        )
        self.listener = listener

    def peer(self, endpoint: str | None = None) -> Peer:
        return Peer(
            self.name,
            endpoint or self.service.endpoint,
            self.keys.public,
            self.volume.key.verify_key.hex(),
            f"shelf-{self.name}",
        )

    async def run(self, endpoint: str = "tcp://127.0.0.1:*") -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.authenticator.run(), name="zap-supervisor")
            group.create_task(self.service.run(self.wire, endpoint, self.keys, self.listener))

    def close(self) -> None:
        self.volume.gate.set()
        self.service.close()
        self.wire.close()


class World:
    """Keys of every role, nodes and clients; all of it is closed at the end."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.keys: dict[str, CurveKeys] = {role: generate_keys() for role in Role}
        self.roles = RoleTable(
            Authority(role, Role(role), keys.public) for role, keys in self.keys.items()
        )

    async def node(
        self,
        name: str = "node-1",
        listener: type[NodeListener] = NodeListener,
        parts: PartsOf = NodeParts,
    ) -> WireNode:
        node = self.unstarted_node(name, listener, parts=parts)
        await self._stack.enter_async_context(_running(node))
        return node

    def unstarted_node(
        self,
        name: str = "node-1",
        listener: type[NodeListener] = NodeListener,
        proof_period_s: float = PERIOD_S,
        parts: PartsOf = NodeParts,
    ) -> WireNode:
        node = WireNode(name, self.roles, listener, proof_period_s, parts)
        self._stack.callback(node.close)
        return node

    async def client(
        self,
        node: WireNode,
        role: str = "ingest",
        keys: CurveKeys | None = None,
        endpoint: str | None = None,
        dead_s: float = 10.0,
    ) -> NodeClient:
        wire = Wire()
        self._stack.callback(wire.close)
        patience = LinkPatience(heartbeat_s=min(1.0, dead_s / 10), dead_s=dead_s)
        client = NodeClient(wire, node.peer(endpoint), keys or self.keys[role], role, patience)
        self._stack.push_async_callback(client.close)
        await client.connect()
        return client


@asynccontextmanager
async def _running(node: WireNode) -> AsyncIterator[None]:
    task = asyncio.create_task(node.run())
    serving = asyncio.create_task(node.service.serving.wait())
    try:
        await asyncio.wait([task, serving], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield
    finally:
        serving.cancel()
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def wire_world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


async def assert_serves(world: World, node: WireNode) -> None:
    """Another peer is greeted and stores a package."""
    client = await world.client(node, "view")
    await client.wait_until_greeted(10)
    assert await client.stat("lantai:test/nothing") is None
