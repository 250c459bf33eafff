"""A package that is kept, whose receipt was lost with the catalogue (catalogue-lost.md)."""

import json

from sqlalchemy import Connection, delete

from storage.catalogue.schema import answers
from tests.intake_world import IntakeWorld, send, states


def lose_the_receipt(connection: Connection) -> None:
    """As in a catalogue that was rebuilt from nodes that nobody had told of it."""
    connection.execute(delete(answers).where(answers.c.kind == "stored"))


async def test_a_package_sent_again_gets_a_new_receipt_by_what_the_nodes_signed(
    world: IntakeWorld,
) -> None:
    async with world.intake() as running:
        send(world, "case-1")
        await running.look()
        await running.settle_down()
        first = json.loads((world.returned / "case-1.stored.json").read_bytes())
        await world.catalogue.do(lose_the_receipt)
        send(world, "case-1")
        await running.look()
        await running.settle_down()
    again = json.loads((world.returned / "case-1.stored.json").read_bytes())
    assert await states(world) == ["stored", "stored"]
    assert again["copies"] == first["copies"]
    assert again["files"] == first["files"]
    assert again["receipt_id"] != first["receipt_id"]
    assert [len(node.objects) for node in world.nodes] == [1, 1, 1]
