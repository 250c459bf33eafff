"""A node's index is what its sweep judges by: here it vouches for a forged copy, or is rotten."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from storage.ocfl.inventory import INVENTORY_NAME, SIDECAR_NAME, sidecar
from storage.signing import SigningKey
from storage.sweep.plan import SweepSettings
from storage.sweep.sweeper import Sweeper
from storage.volume.volume import Volume
from tests.damage import DamageCase, damage
from tests.repair_world import RepairNode, repair_world
from tests.volume_packages import make_package, new_volume, store

PAYLOAD = "v1/content/received/a"
NAMES = [f"lantai:gov/{number}" for number in range(4)]
WaitUntil = Callable[..., Awaitable[None]]


async def test_a_forged_copy_that_its_index_vouches_for_is_found_in_one_sweep_and_mended(
    tmp_path: Path,
) -> None:
    async with repair_world(tmp_path) as world:
        await world.store(make_package({"received/a": b"signed"}, name) for name in NAMES)
        node = world.nodes["node-1"]
        _vouch_for(node, NAMES[1], _forge(node, NAMES[1]))
        assert node.check(NAMES[1]).intact
        await world.sweep()
        assert await world.found() == {("node-1", NAMES[1])}
        await world.mend()
        assert (node.folder(NAMES[1]) / PAYLOAD).read_bytes() == b"signed"
        assert world.holds_good("node-1", NAMES[1])


@pytest.mark.parametrize(
    "case", [DamageCase.PAGE, DamageCase.CHUNK, DamageCase.TRUNCATION, DamageCase.ZERO_LENGTH]
)
async def test_an_index_that_rots_under_a_sweep_is_made_anew_and_the_sweep_goes_on(
    tmp_path: Path, wait_until: WaitUntil, case: DamageCase
) -> None:
    volume = new_volume(tmp_path / "volume", SigningKey.generate())
    for name in NAMES:
        await store(volume, make_package({"received/a": b"signed"}, name))
    with sqlite3.connect(volume.settings.index) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    place = volume.settings.index.read_bytes().find(NAMES[1].encode())
    _write(volume.root / volume.object_folder(NAMES[2]) / PAYLOAD, b"rotten")
    damage(case, volume.settings.index, place)
    async with _sweeping(volume):
        await wait_until(lambda: _has_found(volume, NAMES[2]), within_s=60)
    assert len(volume.objects("", 10)) == len(NAMES)
    volume.close()


@asynccontextmanager
async def _sweeping(volume: Volume) -> AsyncIterator[None]:
    stop = asyncio.Event()
    sweeper = Sweeper(volume, SweepSettings(workers=1), chance=0.5)
    sweeper.start_now()
    running = asyncio.create_task(sweeper.run(stop))
    yield
    stop.set()
    await running


def _has_found(volume: Volume, object_id: str) -> bool:
    with suppress(sqlite3.DatabaseError):
        return bool(volume.open_findings(object_id))
    return False


def _forge(node: RepairNode, object_id: str) -> str:
    """Another payload, and inventories and sidecars that agree with it; the inventory's digest."""
    folder, forged = node.folder(object_id), b"forged"
    signed = hashlib.sha256((folder / PAYLOAD).read_bytes()).hexdigest()
    _write(folder / PAYLOAD, forged)
    inventory = (folder / INVENTORY_NAME).read_text()
    inventory = inventory.replace(signed, hashlib.sha256(forged).hexdigest())
    sha256 = hashlib.sha256(inventory.encode()).hexdigest()
    for place in (folder, folder / "v1"):
        _write(place / INVENTORY_NAME, inventory.encode())
        _write(place / SIDECAR_NAME, sidecar(sha256))
    return sha256


def _vouch_for(node: RepairNode, object_id: str, sha256: str) -> None:
    """The triggers refuse such a statement; whoever may write the file does not ask them."""
    with sqlite3.connect(node.volume.settings.index) as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type='trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(
            "UPDATE objects SET inventory_sha256=? WHERE object_id=?", (sha256, object_id)
        )
    database.close()


def _write(path: Path, content: bytes) -> None:
    path.chmod(0o640)
    path.write_bytes(content)
