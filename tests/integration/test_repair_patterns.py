"""Random damage to real volumes: no copy is ever mended from a bad one, and no good one replaced.

LANTAI_REPAIR_PATTERNS says how many objects are damaged, each in its own way (default 40; the
release is held to 500), LANTAI_REPAIR_SEED which ways.
"""

import asyncio
import json
import os
import random
import shutil
from pathlib import Path

from storage.catalogue import acts, copies, findings, repairs
from storage.catalogue.model import CopyState
from storage.sweep.recording import record_damages
from tests.damage import DamageCase, damage
from tests.fault_page import record_fault
from tests.repair_world import NODES, RepairWorld, repair_world
from tests.volume_packages import make_package

PATTERNS = int(os.environ.get("LANTAI_REPAIR_PATTERNS", "40"))
AT = "2026-11-22T09:00:00.000000Z"
SEED = int(os.environ.get("LANTAI_REPAIR_SEED", "5"))


async def test_random_damage_never_leads_to_a_wrong_source(tmp_path: Path) -> None:
    print(f"LANTAI_REPAIR_SEED={SEED}")
    chance = random.Random(SEED)
    async with repair_world(tmp_path) as world:
        names = [f"lantai:gov/pattern-{number}" for number in range(PATTERNS)]
        await world.store(make_package(_files(chance), name) for name in names)
        for name in names:
            damage_somehow(chance, world, name)
        truth = {(node, name): world.holds_good(node, name) for name in names for node in NODES}
        lost = [name for name in names if not any(truth[node, name] for node in NODES)]
        before = {(node, name): world.fingerprint(node, name) for name in lost for node in NODES}
        await world.sweep()
        assert await world.found() == {pair for pair, is_good in truth.items() if not is_good}
        plan = await world.mend()
        assert sorted(plan.hopeless) == sorted(lost)
        await assert_right(world, truth, set(lost))
        for (node, name), bytes_then in before.items():
            assert world.fingerprint(node, name) == bytes_then, name
    record_fault(
        "F28",
        observed="every mend came from a good copy",
        figure=f"{PATTERNS} random patterns, 0 wrong sources",
    )


async def test_a_plan_sees_all_or_nothing_of_the_damage_that_a_node_tells_at_once(
    tmp_path: Path,
) -> None:
    """Half of a storm would look like the old age of a disk."""
    async with repair_world(tmp_path) as world:
        names = [f"lantai:gov/storm-{number}" for number in range(40)]
        await world.store(make_package({"received/a": b"a"}, name) for name in names)
        for name in names:
            (world.nodes["node-1"].folder(name) / "v1/content/received/a").unlink()
        await world.nodes["node-1"].sweep()
        seen = set()
        learning = asyncio.create_task(world.repair.learn("node-1"))
        while not learning.done():
            seen.add(len(await world.catalogue.look(findings.bad_copies, limit=1000)))
        assert await learning == len(names)
        assert 0 in seen
        assert seen <= {0, len(names)}


async def test_a_file_whose_damage_is_heard_of_after_the_mend_has_nothing_mended_again(
    tmp_path: Path,
) -> None:
    """A node tells the damage of each file as it finds it; a mend puts the whole copy right."""
    async with repair_world(tmp_path) as world:
        name, files = "lantai:gov/late", ("received/a", "received/b")
        await world.store([make_package(dict.fromkeys(files, b"a"), name)])
        node = world.nodes["node-1"]
        for file in files:
            (node.folder(name) / "v1/content" / file).unlink()
        seen = node.check(name)
        for damage in seen.damages:
            record_damages(node.volume, name, [damage], AT)
            if damage is seen.damages[0]:
                await world.learn()
        assert len((await world.mend()).mends) == 0, "all is mended"
        await world.learn()
        assert (await world.repair.mend_all(world.lease)).mends == ()
        states = await world.catalogue.look(copies.of_package, 1)
        assert {copy.state for copy in states} == {CopyState.COMMITTED}
        noted = await world.catalogue.look(findings.page)
        assert [each.outcome for each in noted] == [
            findings.MENDED_BEFORE, repairs.MENDED_FROM.format("node-2"),
        ]  # fmt: skip


async def assert_right(
    world: RepairWorld, truth: dict[tuple[str, str], bool], lost: set[str]
) -> None:
    """Every mend took a bad copy's place, from a node that had a good one."""
    wrong = 0
    mended = set()
    for act in await world.catalogue.look(acts.page, limit=1_000_000):
        if act.event.act != "copy.mended":
            continue
        source = json.loads(act.event.detail)["source"]
        wrong += not truth[source, act.object_id or ""]
        wrong += truth[act.event.node or "", act.object_id or ""]
        mended.add((act.event.node, act.object_id))
    assert wrong == 0, f"{wrong} times a wrong source or target"
    bad = {pair for pair, is_good in truth.items() if not is_good and pair[1] not in lost}
    assert mended == bad
    assert all(world.holds_good(node, name) for node, name in bad)


def damage_somehow(chance: random.Random, world: RepairWorld, name: str) -> None:
    """Nothing to three copies, each with one to three damages to any of its files."""
    for node in chance.sample(NODES, chance.choice([0, 1, 1, 1, 2, 2, 3])):
        folder = world.nodes[node].folder(name)
        if chance.random() < 0.05:
            shutil.move(folder, folder.parents[3] / f"lost-{node}-{chance.random()}")
            continue
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for file in chance.sample(files, chance.randint(1, 3)):
            size = file.stat().st_size
            cases = list(DamageCase) if size > 1 else [DamageCase.EXTENSION, DamageCase.DELETION]
            damage(chance.choice(cases), file, chance.randrange(max(1, size)))


def _files(chance: random.Random) -> dict[str, bytes]:
    """Two to five files, one of more than a block now and then."""
    files = {"received/bagit.txt": b"BagIt-Version: 1.0\n"}
    for number in range(chance.randint(1, 4)):
        files[f"received/data/{number}.bin"] = chance.randbytes(chance.randint(1, 9000))
    if chance.random() < 0.05:
        files["received/data/large.bin"] = chance.randbytes(1024 * 1024 + 5000)
    return files
