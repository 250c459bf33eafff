"""Who is kept out, what a peer cannot do even when it is let in, and that the node outlives it."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest
import zmq

from replication.endpoints import CurveKeys, Handshake, TransportUnsafe
from replication.messages import (
    Bytes,
    Read,
)
from replication.node_client import NodeRefused, NodeUnreachable
from replication.put_writer import PutRefused
from replication.roles import Authority, Role, RoleTable
from replication.selftest import StrangerAdmitted, StrangerUnanswered, prove_strangers_refused
from replication.transport import NodeListener, generate_keys, try_handshake
from tests.conftest import WaitUntil
from tests.fault_page import record_fault
from tests.integration.raw_peer import greet, raw_peer
from tests.integration.wire_world import WireNode, World, assert_serves, package, wire_world

MIB = 2**20


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
    record_fault("F47", observed="stranger: refused, counted", figure="0 messages heard")


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
    record_fault(
        "F47", observed="a socket that admits strangers is found out, and nothing is served by it"
    )


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
    record_fault("F48", observed="nobody is let in; who was in goes on")


async def test_a_handler_that_dies_is_replaced(wait_until: WaitUntil) -> None:
    async with wire_world() as world:
        node = await world.node()
        _task("zap-handler").cancel()
        await wait_until(
            lambda: node.authenticator.counts.restarts == 1, within_s=20, what="a new handler"
        )
        await assert_serves(world, node)
        await prove_strangers_refused(node.service.endpoint, node.keys.public)
    record_fault("F48", observed="replaced; the next is let in, strangers are not")


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
    record_fault("F47", observed="revoked: not heard any more, though its connection stood")


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
    record_fault("F47", observed="wrong role: refused, counted")


async def test_a_role_that_may_not_put_is_refused_and_nothing_is_begun() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node, "view")
        order, source = package(1000)
        with pytest.raises(PutRefused) as caught:
            await client.put(order, source)
        assert caught.value.refusal_code == "role-forbids"
        assert node.volume.incoming == {}


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
    record_fault(
        "F50",
        observed="no abort; every answer arrived; others were served meanwhile",
        figure="60 MiB against a queue of 1 message",
    )


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
