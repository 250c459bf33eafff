"""A package that is being stored goes where the layout says, also when that changes meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from replication.layout import Layout, Standing
from replication.membership import moved
from replication.peers import Peer
from replication.placements import Placements
from replication.put_writer import Progress, PutRefused, PutSource
from replication.staged_source import HeldSource, HeldStream, OpenSource
from replication.writer import CopyWriter, PackageToStore, ProvenCopy
from storage.model import SignedAnswer, VerifyMode
from storage.node_answer import FORMAT, NodeAnswer
from storage.signing import SigningKey
from storage.volume.order import StoreOrder
from tests.unit.replication.layout_samples import BY, five

WaitUntil = Callable[..., Awaitable[None]]

STREAM = bytes(40)
ORDER = StoreOrder("0" * 32, "lantai:s/a", 1, 1, 10, 10, 20, 1, "a" * 64, "b" * 64)


@dataclass
class PatientNode:
    """Commits what it is sent once it may; refuses while it takes nothing."""

    name: str
    key: SigningKey
    may_commit: asyncio.Event = field(default_factory=asyncio.Event)
    takes: bool = True
    asked: int = 0

    async def put(
        self, order: StoreOrder, source: PutSource, progress: Progress | None = None
    ) -> SignedAnswer:
        self.asked += 1
        if not self.takes:
            raise PutRefused("draining", "not-taking", retry=True)
        assert len(await source.read(0, len(STREAM))) == len(STREAM)
        await self.may_commit.wait()
        said = NodeAnswer(
            FORMAT, order.op_id, self.name, "uuid", "room", order.object_id, order.version,
            order.inventory_sha256, order.file_count, order.content_bytes, VerifyMode.DIRECT,
            "2026-11-22T10:00:00.000000Z", 1,
        )  # fmt: skip
        payload = msgspec.json.encode(said)
        return SignedAnswer(payload, self.key.sign(payload))


@dataclass
class Site:
    """Five nodes in five rooms, and one package on its way to three of them."""

    nodes: dict[str, PatientNode]
    placements: Placements
    proven: list[str] = field(default_factory=list)

    def placed(self) -> list[PatientNode]:
        chosen = self.placements.choose(ORDER.object_id)
        return [self.nodes[peer.name] for peer in chosen]

    async def note(self, copy: ProvenCopy) -> None:
        self.proven.append(copy.peer.name)


def site() -> Site:
    nodes = {f"node-{n}": PatientNode(f"node-{n}", SigningKey.generate()) for n in range(1, 6)}
    peers = [
        Peer(name, f"tcp://{name}:1", "k" * 40, node.key.verify_key.hex(), f"room-{name[-1]}")
        for name, node in nodes.items()
    ]
    placements = Placements(peers, 3)
    placements.heed(five())
    return Site(nodes, placements)


@asynccontextmanager
async def storing(at: Site) -> AsyncIterator[asyncio.Task[None]]:
    def open_source() -> OpenSource:
        return HeldSource(HeldStream(STREAM), open_source)

    package = PackageToStore(ORDER, open_source, at.note, lambda _written: None)
    task = asyncio.create_task(CopyWriter(at.nodes, at.placements).store(package))
    async with asyncio.timeout(20):
        yield task
        await task


def leaves(name: str) -> Layout:
    return moved(five(), name, Standing.DRAINING, BY, ())


async def test_a_node_that_leaves_before_it_committed_is_waited_for_no_more(
    wait_until: WaitUntil,
) -> None:
    at = site()
    first = at.placed()
    gone, *others = first
    async with storing(at):
        await wait_until(lambda: all(node.asked for node in first), 20, "all to be asked")
        at.placements.heed(leaves(gone.name))
        for node in [*others, *(each for each in at.nodes.values() if each not in first)]:
            node.may_commit.set()
    assert gone.name not in at.proven
    assert len(at.proven) == 3
    assert {each.name for each in others} <= set(at.proven), "who had begun goes on"


async def test_a_copy_on_a_node_that_leaves_meanwhile_is_made_elsewhere_too(
    wait_until: WaitUntil,
) -> None:
    """N copies of the new placement, before anything is called stored."""
    at = site()
    first = at.placed()
    gone = first[0]
    gone.may_commit.set()
    async with storing(at) as task:
        await wait_until(lambda: gone.name in at.proven, 20, "the first copy")
        at.placements.heed(leaves(gone.name))
        for node in first[1:]:
            node.may_commit.set()
        await wait_until(lambda: len(at.proven) == 3, 20, "three copies")
        assert not task.done(), "three have it, but one of them leaves"
        for node in at.nodes.values():
            node.may_commit.set()
    assert len(set(at.proven) - {gone.name}) == 3


async def test_a_node_that_knows_the_layout_first_only_delays_the_package(
    wait_until: WaitUntil,
) -> None:
    at = site()
    first = at.placed()
    first[0].takes = False
    for node in at.nodes.values():
        node.may_commit.set()
    async with storing(at) as task:
        await wait_until(lambda: all(node.asked for node in first), 20, "all to be asked")
        assert not task.done()
        at.placements.heed(leaves(first[0].name))
    assert first[0].name not in at.proven
    assert len(at.proven) == 3


async def test_an_older_layout_is_passed_over() -> None:
    at = site()
    at.placements.heed(leaves("node-1"))
    at.placements.heed(five())
    assert at.placements.version == 2
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await at.placements.changed(2)
