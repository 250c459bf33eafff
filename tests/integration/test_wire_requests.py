"""Reading, listing, sweeping, mending and fetching over the wire."""

import hashlib
from dataclasses import dataclass, field, replace

import pytest

from replication.messages import Fetch, Mend
from replication.node_answers import NodeState
from replication.node_client import NodeClient, NodeRefused
from replication.node_volume import MendOutcome, NodeParts
from replication.sweep_account import CYCLES_MAX
from replication.sweep_actions import SweepAction
from replication.tickets import MendOrder
from storage.errors import Refusal
from storage.model import SignedAnswer
from storage.sweep.account import CheckedAges, SweepAccount
from storage.sweep.model import (
    ClassForecast,
    PassKind,
    PassOrder,
    PassScope,
    SweepCycle,
    SweepStatus,
)
from storage.volume.findings import Finding
from tests.integration.wire_world import WireNode, World, package, wire_world

MIB = 2**20
SWEEP = SweepStatus(
    running=True,
    paused=False,
    cycle=3,
    checked_objects=1,
    checked_bytes=2,
    damaged_objects=0,
    total_objects=9,
    oldest_checked_at="2026-11-01T00:00:00Z",
    last_finished_at=None,
    paused_until="2026-11-24T00:00:00Z",
    kind="quick",
    scope="source",
    subject="政务服务",
    reason="asked",
    cache="direct",
    forecasts=(ClassForecast("default", 90.0, 7000, 100, "2026-11-23T00:00:00Z", -60),),
)


class NotMine(Refusal):
    code = "ticket-refused"


# As large as numbers on the wire can be.
_MOST = 2**63 - 1
ACCOUNT = SweepAccount(
    _MOST,
    "2026-11-01T00:00:00.000000Z",
    CheckedAges(*[_MOST] * 6),
    tuple(
        SweepCycle(
            _MOST - 20 + number, "2026-11-01T00:00:00.000000Z", "2026-11-02T00:00:00.000000Z",
            _MOST, _MOST, _MOST,
        )
        for number in range(15)
    ),
)  # fmt: skip


@dataclass
class Yard:
    """The parts of a node that are not its volume, as small as can be."""

    steered: list[object] = field(default_factory=list)
    mended: list[tuple[Mend, bytes]] = field(default_factory=list)
    fetched: list[tuple[str, bytes]] = field(default_factory=list)
    outcome: MendOutcome = field(default_factory=lambda: MendOutcome("source-failed", None))

    def start_now(self, order: PassOrder) -> None:
        self.steered.append(order)

    def pause(self, for_s: float) -> None:
        self.steered.append(for_s)

    def resume(self) -> None:
        self.steered.append("resume")

    async def status(self) -> SweepStatus:
        return SWEEP

    async def account(self, after: int, limit: int) -> SweepAccount:
        later = [cycle for cycle in ACCOUNT.cycles if cycle.number > after]
        return replace(ACCOUNT, cycles=tuple(later[:limit]))

    async def mend(self, order: Mend, ticket: bytes) -> MendOutcome:
        self.mended.append((order, ticket))
        return self.outcome

    def admit(self, fetch: Fetch, target: str, raw: bytes) -> None:
        if raw != b"good ticket":
            raise NotMine("the ticket is not signed by the keeper this node knows")
        self.fetched.append((target, raw))


async def stored(world: World, node: WireNode, size_bytes: int = 3 * MIB) -> tuple[str, bytes]:
    """One object on the node: its name and its bytes."""
    order, source = package(size_bytes)
    writer = await world.client(node)
    await writer.put(order, source)
    return order.object_id, source.stream


async def read_whole(client: NodeClient, object_id: str) -> bytes:
    read = b""
    while piece := await client.read(object_id, "x", len(read), MIB):
        read += piece
    return read


async def test_a_file_is_read_in_pieces_until_its_end() -> None:
    async with wire_world() as world:
        node = await world.node()
        object_id, stream = await stored(world, node)
        view = await world.client(node, "view")
        assert await read_whole(view, object_id) == stream


async def test_leaves_come_as_the_volume_keeps_them() -> None:
    async with wire_world() as world:
        node = await world.node()
        object_id, stream = await stored(world, node)
        view = await world.client(node, "view")
        leaves = await view.blocks(object_id, "x", 1, 32)
        assert leaves[:32] == hashlib.sha256(stream[MIB : 2 * MIB]).digest()
        assert len(leaves) == 3 * 32


async def test_what_is_not_there_is_none_or_a_refusal_with_its_code() -> None:
    async with wire_world() as world:
        node = await world.node()
        view = await world.client(node, "view")
        assert await view.stat("lantai:test/nothing") is None
        with pytest.raises(NodeRefused) as caught:
            await view.read("lantai:test/nothing", "x", 0, 1)
        assert caught.value.refusal_code == "object-unknown"


async def test_objects_are_listed_page_by_page() -> None:
    async with wire_world() as world:
        node = await world.node()
        writer = await world.client(node)
        names = [f"lantai:test/case-{number}" for number in range(5)]
        for name in names:
            await writer.put(*package(10, name))
        keeper = await world.client(node, "keeper")
        first = await keeper.objects("", 3)
        second = await keeper.objects(first.objects[-1].object_id, 3)
        assert [each.object_id for each in first.objects + second.objects] == names
        assert (first.more, second.more) == (True, False)
        assert first.objects[0] == node.volume.stat(names[0])


async def test_a_page_that_would_not_fit_into_a_frame_is_cut_and_says_so() -> None:
    async with wire_world() as world:
        node = await world.node()
        node.volume.damage = [
            Finding(number, "2026-11-22T00:00:00Z", "x", "altered", "p" * 4000, "d", "", None)
            for number in range(1, 1001)
        ]
        keeper = await world.client(node, "keeper")
        found: list[Finding] = []
        more = True
        while more:
            page = await keeper.findings(found[-1].sequence if found else 0, 1000)
            found += page.findings
            more = page.more
        assert found == node.volume.damage


async def test_the_state_of_the_disk_is_told() -> None:
    async with wire_world() as world:
        node = await world.node()
        api = await world.client(node, "api")
        assert await api.status() == NodeState("ready", "", 2**40, 2**41, 0, 0)


async def test_a_keeper_starts_a_sweep_and_hears_how_it_goes() -> None:
    async with wire_world() as world:
        yard = Yard()
        node = await world.node(parts=lambda volume: NodeParts(volume, sweep=yard))
        keeper = await world.client(node, "keeper")
        assert await keeper.sweep() == SWEEP
        assert yard.steered == []
        await keeper.sweep(SweepAction("start", "quick", "source", "政务服务"))
        await keeper.sweep(SweepAction("pause", pause_s=60))
        await keeper.sweep(SweepAction("resume"))
        quick = PassOrder(PassKind.QUICK, PassScope.SOURCE, "政务服务")
        assert yard.steered == [quick, 60, "resume"]


async def test_a_node_gives_account_of_its_sweeps_in_pages_that_fit_a_header() -> None:
    async with wire_world() as world:
        node = await world.node(parts=lambda volume: NodeParts(volume, sweep=Yard()))
        keeper = await world.client(node, "keeper")
        first = await keeper.account()
        assert first == replace(ACCOUNT, cycles=ACCOUNT.cycles[:CYCLES_MAX])
        rest = await keeper.account(first.cycles[-1].number)
        assert rest == replace(ACCOUNT, cycles=ACCOUNT.cycles[CYCLES_MAX:])


async def test_a_keeper_has_a_copy_mended_and_believes_only_a_signature() -> None:
    async with wire_world() as world:
        yard = Yard()
        node = await world.node(parts=lambda volume: NodeParts(volume, mender=yard))
        keeper = await world.client(node, "keeper")
        order = MendOrder("lantai:test/case-1", 1, "ab" * 32, 3, node.peer())
        outcome = await keeper.mend(order, b"ticket", wait_s=10)
        assert outcome == MendOutcome("source-failed", None)
        payload = b"mended"
        answer = SignedAnswer(payload, node.volume.key.sign(payload))
        yard.outcome = MendOutcome("mended", answer)
        assert await keeper.mend(order, b"ticket", wait_s=10) == yard.outcome
        asked, ticket = yard.mended[0]
        assert (asked.object_id, asked.source.name, ticket) == (
            order.object_id,
            "node-1",
            b"ticket",
        )


async def test_a_node_fetches_by_ticket_and_not_without() -> None:
    async with wire_world() as world:
        yard = Yard()
        node = await world.node(parts=lambda volume: NodeParts(volume, tickets=yard))
        object_id, stream = await stored(world, node, 1000)
        target = await world.client(node, "node")
        with pytest.raises(NodeRefused) as caught:
            await target.fetch(object_id, "x", 0, MIB, b"bad ticket")
        assert caught.value.refusal_code == "ticket-refused"
        part = await target.fetch(object_id, "x", 0, 500, b"good ticket")
        assert (part.data, part.end) == (stream[:500], False)
        part = await target.fetch(object_id, "x", 500, MIB, b"good ticket")
        assert (part.data, part.end) == (stream[500:], True)
        assert yard.fetched == [("node", b"good ticket")] * 2


async def test_what_a_node_does_not_have_is_refused() -> None:
    async with wire_world() as world:
        node = await world.node()
        keeper = await world.client(node, "keeper")
        with pytest.raises(NodeRefused) as caught:
            await keeper.sweep(SweepAction("start"))
        assert caught.value.refusal_code == "not-here"
