"""An intake from drop folder to receipt, with everything going wrong that a site can bring.

Real folders, catalogue, notary and checks (tests/intake_world.py); only the nodes are the tests'.
"""

import shutil
import threading
from pathlib import Path

import pytest

from ingest_watch.answers import read_answer
from ingest_watch.preparation import Changed, Job, NoRoom, Preparation
from ingest_watch.prepare import prepare
from ingest_watch.settle import CompleteWhen
from storage.signing import SigningKey
from tests.bags import bag_files, write_files
from tests.conftest import WaitUntil
from tests.intake_world import SOURCE, IntakeWorld, has, intake_world, send, states


async def test_a_package_is_stored_answered_and_moved_aside(world: IntakeWorld) -> None:
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert await states(world) == ["stored"]
    assert world.answers("case-1") == {"received", "stored"}
    assert list(world.drop.iterdir()) == []
    assert (world.accepted / "case-1/data/1.txt").exists()
    assert list(world.staging.iterdir()) == []
    assert [len(node.objects) for node in world.nodes] == [1, 1, 1]


async def test_a_rejected_package_leaves_no_staged_copy(world: IntakeWorld) -> None:
    send(world, "case-1")
    (world.drop / "case-1/data/1.txt").write_bytes(b"other")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert await states(world) == ["rejected"]
    assert list(world.staging.iterdir()) == []
    assert (world.drop / "case-1").exists()


async def test_a_rejected_package_mended_in_place_is_judged_again_and_stored(
    world: IntakeWorld,
) -> None:
    send(world, "case-1")
    (world.drop / "case-1/data/1.txt").write_bytes(b"other")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        await running.look()
        assert await states(world) == ["rejected"], "what has not changed is not judged again"
        (world.drop / "case-1/data/1.txt").write_bytes(b"page one")
        await running.look(3)
        await running.settle_down()
    assert await states(world) == ["rejected", "stored"]


async def test_a_rejected_package_that_is_taken_away_is_closed(world: IntakeWorld) -> None:
    send(world, "case-1")
    (world.drop / "case-1/data/1.txt").unlink()
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        shutil.rmtree(world.drop / "case-1")
        await running.look(1)
    (transfer,) = await world.transfers()
    assert transfer.closed_at is not None


async def test_one_package_under_two_names_is_one_object_with_one_receipt(
    world: IntakeWorld,
) -> None:
    """A folder and a tar of the same bag, at once."""
    folder = send(world, "case-1")
    shutil.make_archive(str(world.folder / "case-1"), "tar", folder)
    (world.folder / "case-1.tar").rename(world.drop / "case-1.tar")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert await states(world) == ["stored", "stored"]
    first, second = (
        (world.returned / f"{name}.stored.json").read_bytes() for name in ("case-1", "case-1.tar")
    )
    assert first == second
    assert [len(node.objects) for node in world.nodes] == [1, 1, 1]
    assert sorted(path.name for path in world.accepted.iterdir()) == ["case-1", "case-1.tar"]


async def test_an_identifier_that_stands_for_other_bytes_is_refused_even_when_both_come_at_once(
    world: IntakeWorld,
) -> None:
    send(world, "case-1")
    other = write_files(world.folder / "other", bag_files({"data/1.txt": b"something else"}))
    shutil.make_archive(str(world.folder / "case-1"), "tar", other)
    (world.folder / "case-1.tar").rename(world.drop / "case-1.tar")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert sorted(await states(world)) == ["rejected", "stored"]
    (refused,) = world.returned.glob("*.rejected.json")
    (reason,) = read_answer(refused.read_bytes()).reasons or []
    assert reason.code == "identifier-taken"
    assert [len(node.objects) for node in world.nodes] == [1, 1, 1]
    assert list(world.staging.iterdir()) == []


async def test_a_half_copied_bag_waits_and_is_stored_once_it_is_complete(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    async with intake_world(tmp_path, wait_until, CompleteWhen.PROVEN) as world:
        send(world, "case-1")
        (world.drop / "case-1/data/1.txt").unlink()
        async with world.intake() as running:
            await running.look()
            await running.settle_down()
            assert await states(world) == ["waiting"]
            assert list(world.returned.iterdir()) == []
            assert list(world.staging.iterdir()) == []
            (world.drop / "case-1/data/1.txt").write_bytes(b"page one")
            await running.look(3)
            await running.settle_down()
        assert await states(world) == ["stored"]


async def test_what_is_never_completed_is_rejected_when_patience_is_over(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    async with intake_world(tmp_path, wait_until, CompleteWhen.PROVEN) as world:
        send(world, "case-1")
        (world.drop / "case-1/data/1.txt").unlink()
        async with world.intake() as running:
            await running.look()
            await running.settle_down()
            world.now_s += world.rule.patience_s
            await running.look(1)
            await running.settle_down()
        assert await states(world) == ["rejected"]


async def test_a_marked_package_is_taken_at_once_and_its_marker_goes_with_it(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    async with intake_world(tmp_path, wait_until, CompleteWhen.MARKER) as world:
        send(world, "case-1")
        async with world.intake() as running:
            await running.look(1)
            assert await states(world) == ["waiting"]
            (world.drop / "case-1.done").touch()
            await running.look(1)
            await running.settle_down()
        assert await states(world) == ["stored"]
        assert list(world.drop.iterdir()) == []


@pytest.mark.parametrize("obstacle", [NoRoom("staging is full"), Changed("the share went away")])
async def test_a_passing_obstacle_delays_a_package_until_the_next_look_and_no_longer(
    world: IntakeWorld, obstacle: Preparation
) -> None:
    """Not until it changes, and not for the source's patience of a day."""
    send(world, "case-1")
    world.prepare = lambda _job: obstacle
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        assert await states(world) == ["waiting"]
        world.prepare = prepare
        await running.look(1)
        await running.settle_down()
    assert await states(world) == ["stored"]


async def test_no_receipt_leaves_while_a_node_is_away_and_one_does_when_it_is_back(
    world: IntakeWorld,
    wait_until: WaitUntil,
) -> None:
    send(world, "case-1")
    world.nodes[1].reachable.clear()
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: world.nodes[0].objects and world.nodes[2].objects)
        await running.delivery.round()
        assert world.answers("case-1") == {"received"}
        assert (world.drop / "case-1").exists()
        world.nodes[1].reachable.set()
        await running.settle_down()
    assert world.answers("case-1") == {"received", "stored"}


@pytest.mark.parametrize(
    "lie",
    [
        {"inventory_sha256": "0" * 64},
        {"object_id": "lantai:portal/another"},
        {"version": 2},
        {"file_count": 0},
        {"node": "node-1"},
        {"verify_mode": "trust-me"},
        {"format": "lantai.node-answer.v2"},
        {"surprise": True},
    ],
    ids=lambda lie: next(iter(lie)),
)
async def test_a_node_that_signs_something_else_gets_no_receipt_and_is_asked_again(
    world: IntakeWorld, wait_until: WaitUntil, lie: dict[str, object]
) -> None:
    send(world, "case-1")
    liar = world.nodes[1]
    liar.lie = lie
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: liar.puts >= 2)
        assert await states(world) == ["writing"]
        liar.lie = {}
        await running.settle_down()
    assert await states(world) == ["stored"]


async def test_a_node_with_another_key_gets_no_receipt(
    world: IntakeWorld, wait_until: WaitUntil
) -> None:
    send(world, "case-1")
    impostor = world.nodes[1]
    right, wrong = impostor.key, SigningKey.generate()
    async with world.intake() as running:
        impostor.key = wrong
        await running.look()
        await wait_until(lambda: impostor.puts >= 2)
        assert await states(world) == ["writing"]
        impostor.key = right
        await running.settle_down()
    assert await states(world) == ["stored"]


async def test_a_notary_that_is_away_delays_answers_and_loses_none(
    world: IntakeWorld, wait_until: WaitUntil
) -> None:
    send(world, "case-1")
    await world.notary.leave()
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: has(world, "judging", "staging"))
        await world.notary.arrive()
        await running.settle_down()
    assert world.answers("case-1") == {"received", "stored"}


async def test_a_drop_folder_that_vanishes_and_comes_back_loses_nothing(
    world: IntakeWorld,
) -> None:
    send(world, "case-1")
    async with world.intake() as running:
        await running.look(1)
        world.drop.rename(world.folder / "unmounted")
        outcome = await running.intake.look(SOURCE)
        assert outcome.unavailable
        (world.folder / "unmounted").rename(world.drop)
        await running.look(3)
        await running.settle_down()
    assert await states(world) == ["stored"]


async def test_what_changes_while_it_waits_for_its_turn_goes_back_to_waiting(
    world: IntakeWorld, wait_until: WaitUntil
) -> None:
    """1. one place is taken 2. the next is settled and changes 3. its turn comes."""
    is_over = threading.Event()

    def prepare_slowly(job: Job) -> Preparation:
        if job.name == "case-1":
            assert is_over.wait(30)
        return prepare(job)

    world.prepare = prepare_slowly
    send(world, "case-1")
    send(world, "case-2")
    async with world.intake(at_once=1) as running:
        await running.look()
        await wait_until(lambda: has(world, "staging"))
        (world.drop / "case-2/data/1.txt").write_bytes(b"page o")
        is_over.set()
        await running.settle_down()
        assert await states(world) == ["stored", "waiting"]
        (world.drop / "case-2/data/1.txt").write_bytes(b"page one")
        await running.look(3)
        await running.settle_down()
    assert await states(world) == ["stored", "stored"]
