"""A batch of cases: judged as one, stored as many, answered for each and for the whole.

Real folders, catalogue, notary and checks (tests/intake_world.py); only the nodes are the tests'.
"""

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from ingest_watch.answers import Answer, all_files, read_answer
from ingest_watch.check_profile import read_profile
from ingest_watch.preparation import Profile
from storage.catalogue.errors import IllegalTransition
from storage.catalogue.model import Actor, Transfer
from storage.catalogue.transitions import DECIDED
from tests.bags import write_files
from tests.case_packages import BASE_INFO, Batch, base_info, case_files, case_zip
from tests.conftest import WaitUntil
from tests.intake_world import IntakeWorld, RunningIntake, intake_world

# No format is identified here: the process that does so belongs to the role.
CHECKS = """
title = "batches and cases"
title_zh = "批次与办件"
formats = ["case-batch", "case"]
checks = { "1-1" = {}, "1-13" = {}, "2-1" = {}, "2-11" = {}, "3-1" = {}, "4-3" = {} }
"""


@pytest.fixture
async def world(tmp_path: Path, wait_until: WaitUntil) -> AsyncIterator[IntakeWorld]:
    async with intake_world(tmp_path, wait_until) as made:
        made.profile = Profile(("case-batch",), "name", checks=read_profile(CHECKS, "test"))
        yield made


def send(world: IntakeWorld, batch: Batch) -> Path:
    return write_files(world.drop / "batch-1", batch.files())


async def ended(world: IntakeWorld) -> bool:
    transfers = await world.transfers()
    return bool(transfers) and all(each.state in DECIDED for each in transfers)


async def take_in(world: IntakeWorld, running: RunningIntake) -> None:
    """Look at the folder, and lead whatever there is to its end, as the role does."""
    await running.look()
    while not await ended(world):
        await running.intake.resume()
        await running.settle_down()
    await running.delivery.round()


async def by_name(world: IntakeWorld) -> dict[str, Transfer]:
    return {transfer.name: transfer for transfer in await world.transfers()}


def answer(world: IntakeWorld, name: str, kind: str) -> Answer:
    return read_answer((world.returned / f"{name}.{kind}.json").read_bytes())


async def test_each_case_of_a_batch_is_an_object_and_the_batch_is_stored_last(
    world: IntakeWorld,
) -> None:
    batch = Batch(3)
    send(world, batch)
    async with world.intake() as running:
        await take_in(world, running)
    transfers = await by_name(world)
    assert {each.state.value for each in transfers.values()} == {"stored"}
    assert sorted(transfers) == ["batch-1", *(f"batch-1/{name}" for name in sorted(batch.zips))]
    for node in world.nodes:
        wanted = {"batch-1", *(name.removesuffix(".zip") for name in batch.zips)}
        assert set(node.objects) == {f"lantai:portal/{identifier}" for identifier in wanted}
    for name in batch.zips:
        assert answer(world, f"batch-1/{name}", "stored").copies
    parts = answer(world, "batch-1", "stored").parts
    assert parts is not None
    assert {(part.name, part.outcome) for part in parts} == {
        (name, "stored") for name in batch.zips
    }
    assert (world.accepted / "batch-1" / batch.name).exists()
    assert list(world.drop.iterdir()) == []
    assert list(world.staging.iterdir()) == []


async def test_the_object_of_a_batch_lists_its_parts_and_does_not_hold_them(
    world: IntakeWorld,
) -> None:
    batch = Batch(2)
    send(world, batch)
    async with world.intake() as running:
        await take_in(world, running)
    stored = answer(world, "batch-1", "stored")
    paths = [file.path for file in all_files(stored)]
    assert paths == [f"received/{batch.name}"]
    kept = world.nodes[0].objects["lantai:portal/batch-1"]
    for name in batch.zips:
        assert msgspec.json.encode(name)[1:-1] in kept
        assert batch.zips[name] not in kept


async def test_a_case_that_fails_is_rejected_alone_and_the_batch_says_so(
    world: IntakeWorld,
) -> None:
    batch = Batch(2)
    name = min(batch.zips)
    content = case_zip(case_files({BASE_INFO: base_info(total_number="99")}))
    spoil(batch, name, content)
    send(world, batch)
    async with world.intake() as running:
        await take_in(world, running)
    transfers = await by_name(world)
    assert transfers[f"batch-1/{name}"].state.value == "rejected"
    assert transfers["batch-1"].state.value == "stored"
    assert answer(world, f"batch-1/{name}", "rejected").reasons
    parts = answer(world, "batch-1", "stored").parts
    assert parts is not None
    outcomes = {part.name: part.outcome for part in parts}
    assert outcomes == {each: "rejected" if each == name else "stored" for each in batch.zips}


async def test_the_parts_of_a_batch_wait_for_the_form_of_the_whole(world: IntakeWorld) -> None:
    batch = Batch(3)
    name = min(batch.zips)
    spoil(batch, name, case_zip(case_files({BASE_INFO: base_info(total_number="99")})))
    send(world, batch)
    world.awaits_registration = True
    person, waits = Actor("wang", "control socket"), "awaiting-registration"
    async with world.intake() as running:
        await take_in(world, running)
        transfers = await by_name(world)
        states = sorted(each.state.value for each in transfers.values())
        assert states == [waits] * 3 + ["rejected"]
        told = sorted(path.name for path in (world.returned / "batch-1").glob("*.json"))
        assert [each for each in told if not each.endswith(".received.json")] == [
            f"{name}.rejected.json"
        ], "what is sent back is told at once"
        parts = answer(world, "batch-1", "registration").parts
        assert sorted(part.outcome for part in parts or []) == ["rejected", "stored", "stored"]
        part = transfers[f"batch-1/{max(batch.zips)}"]
        with pytest.raises(IllegalTransition, match="as a whole: register 1"):
            await running.decisions.register(part.id, "out of turn", person)
        assert (world.drop / "batch-1").exists()
        await running.decisions.register(1, "登记表 2026-17", person)
        await running.settle_down()
    assert answer(world, "batch-1", "stored").custody == "registration"
    assert len(list((world.returned / "batch-1").glob("*.stored.json"))) == 2
    assert (world.accepted / "batch-1").exists()
    assert list(world.staging.iterdir()) == []


def spoil(batch: Batch, name: str, content: bytes) -> None:
    """Put another case into a batch whose directory agrees with it."""
    batch.zips[name] = content
    for row in batch.directories:
        if f"{row['documentNumber']}.zip" == name:
            row["digitalSummary"] = hashlib.sha256(content).hexdigest()
            row["归档信息包字节数"] = str(len(content))


async def test_a_batch_whose_directory_and_files_disagree_is_rejected_whole(
    world: IntakeWorld,
) -> None:
    batch = Batch(3)
    del batch.zips[min(batch.zips)]
    send(world, batch)
    async with world.intake() as running:
        await take_in(world, running)
    assert {name: each.state.value for name, each in (await by_name(world)).items()} == {
        "batch-1": "rejected"
    }
    assert [len(node.objects) for node in world.nodes] == [0, 0, 0]


async def divided(world: IntakeWorld, running: RunningIntake) -> Transfer:
    """The batch, once it rests and none of its parts has been taken."""
    await running.look()
    await world.wait_until(lambda: running.intake.is_idle, 30, "a divided batch")
    (batch,) = [each for each in await world.transfers() if each.batch_id is None]
    assert batch.state.value == "divided"
    return batch


async def die_with_two_cases_on_their_way(world: IntakeWorld) -> None:
    """Two are being written, which is as many as have a place, and nothing is being prepared.

    No node is heard meanwhile; afterwards all are.
    """

    async def are_written() -> bool:
        found = [each.state.value for each in await world.transfers()]
        return found.count("writing") == 2

    for node in world.nodes:
        node.reachable.clear()
    async with world.intake(at_once=2) as running:
        await divided(world, running)
        await running.intake.resume()
        await world.wait_until(are_written, 30, "two cases on their way")
    for node in world.nodes:
        node.reachable.set()


async def test_an_intake_that_dies_between_two_cases_is_gone_on_with_by_the_next(
    world: IntakeWorld,
) -> None:
    batch = Batch(3)
    send(world, batch)
    await die_with_two_cases_on_their_way(world)
    async with world.intake() as running:
        await take_in(world, running)
    assert {each.state.value for each in (await by_name(world)).values()} == {"stored"}
    assert [len(node.objects) for node in world.nodes] == [4, 4, 4]


async def test_a_batch_whose_staged_copy_is_lost_is_opened_again_from_the_original(
    world: IntakeWorld,
) -> None:
    batch = Batch(2)
    send(world, batch)
    async with world.intake() as running:
        shutil.rmtree(world.staging / str((await divided(world, running)).id))
        await take_in(world, running)
    assert {each.state.value for each in (await by_name(world)).values()} == {"stored"}
    assert [len(node.objects) for node in world.nodes] == [3, 3, 3]


def tear(folder: Path, left_bytes: int) -> None:
    """As a power cut leaves files that were never synced: their names stay, not all their bytes."""
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            content = file.read_bytes()
            file.write_bytes(content[:left_bytes] + b"\0" * (len(content) - left_bytes))


@pytest.mark.parametrize("left_bytes", [0, 64])
async def test_cases_whose_staged_copy_a_power_cut_tore_are_not_rejected_for_it(
    world: IntakeWorld, left_bytes: int
) -> None:
    send(world, Batch(2))
    async with world.intake() as running:
        tear(world.staging / str((await divided(world, running)).id), left_bytes)
        await take_in(world, running)
    assert {each.state.value for each in (await by_name(world)).values()} == {"stored"}
    assert [len(node.objects) for node in world.nodes] == [3, 3, 3]


@pytest.mark.parametrize("left_bytes", [0, 64])
async def test_cases_that_were_being_stored_when_the_power_cut_tore_everything_are_stored(
    world: IntakeWorld, left_bytes: int
) -> None:
    """Each waits for its batch to be opened again, and then until its claim has run out."""
    world.claim_s = 1.0
    send(world, Batch(2))
    await die_with_two_cases_on_their_way(world)
    tear(world.staging, left_bytes)
    async with world.intake() as running:
        await take_in(world, running)
    assert {each.state.value for each in (await by_name(world)).values()} == {"stored"}
    assert [len(node.objects) for node in world.nodes] == [3, 3, 3]


async def test_the_same_batch_again_gets_the_same_receipts_and_no_second_object(
    world: IntakeWorld,
) -> None:
    batch = Batch(2)
    for _ in range(2):
        send(world, batch)
        async with world.intake() as running:
            await take_in(world, running)
    assert {each.state.value for each in await world.transfers()} == {"stored"}
    assert [len(node.objects) for node in world.nodes] == [3, 3, 3]
    assert [node.puts for node in world.nodes] == [3, 3, 3]
