"""Packages travel over real ZeroMQ with CURVE into a volume in memory."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from replication.put_writer import PutRefused, PutSource
from storage.model import SignedAnswer
from tests.conftest import WaitUntil
from tests.fault_page import record_fault
from tests.integration.tcp_proxy import TcpProxy, tcp_proxy
from tests.integration.wire_world import package, wire_world

MIB = 2**20


async def test_a_package_arrives_whole_and_is_answered_with_a_signature() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        order, source = package(3_000_000)
        written: list[int] = []
        answer = await client.put(order, source, written.append)
        assert node.volume.kept[order.object_id] == source.stream
        assert answer == node.volume.answers[order.op_id]
        assert written == sorted(written)
        assert written[-1] == order.total_bytes


async def test_the_same_put_again_gets_the_same_answer_without_sending_anything() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        order, source = package(100_000)
        first = await client.put(order, source)
        source.reads.clear()
        assert await client.put(order, source) == first
        assert source.reads == []
        assert node.volume.commits == 1


async def test_fifty_mebibytes_pass_within_the_window() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        order, source = package(50 * MIB)
        await client.put(order, source)
        assert node.volume.kept[order.object_id] == source.stream


async def test_two_hundred_small_packages_at_once_share_one_connection() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        puts = [package(20_000, f"lantai:test/case-{number}") for number in range(200)]
        await asyncio.gather(*(client.put(order, source) for order, source in puts))
        for order, source in puts:
            assert node.volume.kept[order.object_id] == source.stream
        assert node.authenticator.counts.admitted == 1


async def test_a_put_resumes_where_the_node_stands_after_the_connection_was_cut() -> None:
    """1. The connection is reset after 5 MB. 2. ZeroMQ reconnects. 3. Little is sent twice."""
    async with wire_world() as world:
        node = await world.node()
        async with tcp_proxy(node.service.endpoint) as proxy:
            client = await world.client(node, endpoint=proxy.endpoint)
            await client.wait_until_greeted(10)
            proxy.cut_after(5_000_000)
            order, source = package(20 * MIB)
            await client.put(order, source)
            assert node.volume.kept[order.object_id] == source.stream
            assert proxy.connections == 2
            assert node.service.put_counts.resumed == 1
            assert proxy.forwarded_bytes < order.total_bytes + 9 * MIB
            assert client.counts.losses == 1
    record_fault(
        "F36",
        observed="resumed where the node stood",
        figure=f"{(proxy.forwarded_bytes - order.total_bytes) / MIB:.1f} MiB of 20 more than once",
    )


async def test_whoever_takes_a_put_over_with_a_higher_epoch_goes_on_where_the_node_stands(
    wait_until: WaitUntil,
) -> None:
    """1. A writer ends in the middle. 2. Its successor resumes. 3. It is refused."""
    async with wire_world() as world:
        node = await world.node()
        order, source = package(20 * MIB)
        first = await world.client(node)
        put = asyncio.create_task(first.put(order, StallingSource(source, 5_000_000)))
        await wait_until(lambda: node.service.put_counts.received_bytes > 4_000_000, 20)
        put.cancel()
        await first.close()
        node.volume.commit_gate.clear()
        successor = await world.client(node)
        source.reads.clear()
        newer = replace(order, epoch=order.epoch + 1)
        resumed = asyncio.create_task(successor.put(newer, source))
        await wait_until(lambda: node.service.put_counts.resumed == 1, 20)
        late = await world.client(node)
        with pytest.raises(PutRefused, match="has taken over"):
            await late.put(order, source)
        node.volume.commit_gate.set()
        await resumed
        assert node.volume.kept[order.object_id] == source.stream
        assert node.volume.epochs[-1] == newer.epoch, "the volume was told, to fence off the first"


async def test_a_connection_cut_five_times_still_carries_every_byte(wait_until: WaitUntil) -> None:
    async with wire_world() as world:
        node = await world.node()
        async with tcp_proxy(node.service.endpoint) as proxy:
            client = await world.client(node, endpoint=proxy.endpoint)
            await client.wait_until_greeted(10)
            order, source = package(20 * MIB)
            put = asyncio.create_task(client.put(order, source))
            for cut in range(2, 7):
                proxy.cut_after(MIB)
                await wait_until(
                    partial(_connected_or_done, proxy, cut, put),
                    within_s=20,
                    what=f"connection {cut}",
                )
            await put
            assert node.volume.kept[order.object_id] == source.stream


async def test_a_line_that_falls_silent_is_left_and_the_put_goes_on_by_another(
    wait_until: WaitUntil,
) -> None:
    async with wire_world() as world:
        node = await world.node()
        async with tcp_proxy(node.service.endpoint) as proxy:
            client = await world.client(node, endpoint=proxy.endpoint, dead_s=2.0)
            await client.wait_until_greeted(10)
            proxy.hold()
            order, source = package(100_000)
            put = asyncio.create_task(client.put(order, source))
            await wait_until(
                lambda: client.counts.losses == 1, within_s=20, what="the silence to be noticed"
            )
            proxy.cut()
            proxy.release()
            await put
            assert node.volume.kept[order.object_id] == source.stream


async def test_a_commit_that_takes_its_time_is_waited_for_and_asked_once(
    wait_until: WaitUntil,
) -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        node.volume.commit_gate.clear()
        order, source = package(1000)
        put = asyncio.create_task(client.put(order, source))
        await wait_until(
            lambda: order.op_id in node.volume.incoming, within_s=20, what="the put to begin"
        )
        other, other_source = package(1000, "lantai:test/case-2")
        other_put = asyncio.create_task(client.put(other, other_source))
        await wait_until(
            lambda: other.op_id in node.volume.incoming, within_s=20, what="the other put to begin"
        )
        node.volume.commit_gate.set()
        await asyncio.gather(put, other_put)
        assert node.volume.commits == 2


async def test_a_commit_outlives_its_connection_and_is_answered_on_the_next(
    wait_until: WaitUntil,
) -> None:
    async with wire_world() as world:
        node = await world.node()
        async with tcp_proxy(node.service.endpoint) as proxy:
            client = await world.client(node, endpoint=proxy.endpoint)
            node.volume.commit_gate.clear()
            order, source = package(1000)
            put = asyncio.create_task(client.put(order, source))
            await wait_until(
                lambda: node.service.put_counts.received_bytes >= 1000,
                within_s=20,
                what="all bytes",
            )
            proxy.cut()
            await wait_until(
                lambda: node.service.put_counts.resumed == 1,
                within_s=20,
                what="the put to be said again",
            )
            node.volume.commit_gate.set()
            assert await put == node.volume.answers[order.op_id]
            assert node.volume.commits == 1


async def test_a_full_node_refuses_and_says_that_it_may_be_asked_later() -> None:
    async with wire_world() as world:
        node = await world.node()
        node.volume.full = True
        client = await world.client(node)
        order, source = package(1000)
        with pytest.raises(PutRefused, match="no room") as caught:
            await client.put(order, source)
        assert (caught.value.refusal_code, caught.value.retry) == ("full", True)


async def test_an_operation_with_other_lengths_is_a_conflict() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        order, source = package(1000)
        await client.put(order, source)
        other, other_source = package(2000)
        changed = replace(other, op_id=order.op_id)
        with pytest.raises(PutRefused) as caught:
            await client.put(changed, other_source)
        assert (caught.value.refusal_code, caught.value.retry) == ("op-conflict", False)


async def test_a_client_that_is_closed_tells_whoever_waits_for_a_put(wait_until: WaitUntil) -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        node.volume.commit_gate.clear()
        order, source = package(1000)
        put = asyncio.create_task(client.put(order, source))
        await wait_until(
            lambda: node.service.put_counts.received_bytes >= 1000, within_s=20, what="all bytes"
        )
        await client.close()
        with pytest.raises(PutRefused) as caught:
            await put
        assert (caught.value.refusal_code, caught.value.retry) == ("client-closed", True)


async def test_a_slow_node_does_not_hold_up_the_other_nor_its_own_heartbeats(
    wait_until: WaitUntil,
) -> None:
    """1. The first node's disk hangs. 2. The second takes its copy. 3. The first still answers."""
    async with wire_world() as world:
        slow, quick = await world.node("node-1"), await world.node("node-2")
        to_slow, to_quick = await world.client(slow), await world.client(quick)
        slow.volume.gate.clear()
        order, source = package(20 * MIB)
        slow_put = asyncio.create_task(to_slow.put(order, source))
        await to_quick.put(order, source)
        assert not slow_put.done()
        before = slow.service.counts.messages
        await wait_until(
            lambda: slow.service.counts.messages >= before + 3,
            within_s=20,
            what="three more heartbeats",
        )
        assert (await to_slow.stat("lantai:test/nothing")) is None
        assert to_slow.counts.losses == 0
        slow.volume.gate.set()
        await slow_put
        assert slow.volume.kept[order.object_id] == source.stream
    record_fault(
        "F43",
        observed="heartbeats and questions answered while the disk hung; the other node was done",
    )


async def test_credit_bounds_what_a_hanging_disk_makes_the_node_hold(wait_until: WaitUntil) -> None:
    async with wire_world() as world:
        node = await world.node()
        async with tcp_proxy(node.service.endpoint) as proxy:
            client = await world.client(node, endpoint=proxy.endpoint)
            await client.wait_until_greeted(10)
            node.volume.gate.clear()
            order, source = package(64 * MIB)
            put = asyncio.create_task(client.put(order, source))
            await wait_until(
                lambda: proxy.forwarded_bytes > 8 * MIB, within_s=20, what="the window to be used"
            )
            before = node.service.counts.messages
            await wait_until(
                lambda: node.service.counts.messages >= before + 2,
                within_s=20,
                what="two heartbeats",
            )
            assert proxy.forwarded_bytes < 9 * MIB
            node.volume.gate.set()
            await put
    record_fault(
        "F41",
        observed="a hanging disk makes the sender wait: no more than the window is under way",
        figure="under 9 MiB of 64",
    )


def _connected_or_done(proxy: TcpProxy, count: int, put: asyncio.Task[SignedAnswer]) -> bool:
    return proxy.connections >= count or put.done()


class StallingSource:
    """Gives what `source` gives up to `limit`, and then nothing any more."""

    def __init__(self, source: PutSource, limit: int) -> None:
        self._source = source
        self._limit = limit

    async def read(self, offset: int, length: int) -> bytes:
        if offset >= self._limit:
            await asyncio.Event().wait()
        return await self._source.read(offset, length)
