"""Packages travel over real ZeroMQ with CURVE into a volume in memory."""

from tests.integration.wire_world import package, wire_world


async def test_a_package_arrives_whole_and_is_answered_with_a_signature() -> None:
    async with wire_world() as world:
        node = await world.node()
        client = await world.client(node)
        order, source = package(3_000_000)
        answer = await client.put(order, source)
        assert node.volume.kept[order.object_id] == source.stream
        assert answer == node.volume.answers[order.op_id]
