"""An object of several versions that goes bad on one node gets all of them back, from another node.

docs/operations/repair.md. Real volumes on a real wire; damage is done to the disk, found by the
sweep, and mended by the keeper's own repair.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from storage.catalogue import copies, packages
from storage.catalogue.model import CopyState
from storage.view.holdings import HeldVersion
from storage.volume.refusals import PreviousDamaged
from tests.repair_world import NODES, RepairWorld, repair_world
from tests.volume_packages import MadePackage, make_package, store

OBJECT = "lantai:gov/case-1"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RepairWorld]:
    async with repair_world(tmp_path) as world:
        yield world


@pytest.fixture
async def newest(world: RepairWorld) -> MadePackage:
    """The third version; all three are stored."""
    package = make_package({"received/a": b"one", "received/scan": bytes(2_500_000)}, OBJECT)
    await world.store([package])
    for number in (2, 3):
        package = make_package({"received/a": b"%d" % number}, previous=package)
        await world.store([package])
    return package


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def alter(path: Path) -> None:
    path.chmod(0o640)
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize(
    ("bad", "damage"),
    [
        ("v1/content/received/scan", alter),
        ("v2/content/received/a", remove),
        ("v3/content/received/a", alter),
        ("v1/inventory.json", alter),
        ("v2/inventory.json.sha256", remove),
        ("inventory.json", alter),
        ("inventory.json.sha256", alter),
        ("v2", remove),
        ("", remove),
    ],
)
async def test_damage_to_any_version_is_found_and_the_whole_object_mended(
    world: RepairWorld, newest: MadePackage, bad: str, damage: Callable[[Path], None]
) -> None:
    good = world.fingerprint("node-2", OBJECT)
    damage(world.nodes["node-1"].folder(OBJECT) / bad)
    await world.nodes["node-1"].sweep()
    await world.learn()
    known = await world.catalogue.look(packages.versions_of_object, OBJECT)
    assert [each.copies_committed for each in known] == [2, 2, 2], "the copy is bad as a whole"
    await world.mend()
    assert await world.found() == set()
    assert world.fingerprint("node-1", OBJECT) == good
    assert world.holds_good("node-1", OBJECT)
    known = await world.catalogue.look(packages.versions_of_object, OBJECT)
    assert [each.copies_committed for each in known] == [3, 3, 3]


async def test_what_each_node_signed_of_each_version_stays_on_record(
    world: RepairWorld, newest: MadePackage
) -> None:
    first, _, third = await world.catalogue.look(packages.versions_of_object, OBJECT)
    before = await world.catalogue.look(copies.of_package, first.id)
    alter(world.nodes["node-1"].folder(OBJECT) / "v1/content/received/a")
    await world.nodes["node-1"].sweep()
    await world.learn()
    await world.mend()
    assert await world.catalogue.look(copies.of_package, first.id) == before
    mended = await world.catalogue.look(copies.of_package, third.id)
    assert {copy.state for copy in mended} == {CopyState.COMMITTED}
    assert mended[0].answer not in [copy.answer for copy in before]


async def test_damage_to_versions_on_two_nodes_is_mended_from_the_third(
    world: RepairWorld, newest: MadePackage
) -> None:
    good = world.fingerprint("node-3", OBJECT)
    alter(world.nodes["node-1"].folder(OBJECT) / "v1/content/received/a")
    alter(world.nodes["node-2"].folder(OBJECT) / "v2/content/received/a")
    await world.sweep()
    await world.mend()
    assert [world.fingerprint(node, OBJECT) for node in NODES] == [good] * 3


async def test_while_a_version_is_being_written_the_one_before_it_is_mended_from_any_node(
    world: RepairWorld,
) -> None:
    first = make_package({"received/a": b"one"}, OBJECT)
    second = make_package({"received/a": b"two"}, previous=first)
    await world.store([first])
    # Two nodes have the second version, the catalogue and the third node have not.
    await world.begin(second)
    for node in ("node-2", "node-3"):
        await store(world.nodes[node].volume, second)
    alter(world.nodes["node-1"].folder(OBJECT) / "v1/content/received/a")
    await world.nodes["node-1"].sweep()
    await world.learn()
    plan = await world.mend()
    assert plan.disagreements == ()
    assert await world.found() == set()
    assert world.holds_good("node-1", OBJECT)
    await store(world.nodes["node-1"].volume, second)
    assert (await world.compare()).catalogue_is_alone == ()


async def test_a_copy_that_refused_a_version_is_mended_without_a_sweep_and_then_takes_it(
    world: RepairWorld,
) -> None:
    first = make_package({"received/a": b"one"}, OBJECT)
    second = make_package({"received/a": b"two"}, previous=first)
    await world.store([first])
    alter(world.nodes["node-1"].folder(OBJECT) / "inventory.json")
    with pytest.raises(PreviousDamaged):
        await store(world.nodes["node-1"].volume, second)
    await world.learn()
    await world.mend()
    await world.store([second])
    assert [world.holds_good(node, OBJECT) for node in NODES] == [True] * 3


async def test_every_version_is_read_by_the_digest_that_was_signed_for_it(
    world: RepairWorld, newest: MadePackage
) -> None:
    for number, version in enumerate(newest.versions, start=1):
        held = HeldVersion(OBJECT, number, version.order.inventory_sha256, "", NODES)
        assert await world.read(held, "received/a") == version.files["received/a"]
