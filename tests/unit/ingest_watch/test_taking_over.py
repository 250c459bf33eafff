"""What an intake finds of an earlier one's, and what it believes of it."""

import shutil

from ingest_watch.leftovers import clear_leftovers
from storage.catalogue import transfers
from storage.catalogue.model import Tenure
from tests.conftest import WaitUntil
from tests.intake_world import HOLDER, SOURCE, IntakeWorld, now, send, states

LONG_AGO = "2026-11-22T00:00:00.000000Z"


async def test_what_was_accepted_is_stored_from_the_staged_copy_when_the_original_has_gone(
    world: IntakeWorld,
    wait_until: WaitUntil,
) -> None:
    """Received; then the intake dies, a node is away, and the sender deletes too early."""
    send(world, "case-1")
    world.nodes[2].reachable.clear()
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: world.nodes[0].objects and world.nodes[1].objects)
    shutil.rmtree(world.drop / "case-1")
    world.nodes[2].reachable.set()
    async with world.intake() as running:
        await running.settle_down()
    assert await states(world) == ["stored"]
    assert world.answers("case-1") == {"received", "stored"}
    assert len({tuple(node.objects.values()) for node in world.nodes}) == 1


async def test_a_staged_copy_that_lost_bytes_is_not_believed(
    world: IntakeWorld, wait_until: WaitUntil
) -> None:
    """A power cut may keep a file's name and size and lose its bytes."""
    send(world, "case-1")
    world.nodes[2].reachable.clear()
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: world.nodes[0].objects and world.nodes[1].objects)
    (staged,) = world.staging.glob("*/content/received/data/1.txt")
    staged.chmod(0o600)
    staged.write_bytes(bytes(staged.stat().st_size))
    world.nodes[2].reachable.set()
    async with world.intake() as running:
        await running.settle_down()
    assert await states(world) == ["stored"]
    assert len({tuple(node.objects.values()) for node in world.nodes}) == 1


async def test_a_look_for_abandoned_work_leaves_alone_what_this_process_has_just_claimed(
    world: IntakeWorld,
) -> None:
    """The claim is in the catalogue a moment before its worker knows that it got it."""
    send(world, "case-1")
    async with world.intake(at_once=0) as running:
        await running.look()
        arrival = (await running.intake.look(SOURCE)).ready[0].arrival
        tenure = Tenure(HOLDER, "9999-12-31T00:00:00.000000Z")
        claimed = await world.catalogue.do(transfers.claim, arrival, tenure, now())
        assert claimed is not None
        assert await running.intake.resume() == 0
    (transfer,) = await world.transfers()
    assert transfer.claim_epoch == claimed.claim_epoch


async def test_what_another_process_let_expire_is_taken_over(world: IntakeWorld) -> None:
    send(world, "case-1")
    async with world.intake(at_once=0) as running:
        await running.look()
        arrival = (await running.intake.look(SOURCE)).ready[0].arrival
        tenure = Tenure("ingest@there", LONG_AGO)
        assert await world.catalogue.do(transfers.claim, arrival, tenure, LONG_AGO)
        assert await running.intake.resume() == 1


async def test_leftovers_of_finished_transfers_are_cleared_and_no_others(
    world: IntakeWorld,
    wait_until: WaitUntil,
) -> None:
    send(world, "case-1")
    world.nodes[2].reachable.clear()
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: world.nodes[0].objects and world.nodes[1].objects)
    for name in ("7", "4711", ".sources", "²"):
        (world.staging / name).mkdir()
    assert await clear_leftovers(world.staging, world.catalogue) == 2
    assert sorted(path.name for path in world.staging.iterdir()) == [".sources", "1", "²"]
