"""Other bytes under an identifier that is kept: new versions where the source may send them.

docs/formats/package.md, "Object id, identifier, identity" and "Versions". Real folders, catalogue,
notary and checks; only the nodes are the tests'.
"""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest_watch.answers import Answer, read_answer
from storage.catalogue import packages
from storage.catalogue.model import Package, PackageState
from tests.bags import bag_files, write_files
from tests.conftest import WaitUntil
from tests.intake_world import SOURCE, IntakeWorld, has, intake_world, send, states

OBJECT = f"lantai:{SOURCE}/case-1"


@pytest.fixture
async def world(tmp_path: Path, wait_until: WaitUntil) -> AsyncIterator[IntakeWorld]:
    async with intake_world(tmp_path, wait_until) as world:
        world.versions_from = (SOURCE,)
        yield world


async def versions(world: IntakeWorld) -> list[Package]:
    return await world.catalogue.look(packages.versions, SOURCE, "case-1")


def receipts(world: IntakeWorld) -> list[Answer]:
    """Every stored receipt in the return folder, also those that another has replaced."""
    found = [read_answer(path.read_bytes()) for path in world.returned.rglob("*stored*.json")]
    return sorted(found, key=lambda answer: (answer.version or 0, int(answer.transfer)))


async def take_in(world: IntakeWorld, *contents: bytes) -> None:
    """Send a package of the same name again and again, each time when the last was answered."""
    async with world.intake() as running:
        for content in contents:
            send(world, "case-1", content)
            await running.look()
            await running.settle_down()
            assert not (world.drop / "case-1").exists(), "the original is moved when it is stored"


async def test_other_bytes_become_the_next_version_of_the_same_object(world: IntakeWorld) -> None:
    await take_in(world, b"one", b"two", b"three")
    known = await versions(world)
    assert [(each.version, each.state) for each in known] == [
        (number, PackageState.STORED) for number in (1, 2, 3)
    ]
    assert {each.object_id for each in known} == {OBJECT}
    assert len({each.identity for each in known}) == 3
    assert [answer.version for answer in receipts(world)] == [1, 2, 3]
    assert [answer.inventory_sha256 for answer in receipts(world)] == [
        each.inventory_sha256 for each in known
    ]
    newest = json.loads(world.nodes[0].inventories[OBJECT, "v3/inventory.json"])
    assert newest["head"] == "v3"
    assert list(newest["versions"]) == ["v1", "v2", "v3"]
    assert list(world.staging.iterdir()) == []


async def test_the_bytes_of_any_earlier_version_get_its_receipt_and_make_no_new_one(
    world: IntakeWorld,
) -> None:
    await take_in(world, b"one", b"two", b"one", b"two")
    assert [each.version for each in await versions(world)] == [1, 2]
    assert await states(world) == ["stored"] * 4
    newest_answer = read_answer((world.returned / "case-1.stored.json").read_bytes())
    assert newest_answer.version == 2
    given = receipts(world)
    assert {answer.version for answer in given} == {1, 2}


async def test_many_at_once_become_one_version_each_in_some_order(world: IntakeWorld) -> None:
    names = ["case-1"]
    send(world, "case-1", b"0")
    for number, kind in enumerate(("tar", "zip"), start=1):
        other = write_files(world.folder / kind, bag_files({"data/1.txt": b"%d" % number}))
        shutil.make_archive(str(world.folder / "case-1"), kind, other)
        (world.folder / f"case-1.{kind}").rename(world.drop / f"case-1.{kind}")
        names.append(f"case-1.{kind}")
    async with world.intake(at_once=3) as running:
        await running.look()
        await running.settle_down()
    assert await states(world) == ["stored"] * 3
    assert [each.version for each in await versions(world)] == [1, 2, 3]
    told = {
        read_answer((world.returned / f"{name}.stored.json").read_bytes()).version for name in names
    }
    assert told == {1, 2, 3}


async def test_another_source_may_send_none(world: IntakeWorld) -> None:
    world.versions_from = ("another",)
    async with world.intake() as running:
        for content in (b"one", b"two"):
            send(world, "case-1", content)
            await running.look()
            await running.settle_down()
    assert sorted(await states(world)) == ["rejected", "stored"]
    assert [each.version for each in await versions(world)] == [1]


@pytest.mark.parametrize("staged_copy_is_lost", [False, True])
async def test_a_version_whose_writing_was_interrupted_is_finished_and_not_begun_anew(
    world: IntakeWorld, staged_copy_is_lost: bool
) -> None:
    await take_in(world, b"one")
    for node in world.nodes[1:]:
        node.reachable.clear()
    send(world, "case-1", b"two")
    async with world.intake() as running:
        await running.look()
        await world.wait_until(
            lambda: (OBJECT, "v2/inventory.json") in world.nodes[0].inventories, 30, "one copy"
        )
    _, begun = await versions(world)
    assert begun.state is PackageState.WRITING
    if staged_copy_is_lost:
        shutil.rmtree(world.staging / str(begun.transfer_id))
    for node in world.nodes:
        node.reachable.set()
    world.versions_from = ()  # whatever the configuration says by then
    async with world.intake() as running:
        await running.settle_down()
    _, stored = await versions(world)
    assert stored.state is PackageState.STORED
    assert (stored.op_id, stored.inventory_sha256) == (begun.op_id, begun.inventory_sha256)
    assert [answer.version for answer in receipts(world)] == [1, 2]


async def test_an_inventory_is_taken_from_a_node_that_has_it_as_it_was_signed(
    world: IntakeWorld,
) -> None:
    await take_in(world, b"one")
    path = (OBJECT, "v1/inventory.json")
    signed = world.nodes[0].inventories[path]
    world.nodes[0].inventories[path] = signed.replace(b"received/", b"recieved/")
    del world.nodes[1].inventories[path]
    send(world, "case-1", b"two")
    world.nodes[0].reachable.clear()  # it would refuse what does not follow from its own
    async with world.intake() as running:
        await running.look()
        await world.wait_until(lambda: world.nodes[2].reads > 0, 30, "asked in the end")
        world.nodes[0].inventories[path] = world.nodes[1].inventories[path] = signed
        world.nodes[0].reachable.set()
        await running.settle_down()
    assert [each.version for each in await versions(world)] == [1, 2]


async def test_a_version_waits_while_no_node_gives_the_inventory_before_it(
    world: IntakeWorld,
) -> None:
    await take_in(world, b"one")
    path = (OBJECT, "v1/inventory.json")
    signed = [node.inventories.pop(path) for node in world.nodes]
    send(world, "case-1", b"two")
    async with world.intake() as running:
        await running.look()
        await world.wait_until(lambda: all(node.reads for node in world.nodes), 30, "all asked")
        assert await has(world, "accepted")
        for node, inventory in zip(world.nodes, signed, strict=True):
            node.inventories[path] = inventory
        await running.settle_down()
    assert [each.version for each in await versions(world)] == [1, 2]
