"""An intake from drop folder to receipt, with everything going wrong that a site can bring.

Real folders, catalogue, notary and checks (tests/intake_world.py); only the nodes are the tests'.
"""

import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from ingest_watch.answers import Reason, read_answer
from ingest_watch.leftovers import clear_leftovers
from ingest_watch.prepare import Changed, Job, NoRoom, Preparation, Undecided, prepare
from ingest_watch.settle import CompleteWhen
from storage.catalogue import answers, transfers
from storage.catalogue.errors import IllegalTransition
from storage.catalogue.model import Actor, AnswerKind, Tenure, TransferState
from storage.signing import SigningKey
from tests.bags import bag_files, write_files
from tests.intake_world import HOLDER, SOURCE, IntakeWorld, intake_world, now

WaitUntil = Callable[..., Awaitable[None]]
PERSON = Actor("wang", "control socket")
NO_MEANS = Reason("check-could-not-run", None, "no means to check", "无法检测")
LONG_AGO = "2026-11-22T00:00:00.000000Z"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[IntakeWorld]:
    async with intake_world(tmp_path) as made:
        yield made


def send(world: IntakeWorld, name: str, content: bytes = b"page one") -> Path:
    return write_files(world.drop / name, bag_files({"data/1.txt": content}))


async def states(world: IntakeWorld) -> list[str]:
    return [transfer.state.value for transfer in await world.transfers()]


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


async def test_a_half_copied_bag_waits_and_is_stored_once_it_is_complete(tmp_path: Path) -> None:
    async with intake_world(tmp_path, CompleteWhen.PROVEN) as world:
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


async def test_what_is_never_completed_is_rejected_when_patience_is_over(tmp_path: Path) -> None:
    async with intake_world(tmp_path, CompleteWhen.PROVEN) as world:
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
    tmp_path: Path,
) -> None:
    async with intake_world(tmp_path, CompleteWhen.MARKER) as world:
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


async def test_a_look_for_abandoned_work_leaves_alone_what_this_process_has_just_claimed(
    world: IntakeWorld,
) -> None:
    """The claim is in the catalogue a moment before its worker knows that it got it."""
    send(world, "case-1")
    async with world.intake(at_once=0) as running:
        await running.look()
        arrival = running.intake._ready[SOURCE][0].arrival
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
        arrival = running.intake._ready[SOURCE][0].arrival
        tenure = Tenure("ingest@there", LONG_AGO)
        assert await world.catalogue.do(transfers.claim, arrival, tenure, LONG_AGO)
        assert await running.intake.resume() == 1


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


async def test_answers_are_kept_for_a_return_folder_that_cannot_be_written(
    world: IntakeWorld,
) -> None:
    send(world, "case-1")
    world.returned.rename(world.folder / "away")
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
        assert (world.drop / "case-1").exists(), "nothing is touched before the receipt is there"
        (world.folder / "away").rename(world.returned)
        await running.delivery.round()
    assert world.answers("case-1") == {"received", "stored"}
    assert list(world.drop.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["n" * 255, "档" * 85, "x" * 240 + ".tar.gz", "卷\x1b" * 60], ids=lambda _name: "long"
)
async def test_an_answer_to_the_longest_names_is_delivered(world: IntakeWorld, name: str) -> None:
    send(world, name)
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    (body,) = world.returned.glob("*.rejected.json")
    answer = read_answer(body.read_bytes())
    assert hashlib.sha256(answer.name.encode()).hexdigest()[:16] in body.name
    given = await world.catalogue.look(answers.find, 1, AnswerKind.REJECTED)
    assert given is not None
    assert (world.returned / f"{body.name}.sig").read_bytes() == given.signature


async def test_an_answer_that_cannot_be_written_is_in_no_other_package_s_way(
    world: IntakeWorld,
) -> None:
    """The sender has made a folder where its receipt belongs."""
    (world.returned / "case-1.received.json.sig/in the way").mkdir(parents=True)
    for name in ("case-1", "case-2"):
        send(world, name, name.encode())
    async with world.intake() as running:
        await running.look()
        await running.settle_down()
    assert world.answers("case-2") == {"received", "stored"}
    assert [path.name for path in world.drop.iterdir()] == ["case-1"]


async def test_what_came_under_a_stored_package_s_name_is_judged_and_not_moved_for_it(
    world: IntakeWorld,
    wait_until: WaitUntil,
) -> None:
    """The intake died after the original was moved; its sender has sent the next one already."""
    send(world, "case-1")
    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: has(world, "stored"))
        shutil.rmtree(world.drop / "case-1")
        send(world, "case-1", b"another page")
        await running.delivery.round()
        assert (world.drop / "case-1/data/1.txt").read_bytes() == b"another page"
        await running.look(3)
        await running.settle_down()
    assert await states(world) == ["stored", "rejected"]


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


async def has(world: IntakeWorld, *wanted: str) -> bool:
    return any(state in wanted for state in await states(world))
