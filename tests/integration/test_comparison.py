"""Catalogue and nodes compared by their trees: what is asked, what is walked, what follows.

The nodes' own volumes on real disks, the wire and a real catalogue.
"""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from replication.comparison import Comparing, Comparison
from replication.doubts import Doubts
from storage.catalogue import copies, events, findings, suspects
from storage.catalogue.model import Actor, CopyState, NodeFinding
from storage.volume.index_tree import counting
from tests.repair_world import NODES, RepairWorld, repair_world
from tests.volume_packages import make_package, store

KEEPER = Actor("keeper", "test")
AT = "2026-11-22T08:00:00.000000Z"
EQUAL = Comparison((), (), ())
MISSING, COMMITTED = CopyState.MISSING, CopyState.COMMITTED


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RepairWorld]:
    async with repair_world(tmp_path) as world:
        yield world


@pytest.fixture
def comparing(world: RepairWorld) -> Comparing:
    """The keeper's own, which remembers."""
    doubts = Doubts(world.catalogue, world.clients, KEEPER, lambda: datetime.now(UTC))
    return Comparing(world.catalogue, doubts)


async def fill(world: RepairWorld, count: int) -> list[str]:
    names = [f"lantai:gov/case-{number:04}" for number in range(count)]
    await world.store(make_package({"received/a": b"a"}, name) for name in names)
    return names


def put_aside(world: RepairWorld, node: str, object_id: str) -> Path:
    """As another disk would lack it; the folder lies beside, for when the right one is back."""
    volume = world.nodes[node].volume
    aside = volume.settings.beside / "aside"
    shutil.move(world.nodes[node].folder(object_id), aside)
    with closing(sqlite3.connect(volume.settings.index)) as index, index:
        index.execute("CREATE TABLE aside AS SELECT * FROM objects WHERE object_id=?", (object_id,))
        with counting(index, object_id):
            index.execute("DELETE FROM objects WHERE object_id=?", (object_id,))
    return aside


def put_back(world: RepairWorld, node: str, object_id: str) -> None:
    volume = world.nodes[node].volume
    shutil.move(volume.settings.beside / "aside", world.nodes[node].folder(object_id))
    with (
        closing(sqlite3.connect(volume.settings.index)) as index,
        index,
        counting(index, object_id),
    ):
        index.execute("INSERT INTO objects SELECT * FROM aside")


async def states(world: RepairWorld, object_id: str) -> dict[str, CopyState]:
    package = await world.package(object_id)
    held = await world.catalogue.look(copies.of_package, package.id)
    return {copy.node: copy.state for copy in held}


async def test_equal_sets_cost_one_message_for_each_node(
    world: RepairWorld, comparing: Comparing
) -> None:
    await fill(world, 20)
    found = await comparing.compare(world.clients)
    assert found == EQUAL
    assert (found.effort.messages, found.effort.partitions) == (len(NODES), 0)


async def test_one_difference_costs_its_branches_and_its_partition(
    world: RepairWorld, comparing: Comparing
) -> None:
    forgotten, *_ = await fill(world, 20)
    put_aside(world, "node-2", forgotten)
    found = await comparing.compare(world.clients)
    assert found.forgotten == 1
    # Three roots, two branches below the one that differs, one page of leaves.
    assert (found.effort.messages, found.effort.walked) == (3 + 2 + 1, 1)
    again = await comparing.compare(world.clients)
    assert (again, again.effort.messages) == (EQUAL, 3), "it is on record: nothing differs"


async def test_what_differs_as_it_did_last_time_is_told_and_not_walked_again(
    world: RepairWorld, comparing: Comparing
) -> None:
    forgotten, _ = await fill(world, 2)
    for node in NODES:
        put_aside(world, node, forgotten)
    first = await comparing.compare(world.clients)
    second = await comparing.compare(world.clients)
    assert first == second == Comparison((forgotten,), (), ())
    assert (first.effort.walked, second.effort.walked) == (1, 0)
    put_back(world, "node-1", forgotten)
    third = await comparing.compare(world.clients)
    assert (third.effort.walked, third.forgotten) == (1, 2), "one side changed: looked at again"


async def test_a_copy_that_came_back_counts_once_its_node_has_read_it(
    world: RepairWorld, comparing: Comparing
) -> None:
    returned, _ = await fill(world, 2)
    put_aside(world, "node-2", returned)
    await comparing.compare(world.clients)
    assert (await states(world, returned))["node-2"] is MISSING
    put_back(world, "node-2", returned)
    found = await comparing.compare(world.clients)
    assert (found.verified, found.forgotten) == (1, 0)
    assert (await states(world, returned))["node-2"] is COMMITTED
    assert await world.found() == set()
    package = await world.package(returned)
    told = await world.catalogue.look(events.page, package_id=package.id)
    assert "copy.verified" in {event.act for event in told}
    assert "copy.mended" not in {event.act for event in told}, "nothing was transferred"
    assert await comparing.compare(world.clients) == EQUAL


async def test_a_copy_that_came_back_rotten_does_not_count_and_is_mended(
    world: RepairWorld, comparing: Comparing
) -> None:
    returned, _ = await fill(world, 2)
    aside = put_aside(world, "node-2", returned)
    await comparing.compare(world.clients)
    payload = aside / "v1/content/received/a"
    payload.chmod(0o640)
    payload.write_bytes(b"b")
    put_back(world, "node-2", returned)
    assert (await comparing.compare(world.clients)).verified == 0
    assert (await states(world, returned))["node-2"] is MISSING
    await world.learn()
    await world.mend()
    assert world.holds_good("node-2", returned)
    assert await comparing.compare(world.clients) == EQUAL


async def test_what_a_suspect_lists_does_not_count_before_a_person_trusts_it(
    world: RepairWorld, comparing: Comparing
) -> None:
    returned, _ = await fill(world, 2)
    put_aside(world, "node-2", returned)
    await comparing.compare(world.clients)
    put_back(world, "node-2", returned)
    await world.catalogue.do(suspects.name, "node-2", "it lied", KEEPER, AT)
    assert (await comparing.compare(world.clients)).verified == 0
    assert (await states(world, returned))["node-2"] is MISSING
    await world.catalogue.do(suspects.release, "node-2", "looked at", KEEPER, AT)
    assert (await comparing.compare(world.clients)).verified == 1, "its word counts from now on"
    assert (await states(world, returned))["node-2"] is COMMITTED


async def test_damage_whose_number_was_on_record_before_is_found_and_mended(
    world: RepairWorld, comparing: Comparing
) -> None:
    """As on an older image of a disk: its journal counts from there, and was heard further on."""
    damaged, other = await fill(world, 2)
    heard = NodeFinding("node-2", 10_000, AT, other, "altered", "", "", "")
    await world.catalogue.do(findings.record, heard, AT)
    await world.catalogue.do(findings.close, "node-2", 10_000, "mended", AT)
    (world.nodes["node-2"].folder(damaged) / "v1/content/received/a").write_bytes(b"b")
    await world.sweep()
    assert await world.found() == set(), "the keeper hears nothing of it"
    assert (await comparing.compare(world.clients)).damaged == 1
    assert (await states(world, damaged))["node-2"] is CopyState.DAMAGED
    await world.mend()
    assert world.holds_good("node-2", damaged)
    assert await comparing.compare(world.clients) == EQUAL


async def test_a_node_that_is_silent_is_told_and_the_others_are_compared(
    world: RepairWorld, comparing: Comparing
) -> None:
    forgotten, _ = await fill(world, 2)
    put_aside(world, "node-2", forgotten)
    await world.clients["node-3"].close()
    found = await comparing.compare(world.clients)
    assert found == Comparison((), (), ("node-3",), forgotten=1)


async def test_a_package_that_is_being_written_is_no_difference_that_is_told(
    world: RepairWorld, comparing: Comparing
) -> None:
    """Its copies lie on nodes before the catalogue counts on any."""
    await fill(world, 1)
    arriving = make_package({"received/a": b"a"}, "lantai:gov/arriving")
    await world.begin(arriving)
    for node in NODES[:2]:
        await store(world.nodes[node].volume, arriving)
    assert await comparing.compare(world.clients) == EQUAL
