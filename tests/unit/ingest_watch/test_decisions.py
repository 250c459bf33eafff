"""What a person decides, and what becomes of it (ingest_watch/decisions.py)."""

import shutil

import pytest

from ingest_watch.answers import Reason, read_answer
from ingest_watch.preparation import Changed, Job, NoRoom, Preparation, Undecided
from ingest_watch.prepare import prepare
from storage.catalogue.errors import IllegalTransition
from storage.catalogue.model import Actor, TransferState
from tests.intake_world import IntakeWorld, send, states

PERSON = Actor("wang", "control socket")
NO_MEANS = Reason("check-could-not-run", None, "no means to check", "无法检测")


async def test_a_twin_of_a_package_that_nobody_works_on_gives_its_place_back(
    world: IntakeWorld,
) -> None:
    """Its transfer failed in the middle of writing; waiting for it would block the intake."""
    send(world, "case-1")
    world.nodes[0].lie = {"verify_mode": "unproven"}
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        assert await states(world) == ["failed"], "the notary refuses an unproven copy"
        shutil.copytree(world.drop / "case-1", world.folder / "twin")
        shutil.make_archive(str(world.folder / "case-1"), "tar", world.folder / "twin")
        (world.folder / "case-1.tar").rename(world.drop / "case-1.tar")
        await running.look()
        await running.settle_down()
        assert await states(world) == ["failed", "failed"]
        world.nodes[0].lie = {}
        for number in (1, 2):
            await running.decisions.retry(number, "the node was mended", PERSON)
            await running.intake.resume()
            await running.look()
            await running.settle_down()
    assert await states(world) == ["stored", "stored"]


async def test_a_failed_transfer_that_nodes_have_heard_of_is_finished_and_not_begun_anew(
    world: IntakeWorld,
) -> None:
    send(world, "case-1")
    world.nodes[0].lie = {"verify_mode": "unproven"}
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        with pytest.raises(IllegalTransition):
            await running.decisions.reject(1, "away with it", PERSON)
        shutil.rmtree(world.drop / "case-1")
        world.nodes[0].lie = {}
        retried = await running.decisions.retry(1, "the node was mended", PERSON)
        assert retried.state is TransferState.WRITING
        await running.intake.resume()
        await running.settle_down()
    assert await states(world) == ["stored"]


async def held(world: IntakeWorld) -> None:
    send(world, "case-1")
    world.prepare = _held_by_a_check
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert await states(world) == ["held"]
    assert world.answers("case-1") == {"held"}
    assert list(world.staging.iterdir()) == []


def _held_by_a_check(job: Job) -> Preparation:
    judged = prepare(job)
    assert not isinstance(judged, Changed | NoRoom)
    return Undecided(judged.facts, judged.checks, (NO_MEANS,))


async def test_a_released_package_is_received_and_stored(world: IntakeWorld) -> None:
    await held(world)
    async with world.intake() as running:
        await running.decisions.release(1, "checked by hand", PERSON)
        await running.intake.resume()
        await running.settle_down()
    assert await states(world) == ["stored"]
    assert world.answers("case-1") == {"held", "received", "stored"}


async def test_a_package_that_a_person_sends_back_is_answered_and_may_be_mended(
    world: IntakeWorld,
) -> None:
    await held(world)
    async with world.intake() as running:
        await running.decisions.reject(1, "不属本馆接收范围", PERSON)
        await running.settle_down()
        answer = read_answer((world.returned / "case-1.rejected.json").read_bytes())
        assert [reason.message for reason in answer.reasons or []] == ["不属本馆接收范围"]
        assert answer.checks, "the sender is told what was checked"
        world.prepare = prepare
        (world.drop / "case-1/data/1.txt").write_bytes(b"page one")
        await running.look(3)
        await running.settle_down()
    assert await states(world) == ["rejected", "stored"]
