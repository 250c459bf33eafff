"""Nodes that forget what they signed for: found by comparison or audit, on record, mended.

The nodes' own volumes on real disks, the wire and a real catalogue.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from replication.audits import Audits, AuditSettings
from replication.comparison import Comparison
from replication.forgotten import Fate, ForgottenCopies
from storage.catalogue import copies, findings
from storage.catalogue.model import Actor, CopyState
from tests.repair_world import NODES, RepairWorld, repair_world
from tests.volume_packages import again, make_package, store

PERSON = Actor("li.wei", "host-1")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RepairWorld]:
    async with repair_world(tmp_path) as world:
        yield world


def names(count: int) -> list[str]:
    return [f"lantai:gov/case-{number:04}" for number in range(count)]


async def fill(world: RepairWorld, count: int) -> list[str]:
    await world.store(make_package({"received/a": b"a"}, name) for name in names(count))
    return names(count)


async def states(world: RepairWorld, object_id: str) -> dict[str, CopyState]:
    package = await world.package(object_id)
    held = await world.catalogue.look(copies.of_package, package.id)
    assert package.copies_committed == sum(copy.state is CopyState.COMMITTED for copy in held)
    return {copy.node: copy.state for copy in held}


@pytest.mark.parametrize("folder_too", [True, False])
async def test_an_object_that_a_node_forgot_is_found_by_the_comparison_and_mended(
    world: RepairWorld, folder_too: bool
) -> None:
    _, forgotten, _ = await fill(world, 3)
    world.nodes["node-2"].forget(forgotten, folder_too)
    assert await world.compare() == Comparison((), (), (), forgotten=1)
    assert (await states(world, forgotten))["node-2"] is CopyState.MISSING
    (found,) = await world.catalogue.look(findings.still_open)
    assert (found.node, found.sequence, found.kind) == ("node-2", -1, "object-missing")
    assert '"node-1"' in found.evidence
    await world.mend()
    assert set((await states(world, forgotten)).values()) == {CopyState.COMMITTED}
    assert world.holds_good("node-2", forgotten)
    assert await world.compare() == Comparison((), (), ())
    assert await world.found() == set()


async def test_what_the_keeper_finds_does_not_hide_what_the_node_finds(world: RepairWorld) -> None:
    forgotten, damaged = await fill(world, 2)
    world.nodes["node-2"].forget(forgotten)
    await world.compare()
    (world.nodes["node-2"].folder(damaged) / "v1/content/received/a").write_bytes(b"b")
    await world.sweep()
    assert await world.found() == {("node-2", forgotten), ("node-2", damaged)}


async def test_losses_are_found_across_the_borders_of_pages(world: RepairWorld) -> None:
    known = await fill(world, 23)
    lost = {("node-1", known[0]), ("node-2", known[4]), ("node-2", known[5]), ("node-3", known[22])}
    for node, object_id in lost:
        world.nodes[node].forget(object_id)
    assert (await world.compare(page=5)).forgotten == len(lost)
    assert await world.found() == lost


async def test_an_object_that_every_node_forgot_is_called_and_nothing_is_touched(
    world: RepairWorld,
) -> None:
    forgotten, _ = await fill(world, 2)
    for node in NODES:
        world.nodes[node].forget(forgotten, folder_too=False)
    assert await world.compare() == Comparison((forgotten,), (), ())
    assert set((await states(world, forgotten)).values()) == {CopyState.COMMITTED}
    assert await world.found() == set()


async def test_a_node_that_kept_an_older_version_has_lost_the_newest(world: RepairWorld) -> None:
    """As after an older image of its disk was put back."""
    first = make_package({"received/a": b"one"}, "lantai:gov/versions")
    second = make_package({"received/a": b"two"}, previous=first)
    await world.store([first])
    await world.store([second])
    world.nodes["node-1"].forget("lantai:gov/versions")
    await store(world.nodes["node-1"].volume, again(first, op_id="e" * 32))
    assert (await world.compare()).forgotten == 1
    await world.mend()
    assert world.holds_good("node-1", "lantai:gov/versions")
    assert (await world.compare()) == Comparison((), (), ())


async def test_what_an_audit_is_denied_is_found_and_mended(world: RepairWorld) -> None:
    (forgotten,) = await fill(world, 1)
    world.nodes["node-3"].forget(forgotten)
    nonces = iter(range(100))
    audits = Audits(
        world.catalogue, world.clients, AuditSettings(), Random(1),
        lambda: hashlib.sha256(str(next(nonces)).encode()).digest(), lambda: datetime.now(UTC),
    )  # fmt: skip
    audited = await audits.audit_object(forgotten, PERSON)
    assert audited.denying == ("node-3",)
    assert await world.found() == {("node-3", forgotten)}
    await world.mend()
    assert world.holds_good("node-3", forgotten)


async def test_two_that_doubt_a_copy_at_once_are_one_finding(world: RepairWorld) -> None:
    """An audit and the comparison, say; more so when the copy is mended between the two."""
    (forgotten,) = await fill(world, 1)
    world.nodes["node-2"].forget(forgotten)
    package = await world.package(forgotten)
    both = [
        ForgottenCopies(world.catalogue, world.clients, lambda: datetime.now(UTC)) for _ in range(2)
    ]
    fates = await asyncio.gather(*(each.doubt(package, "node-2", PERSON) for each in both))
    assert sorted(fates) == [Fate.KEPT, Fate.LOST]
    assert len(await world.catalogue.look(findings.still_open)) == 1
