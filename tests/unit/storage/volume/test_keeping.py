"""What happens to copies afterwards: read, found damaged, mended, tidied."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from storage.blocks import leaf, merkle_root
from storage.model import BLOCK_BYTES
from storage.signing import SigningKey
from storage.sweep.account import bucket_edges
from storage.sweep.model import (
    Damage,
    DamageKind,
    ObjectCheck,
    Selection,
    SweepCycle,
    rfc3339,
)
from storage.volume.refusals import FileUnknown, FileUnreadable, ObjectUnknown
from storage.volume.sweep_book import StrayOwned
from storage.volume.volume import Volume
from tests.volume_packages import MadePackage, again, make_package, names, store

SCAN = "v1/content/received/data/scan.tif"
LATER = "2999-01-01T00:00:00.000000Z"


@pytest.fixture
async def package(volume: Volume) -> MadePackage:
    package = make_package()
    await store(volume, package)
    return package


def block_list(volume: Volume, package: MadePackage) -> Path:
    folder = volume.object_folder(package.order.object_id)
    return volume.settings.blocks / folder / f"{SCAN}.leaves"


def test_ranges_are_read_raw(volume: Volume, package: MadePackage) -> None:
    object_id, scan = package.order.object_id, package.files["received/data/scan.tif"]
    assert volume.read(object_id, SCAN, 0, 10) == scan[:10]
    assert volume.read(object_id, SCAN, len(scan) - 3, 10) == scan[-3:]
    assert volume.read(object_id, SCAN, len(scan), 10) == b""
    assert volume.file_size(object_id, SCAN) == len(scan)


@pytest.mark.parametrize(
    "path",
    [
        "../../../node-identity",
        "v1/../inventory.json",
        "/etc/passwd",
        "",
        ".",
        "v1",
        "v1//inventory.json",
        "a\0b",
        "no-such-file",
        "inventory.json/x",
        "link/passwd",
        "etc-link",
    ],
)
def test_no_path_leads_out_of_the_object(volume: Volume, package: MadePackage, path: str) -> None:
    folder = volume.root / volume.object_folder(package.order.object_id)
    (folder / "link").symlink_to("/etc")
    (folder / "etc-link").symlink_to("/etc/passwd")
    with pytest.raises((FileUnknown, FileUnreadable)):
        volume.file_size(package.order.object_id, path)
    with pytest.raises((FileUnknown, FileUnreadable)):
        volume.read(package.order.object_id, path, 0, 1)
    with pytest.raises((FileUnknown, FileUnreadable)):
        volume.block_leaves(package.order.object_id, path, 0, 1)


def test_an_object_that_is_not_kept_is_unknown(volume: Volume) -> None:
    with pytest.raises(ObjectUnknown):
        volume.read("lantai:s/none", "inventory.json", 0, 1)


def test_block_leaves_are_those_of_the_content(volume: Volume, package: MadePackage) -> None:
    object_id, scan = package.order.object_id, package.files["received/data/scan.tif"]
    leaves = volume.block_leaves(object_id, SCAN, 0, 100)
    assert leaves[:32] == leaf(scan[:BLOCK_BYTES])
    assert volume.block_leaves(object_id, SCAN, 1, 1) == leaves[32:64]
    listed = volume.read(object_id, "v1/content/lantai/files.jsonl", 0, 10_000)
    assert merkle_root(leaves).encode() in listed
    assert volume.block_leaves(object_id, "v1/content/received/bagit.txt", 0, 9) == b""


def test_a_lost_block_list_is_made_again_from_a_good_file(
    volume: Volume, package: MadePackage
) -> None:
    before = volume.block_leaves(package.order.object_id, SCAN, 0, 100)
    shutil.rmtree(volume.settings.blocks)
    volume.settings.blocks.mkdir()
    assert volume.block_leaves(package.order.object_id, SCAN, 0, 100) == before
    assert block_list(volume, package).read_bytes() == before


def test_no_block_list_is_made_from_a_damaged_file(volume: Volume, package: MadePackage) -> None:
    block_list(volume, package).unlink()
    flip(volume, package, SCAN)
    with pytest.raises(FileUnreadable, match="damaged"):
        volume.block_leaves(package.order.object_id, SCAN, 0, 100)
    assert not block_list(volume, package).exists()


def flip(volume: Volume, package: MadePackage, path: str) -> None:
    file = volume.root / volume.object_folder(package.order.object_id) / path
    content = bytearray(file.read_bytes())
    content[7] ^= 1
    file.write_bytes(content)


async def test_a_mended_object_has_new_bytes_and_the_bad_ones_are_kept(
    volume: Volume, package: MadePackage, key: SigningKey
) -> None:
    object_id = package.order.object_id
    flip(volume, package, SCAN)
    damage = Damage(DamageKind.ALTERED, SCAN, "another digest")
    volume.record_finding(object_id, damage, "2026-11-22T00:00:00.000000Z")
    repair = again(package, op_id="ab" * 16, replaces_damaged=True)
    answer = await store(volume, repair)
    scan = package.files["received/data/scan.tif"]
    assert volume.read(object_id, SCAN, 0, 100) == scan[:100]
    (bad,) = volume.settings.quarantine.iterdir()
    assert (bad / SCAN).read_bytes() != scan
    (finding,) = volume.findings(0, 10)
    assert finding.mended_at is not None
    assert volume.begin(repair.order) == answer
    assert volume.state().objects == 1
    volume.close()
    volume = Volume.open(volume.settings, key)
    assert volume.begin(repair.order) == answer
    assert volume.findings(0, 10) == [finding]
    volume.close()


async def test_an_object_whose_folder_is_gone_is_mended_too(
    volume: Volume, package: MadePackage
) -> None:
    shutil.rmtree(volume.root / volume.object_folder(package.order.object_id))
    await store(volume, again(package, op_id="ab" * 16, replaces_damaged=True))
    path = "v1/content/received/bagit.txt"
    assert volume.read(package.order.object_id, path, 0, 5) == b"BagIt"
    assert names(volume.settings.quarantine) == []


def test_a_finding_is_kept_once_until_it_is_mended(volume: Volume, package: MadePackage) -> None:
    at, object_id = "2026-11-22T00:00:00.000000Z", package.order.object_id
    damage = Damage(DamageKind.MISSING, SCAN, "gone")
    assert volume.record_finding(object_id, damage, at)
    assert not volume.record_finding(object_id, damage, at)
    (finding,) = volume.findings(0, 10)
    assert (finding.object_id, finding.kind, finding.path) == (object_id, "missing", SCAN)
    assert (finding.found_at, finding.mended_at) == (at, None)
    assert volume.open_findings(object_id) == [finding]
    assert volume.findings(finding.sequence, 10) == []


async def test_the_known_bad_and_the_longest_unchecked_are_swept_first(volume: Volume) -> None:
    for name in ("a", "b", "c"):
        await store(volume, make_package({"received/x": b"x"}, f"lantai:s/{name}"))
    volume.record_finding("lantai:s/c", Damage(DamageKind.MISSING, "x", ""), LATER)
    order = [stored.object_id for stored in volume.objects_to_sweep(Selection(), LATER, 10)]
    assert order == ["lantai:s/c", "lantai:s/a", "lantai:s/b"]
    looked_at = [check(volume, "lantai:s/a", damages=()), check(volume, "lantai:s/c")]
    volume.record_swept(looked_at, LATER)
    assert [stored.object_id for stored in volume.objects_to_sweep(Selection(), LATER, 10)] == [
        "lantai:s/b"
    ]
    intact, damaged = volume.stat("lantai:s/a"), volume.stat("lantai:s/c")
    assert intact is not None
    assert damaged is not None
    assert intact.checked_at == LATER
    assert damaged.checked_at < LATER
    assert volume.oldest_checked_at() == min(stored.checked_at for stored in volume.objects("", 10))


def check(
    volume: Volume,
    object_id: str,
    damages: tuple[Damage, ...] = (Damage(DamageKind.MISSING, "x", ""),),
) -> ObjectCheck:
    stored = volume.stat(object_id)
    assert stored is not None
    return ObjectCheck(object_id, stored.inventory_sha256, damages, 1, 1, 0, finished=True)


def test_a_check_against_another_inventory_changes_nothing(
    volume: Volume, package: MadePackage
) -> None:
    before = volume.stat(package.order.object_id)
    stale = ObjectCheck(package.order.object_id, "0" * 64, (), 1, 1, 0, finished=True)
    volume.record_swept([stale], LATER)
    assert volume.stat(package.order.object_id) == before


def test_strays_are_moved_aside_and_empty_folders_removed(
    volume: Volume, package: MadePackage
) -> None:
    stray = PurePosixPath("000/111/stray")
    (volume.root / stray).mkdir(parents=True)
    (volume.root / stray / "file").write_bytes(b"whose?")
    damage = Damage(DamageKind.STRAY_OBJECT, str(stray), "")
    volume.record_finding("", damage, LATER)
    assert not volume.owns_folder(stray)
    volume.quarantine_stray(stray)
    assert not (volume.root / "000").exists()
    (kept,) = volume.settings.quarantine.iterdir()
    assert (kept / "file").read_bytes() == b"whose?"
    (finding,) = volume.findings(0, 10)
    assert finding.mended_at is not None


def test_nothing_that_is_owned_is_ever_moved_aside(volume: Volume, package: MadePackage) -> None:
    owned = volume.object_folder(package.order.object_id)
    for path in (
        owned,
        owned / "v1",
        owned.parent,
        owned.parent.parent,
        PurePosixPath("node-identity"),
        PurePosixPath("extensions/0003-hash-and-id-n-tuple-storage-layout"),
        PurePosixPath("../staging"),
        PurePosixPath("/etc"),
        PurePosixPath("."),
    ):
        with pytest.raises(StrayOwned):
            volume.quarantine_stray(path)
    assert names(volume.settings.quarantine) == []


def test_an_object_that_is_being_written_owns_its_folder(volume: Volume) -> None:
    order = make_package(object_id="lantai:s/soon").order
    assert not volume.owns_folder(volume.object_folder(order.object_id))
    volume.begin(order)
    assert volume.owns_folder(volume.object_folder(order.object_id))


def test_sweep_cycles_outlive_a_restart(volume: Volume, key: SigningKey) -> None:
    assert volume.sweep_cycle() is None
    cycle = SweepCycle(1, "2026-11-22T00:00:00.000000Z", None)
    volume.keep_sweep_cycle(cycle)
    volume.close()
    volume = Volume.open(volume.settings, key)
    assert volume.sweep_cycle() == cycle
    finished = SweepCycle(1, cycle.started_at, "2026-11-23T00:00:00.000000Z", 7, 700, 1)
    volume.keep_sweep_cycle(finished)
    assert volume.sweep_cycles(0, 10) == [finished]
    assert volume.sweep_cycles(1, 10) == []
    volume.close()


async def test_objects_are_counted_by_the_age_of_their_last_sweep(volume: Volume) -> None:
    """Of what no sweep has found intact since its commit, no age is claimed."""
    for name in ("a", "b", "c"):
        await store(volume, make_package({"received/x": b"x"}, f"lantai:s/{name}"))
    now = datetime.now(UTC)
    assert volume.checked_counts(bucket_edges(now)) == [0] * 5
    assert volume.never_swept_count() == 3
    swept = [check(volume, "lantai:s/a", damages=()), check(volume, "lantai:s/b")]
    volume.record_swept(swept, rfc3339(now))
    assert volume.never_swept_count() == 2
    counted = {
        days: volume.checked_counts(bucket_edges(now + timedelta(days=days))).index(1)
        for days in (0, 1.5, 8, 31, 91, -1)
    }
    assert counted == {0: 0, 1.5: 1, 8: 2, 31: 3, 91: 4, -1: 0}
    volume.rebuild_index()
    assert volume.never_swept_count() == 3
