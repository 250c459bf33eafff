"""What a peer that was let in says wrongly: refused, counted, and after eight errors cut off.

docs/wire/session.md. Random malformed messages are tests/faults/test_hostile_peers.py's.
"""

import msgspec
import pytest

from replication.messages import (
    DATA_BYTES_MAX,
    HEADER_BYTES_MAX,
    Chunk,
    Ping,
    Pong,
    Proceed,
    Refused,
)
from replication.node_client import NodeUnreachable
from replication.put_writer import to_put
from tests.conftest import WaitUntil
from tests.fault_page import record_fault
from tests.integration.raw_peer import RawPeer, greet, raw_peer, unchecked
from tests.integration.wire_world import assert_serves, package, wire_world

MIB = 2**20

MALFORMED: dict[str, list[bytes]] = {
    "empty": [b""],
    "no MessagePack": [b"\xc1\xc1\xc1"],
    "a number": [b"\x01"],
    "an unknown message": [unchecked(t="delete", object_id="x")],
    "no tag": [unchecked(sequence=1)],
    "a missing member": [unchecked(t="ping")],
    "an unknown member": [unchecked(t="ping", sequence=1, more=1)],
    "a wrong type": [unchecked(t="ping", sequence="1")],
    "a negative number": [unchecked(t="ping", sequence=-1)],
    "bytes after the header": [unchecked(t="ping", sequence=1) + b"\x01"],
    "a header over the limit": [unchecked(t="ping", sequence=1) + bytes(HEADER_BYTES_MAX)],
    "data where none belongs": [unchecked(t="ping", sequence=1), b"data"],
    "no data where some belongs": [unchecked(t="chunk", op_id="0" * 32, attempt=1, offset=0)],
    "a data frame over the limit": [
        unchecked(t="chunk", op_id="0" * 32, attempt=1, offset=0),
        bytes(DATA_BYTES_MAX + 1),
    ],
    "three frames": [unchecked(t="ping", sequence=1), b"", b""],
    "255 frames": [b"x"] * 255,
    "a path over the limit": [
        unchecked(t="read", request=1, object_id="x", path="p" * 3000, offset=0, length=1)
    ],
    "a deep nest": [b"\x91" * 4000],
    "a huge declared length": [b"\xdf\xff\xff\xff\xff"],
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_message_is_refused_and_counted_and_the_next_is_heard(case: str) -> None:
    async with wire_world() as world:
        node = await world.node()
        with raw_peer(node.peer(), world.keys["ingest"]) as peer:
            await greet(peer)
            await peer.send(*MALFORMED[case])
            message, _ = await peer.hear()
            assert isinstance(message, Refused)
            assert message.code == "message-malformed"
            await peer.say(Ping(7))
            assert (await peer.hear())[0] == Pong(7)
        assert node.service.counts.refused == {"message-malformed": 1}


async def test_a_frame_over_the_transports_limit_costs_the_connection_and_nothing_else(
    wait_until: WaitUntil,
) -> None:
    async with wire_world() as world:
        node = await world.node()
        with raw_peer(node.peer(), world.keys["ingest"]) as peer:
            await greet(peer)
            await peer.send(b"x" * 2 * MIB)
            await wait_until(
                lambda: node.authenticator.counts.admitted == 2,
                within_s=20,
                what="the peer to come again",
            )
            await greet(peer)
        assert node.service.counts.refused == {}
        await assert_serves(world, node)


async def test_after_eight_errors_a_peer_is_cut_off_and_its_key_must_wait() -> None:
    async with wire_world() as world:
        node = await world.node()
        with raw_peer(node.peer(), world.keys["ingest"]) as peer:
            await greet(peer)
            for _ in range(20):
                await peer.send(b"\xc1")
            codes = [await _refusal_code(peer) for _ in range(9)]
            assert codes == ["message-malformed"] * 8 + ["cut-off"]
            await peer.say(Ping(1))
            assert await peer.hears_nothing(0.5)
        client = await world.client(node, "ingest")
        with pytest.raises(NodeUnreachable):
            await client.wait_until_greeted(1.0)
        assert node.service.counts.cut_off == 1
        assert node.authenticator.counts.cut_off >= 1
        await assert_serves(world, node)
    record_fault("F46", observed="cut off after eight errors; others served")


async def _refusal_code(peer: RawPeer) -> str:
    message, _ = await peer.hear()
    assert isinstance(message, Refused)
    return message.code


async def test_a_writer_that_sends_beyond_its_credit_is_stopped() -> None:
    async with wire_world() as world:
        node = await world.node()
        order, _ = package(20 * MIB)
        with raw_peer(node.peer(), world.keys["ingest"]) as peer:
            await greet(peer)
            node.volume.gate.clear()
            await peer.say(msgspec.structs.replace(to_put(order), attempt=1))
            message, _ = await peer.hear()
            assert message == Proceed(order.op_id, 1, 0, 8 * MIB)
            for number in range(9):
                await peer.say(Chunk(order.op_id, 1, number * MIB), bytes(MIB))
            message, _ = await peer.hear()
            assert isinstance(message, Refused)
            assert (message.op_id, message.code) == (order.op_id, "credit-exceeded")
            node.volume.gate.set()
