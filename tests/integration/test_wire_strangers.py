"""Who is kept out, what a peer cannot do even when it is let in, and that the node outlives it."""

import asyncio
import socket
from urllib.parse import urlsplit

import msgspec
import pytest
import zmq

from replication.endpoints import CurveKeys, Handshake, TransportUnsafe
from replication.messages import (
    DATA_BYTES_MAX,
    HEADER_BYTES_MAX,
    Bytes,
    Chunk,
    Hello,
    Ping,
    Pong,
    Proceed,
    Read,
    Refused,
    Welcome,
)
from replication.node_client import NodeRefused, NodeUnreachable
from replication.put_writer import PutRefused, to_put
from replication.roles import Authority, Role, RoleTable
from replication.selftest import StrangerAdmitted, StrangerUnanswered, prove_strangers_refused
from replication.transport import NodeListener, generate_keys, try_handshake
from tests.conftest import WaitUntil
from tests.integration.raw_peer import RawPeer, raw_peer, unchecked
from tests.integration.wire_world import WireNode, World, package, wire_world

MIB = 2**20


async def greet(peer: RawPeer, role: str = "ingest") -> None:
    await peer.say(Hello(1, role))
    message, _ = await peer.hear()
    assert isinstance(message, Welcome)


async def assert_serves(world: World, node: WireNode) -> None:
    """Another peer is greeted and stores a package."""
    client = await world.client(node, "view")
    await client.wait_until_greeted(10)
    assert await client.stat("lantai:test/nothing") is None


# Strangers.


async def test_a_strangers_key_is_refused_and_counted_and_nothing_of_it_is_heard() -> None:
    async with wire_world() as world:
        node = await world.node()
        already = node.authenticator.counts.strangers
        client = await world.client(node, keys=generate_keys())
        with pytest.raises(NodeUnreachable):
            await client.wait_until_greeted(1.0)
        assert node.authenticator.counts.strangers > already
        assert node.service.counts.messages == 0
        await assert_serves(world, node)


class WithoutDomain(NodeListener):
    """CURVE as the library sets it up by itself: it asks nobody."""

    def _secure(self, keys: CurveKeys) -> None:
        self._socket.setsockopt(zmq.CURVE_SERVER, 1)
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())

    def _assert_secure(self) -> None:
        """As a version of this software would that had forgotten it."""


class EnforcedWithoutDomain(WithoutDomain):
    def _secure(self, keys: CurveKeys) -> None:
        super()._secure(keys)
        self._socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


class WithoutCurve(WithoutDomain):
    def _secure(self, keys: CurveKeys) -> None:
        """Plain TCP."""


class Unenforced(NodeListener):
    def _secure(self, keys: CurveKeys) -> None:
        super()._secure(keys)
        self._socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 0)


async def test_a_node_whose_socket_admits_strangers_refuses_to_serve() -> None:
    async with wire_world() as world:
        with pytest.raises(ExceptionGroup) as caught:
            await world.node(listener=EnforcedWithoutDomain)
        assert caught.group_contains(StrangerAdmitted)


async def test_a_node_that_admits_strangers_later_stops_serving() -> None:
    """1. A socket without enforcement. 2. The handler still refuses. 3. The handler goes."""
    async with wire_world() as world:
        node = world.unstarted_node(listener=WithoutDomain, proof_period_s=0.2)
        handler = asyncio.create_task(node.authenticator.run())
        serving = asyncio.create_task(
            node.service.run(node.wire, "tcp://127.0.0.1:*", node.keys, WithoutDomain)
        )
        await node.service.serving.wait()
        handler.cancel()
        with pytest.raises(ExceptionGroup) as caught:
            await serving
        assert caught.group_contains(StrangerAdmitted)
        assert not node.service.serving.is_set()


async def test_a_node_without_curve_proves_nothing_and_refuses_to_serve() -> None:
    async with wire_world() as world:
        with pytest.raises(ExceptionGroup) as caught:
            await world.node(listener=WithoutCurve)
        assert caught.group_contains((StrangerAdmitted, StrangerUnanswered))


async def test_a_socket_without_enforcement_is_not_even_bound() -> None:
    async with wire_world() as world:
        with pytest.raises(ExceptionGroup) as caught:
            await world.node(listener=Unenforced)
        assert caught.group_contains(TransportUnsafe, match="ZAP_ENFORCE_DOMAIN")


class Everybody(RoleTable):
    """A table that knows every key."""

    def find(self, curve_public_key: str) -> Authority:
        return Authority("anyone", Role.INGEST, curve_public_key)


async def test_a_handler_that_admits_everybody_is_found_out() -> None:
    async with wire_world() as world:
        world.roles = Everybody([])
        with pytest.raises(ExceptionGroup) as caught:
            await world.node()
        assert caught.group_contains(StrangerAdmitted)


class FailsOnce(RoleTable):
    """A table that fails at the first question after `fail` was set."""

    fail = False

    def find(self, curve_public_key: str) -> Authority | None:
        if self.fail:
            self.fail = False
            raise RuntimeError("on purpose")
        return super().find(curve_public_key)


async def test_a_handshake_on_which_the_handler_fails_is_refused_and_the_next_is_judged() -> None:
    async with wire_world() as world:
        roles = FailsOnce(
            [Authority(role, Role(role), keys.public) for role, keys in world.keys.items()]
        )
        world.roles = roles
        node = await world.node()
        roles.fail = True
        keys, endpoint = world.keys["ingest"], node.service.endpoint
        verdict = await asyncio.to_thread(try_handshake, endpoint, node.keys.public, keys, 5.0)
        assert verdict is not Handshake.ADMITTED
        assert node.authenticator.counts.errors == 1
        assert node.authenticator.counts.restarts == 0
        await assert_serves(world, node)


async def test_without_a_handler_nobody_is_let_in() -> None:
    async with wire_world() as world:
        node = await world.node()
        settled = await world.client(node)
        await settled.wait_until_greeted(10)
        supervisor = _task("zap-supervisor")
        supervisor.cancel()
        await asyncio.wait([supervisor])
        for keys in (world.keys["view"], generate_keys()):
            verdict = await asyncio.to_thread(
                try_handshake, node.service.endpoint, node.keys.public, keys, 1.5
            )
            assert verdict is not Handshake.ADMITTED
        with pytest.raises(StrangerUnanswered):
            await prove_strangers_refused(node.service.endpoint, node.keys.public, wait_s=1.0)
        order, source = package(1000)
        await settled.put(order, source)


async def test_a_handler_that_dies_is_replaced(wait_until: WaitUntil) -> None:
    async with wire_world() as world:
        node = await world.node()
        _task("zap-handler").cancel()
        await wait_until(
            lambda: node.authenticator.counts.restarts == 1, within_s=20, what="a new handler"
        )
        await assert_serves(world, node)
        await prove_strangers_refused(node.service.endpoint, node.keys.public)


def _task(name: str) -> asyncio.Task[object]:
    return next(task for task in asyncio.all_tasks() if task.get_name() == name)


async def test_a_revoked_key_is_not_heard_on_a_connection_that_stands(
    wait_until: WaitUntil,
) -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node, dead_s=1.0)
        await client.wait_until_greeted(10)
        kept = [Authority("view", Role.VIEW, world.keys["view"].public)]
        node.authenticator.replace_roles(RoleTable(kept))
        await wait_until(
            lambda: node.service.counts.nobodies > 0, within_s=20, what="the revoked key to speak"
        )
        await wait_until(
            lambda: client.counts.losses == 1, within_s=20, what="the client to notice"
        )
        assert client.counts.greetings == 1
        await assert_serves(world, node)


# Keys in other roles.


async def test_a_key_used_in_another_role_is_refused_and_counted() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node, "ingest", keys=world.keys["node"])
        with pytest.raises(NodeRefused) as caught:
            await client.wait_until_greeted(2.0)
        assert caught.value.refusal_code in {"role-not-yours", "cut-off"}
        assert node.service.counts.refused["role-not-yours"] >= 1
        await assert_serves(world, node)


async def test_a_role_that_may_not_put_is_refused_and_nothing_is_begun() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node, "view")
        order, source = package(1000)
        with pytest.raises(PutRefused) as caught:
            await client.put(order, source)
        assert caught.value.refusal_code == "role-forbids"
        assert node.volume.incoming == {}


# Malformed messages of a peer that was let in.

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


async def test_answers_beyond_every_high_water_mark_arrive_all_the_same() -> None:
    """1. A peer asks for 64 MiB and reads nothing. 2. It reads at last. 3. Nothing was dropped."""
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        order, source = package(64 * MIB)
        await client.put(order, source)
        with raw_peer(node.peer(), world.keys["view"], receive_messages_max=1) as peer:
            await greet(peer, "view")
            for number in range(60):
                await peer.say(Read(number, order.object_id, "x", number * MIB, MIB))
            assert await _greeted_client_answers(world, node)
            for _ in range(60):
                message, data = await peer.hear()
                assert isinstance(message, Bytes)
                start = message.offset
                assert data == source.stream[start : start + MIB]


async def _greeted_client_answers(world: World, node: WireNode) -> bool:
    api = await world.client(node, "api")
    return (await api.status()).state == "ready"


async def test_garbage_at_the_port_keeps_nobody_out() -> None:
    async with wire_world() as world:
        node = await world.node()
        port = urlsplit(node.service.endpoint).port
        assert port is not None
        strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        for stranger in strangers[:25]:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(10_000))
        await assert_serves(world, node)
        for stranger in strangers:
            stranger.close()
