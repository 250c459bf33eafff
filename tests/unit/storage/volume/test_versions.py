"""Later versions of an object on a volume: one after another, the earlier ones as they were.

docs/formats/volume.md, "A later version"; docs/wire/put.md, "Versions".
"""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ocfl.storage_root import StorageRoot

from storage.medium import MediumReader
from storage.model import SignedAnswer
from storage.node_answer import believe
from storage.ocfl.inventory import read_inventory, sidecar
from storage.signing import SigningKey
from storage.sweep.check_object import check_object
from storage.sweep.model import Damage, DamageKind, ObjectCheck, PassKind
from storage.sweep.recording import record_checks, target_of
from storage.volume.incoming import Incoming
from storage.volume.refusals import (
    ContentRefused,
    OrderInvalid,
    PreviousDamaged,
    ReadBackFailed,
    VersionEarly,
    VersionTaken,
)
from storage.volume.volume import Volume
from tests.volume_packages import MadePackage, again, make_package, mending, names, send, store

SECOND = {
    "received/bagit.txt": b"BagIt-Version: 1.0\n",
    "received/data/scan.tif": b"another scan" * 200_000,
}


@pytest.fixture
def first() -> MadePackage:
    return make_package()


@pytest.fixture
def second(first: MadePackage) -> MadePackage:
    return make_package(SECOND, previous=first)


def folder_of(volume: Volume, package: MadePackage) -> Path:
    return volume.root / volume.object_folder(package.order.object_id)


def check(volume: Volume, package: MadePackage, kind: PassKind = PassKind.FULL) -> ObjectCheck:
    stored = volume.stat(package.order.object_id)
    assert stored is not None
    reader = MediumReader(volume.verify_mode)
    target = target_of(volume, stored)
    return check_object(target, reader, lambda _read_bytes: None, kind=kind)


def assert_valid(volume: Volume) -> None:
    root = StorageRoot(root=str(volume.root))
    root.validate(validate_objects=True, check_digests=True)
    assert root.num_traversal_errors == 0
    assert root.num_objects == root.good_objects == volume.state().objects
    assert names(volume.settings.staging) == []


def assert_holds(volume: Volume, package: MadePackage) -> None:
    """Every version up to this one lies there with its exact bytes, and nothing else does."""
    folder = folder_of(volume, package)
    for number, version in enumerate(package.versions, start=1):
        assert (folder / f"v{number}" / "inventory.json").read_bytes() == version.inventory
        for path, content in version.files.items():
            assert (folder / f"v{number}/content/{path}").read_bytes() == content
    assert (folder / "inventory.json").read_bytes() == package.inventory
    found = check(volume, package)
    assert found.finished
    assert found.damages == ()
    assert_valid(volume)


async def test_a_second_version_joins_the_first_and_the_node_signs_for_it(
    volume: Volume, key: SigningKey, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    answer = await store(volume, second)
    said = believe(answer, "node-1", key.verify_key)
    assert (said.version, said.inventory_sha256) == (2, second.order.inventory_sha256)
    assert (said.file_count, said.content_bytes) == (
        second.order.file_count, second.order.content_bytes,
    )  # fmt: skip
    assert_holds(volume, second)


async def test_the_index_knows_the_newest_version_and_counts_all_of_them(
    volume: Volume, key: SigningKey, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    before = volume.stat(first.order.object_id)
    await store(volume, second)
    stored = volume.stat(first.order.object_id)
    assert before is not None
    assert stored is not None
    assert (stored.head, stored.inventory_sha256) == (2, second.order.inventory_sha256)
    assert stored.file_count == first.order.file_count + second.order.file_count
    assert stored.content_bytes == first.order.content_bytes + second.order.content_bytes
    assert stored.checked_at == before.checked_at, "version 1 was not read again"
    assert volume.state().content_bytes == stored.content_bytes
    assert volume.records_check()(lambda _read_bytes: None) == []
    volume.rebuild_index()
    assert volume.stat(first.order.object_id) == stored


async def test_every_file_over_a_block_has_its_list_in_its_version(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    await store(volume, second)
    shutil.rmtree(folder_of(volume, first) / "v1/content/received")
    for number, blocks in ((1, 3), (2, 3)):
        path = f"v{number}/content/received/data/scan.tif"
        assert len(volume.block_leaves(first.order.object_id, path, 0, 9)) == 32 * blocks


async def test_what_is_sent_again_gets_the_answer_it_got_and_writes_nothing(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    answers = [await store(volume, package) for package in (first, second)]
    assert volume.begin(first.order) == answers[0], "late, under its own operation"
    assert volume.begin(second.order) == answers[1]
    other_name = make_package(SECOND, previous=first)
    assert volume.begin(other_name.order) == answers[1], "the very same version"
    assert_holds(volume, second)


async def test_a_late_or_other_write_of_a_version_that_is_there_is_refused(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    await store(volume, second)
    late = again(first, op_id="0" * 32)
    rival = make_package({"received/x": b"rival"}, previous=first)
    for package in (late, rival):
        with pytest.raises(VersionTaken):
            volume.begin(package.order)
    assert_holds(volume, second)


async def test_a_version_waits_for_the_one_before_it(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    with pytest.raises(VersionEarly) as refusal:
        volume.begin(second.order)
    assert refusal.value.retry
    await store(volume, first)
    with pytest.raises(VersionEarly):
        volume.begin(make_package(previous=second).order)
    await store(volume, second)
    await store(volume, make_package(previous=second))


@pytest.mark.parametrize("path", ["inventory.json", "v1/inventory.json"])
async def test_nothing_is_built_on_an_inventory_that_is_not_the_signed_one(
    volume: Volume, first: MadePackage, second: MadePackage, path: str
) -> None:
    await store(volume, first)
    damaged = folder_of(volume, first) / path
    damaged.chmod(0o640)
    damaged.write_bytes(first.inventory.replace(b"received/", b"recieved/"))
    before = damaged.read_bytes()
    for _ in range(2):
        with pytest.raises(PreviousDamaged) as refusal:
            send(volume, second)
        assert refusal.value.retry
    (finding,) = volume.open_findings(first.order.object_id)
    assert (finding.kind, finding.path) == (DamageKind.INVENTORY_DAMAGED, path)
    assert damaged.read_bytes() == before
    await store(volume, mending(first))
    assert volume.open_finding_count() == 0
    await store(volume, second)
    assert_holds(volume, second)
    assert names(volume.settings.staging) == []


async def test_an_inventory_that_forgets_or_changes_the_past_is_refused(
    volume: Volume, first: MadePackage
) -> None:
    await store(volume, first)
    other_past = make_package({"received/other": b"past"}, object_id=first.order.object_id)
    with pytest.raises(ContentRefused, match="earlier"):
        send(volume, make_package(SECOND, previous=other_past))
    assert volume.state().state == "ready"
    assert_holds(volume, first)


async def test_a_version_whose_object_went_away_meanwhile_is_refused_and_the_volume_goes_on(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    incoming = send(volume, second)
    shutil.rmtree(folder_of(volume, first))
    with pytest.raises(PreviousDamaged):
        await volume.commit(incoming)
    assert volume.state().state == "ready"


async def test_something_unrecorded_under_the_versions_name_is_not_overwritten(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    (folder_of(volume, first) / "v2").mkdir()
    with pytest.raises(VersionTaken):
        await store(volume, second)
    assert (folder_of(volume, first) / "inventory.json").read_bytes() == first.inventory


@pytest.mark.parametrize("gone", ["v1/content/received/bagit.txt", "v1/inventory.json", ""])
async def test_a_mend_brings_every_version_and_counts_them_as_before(
    volume: Volume, first: MadePackage, second: MadePackage, gone: str
) -> None:
    await store(volume, first)
    await store(volume, second)
    before = volume.stat(first.order.object_id)
    target = folder_of(volume, first) / gone
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    assert check(volume, second).damages != ()
    answer = await store(volume, mending(second))
    assert isinstance(answer, SignedAnswer)
    after = volume.stat(first.order.object_id)
    assert before is not None
    assert after is not None
    assert (after.head, after.file_count, after.content_bytes) == (
        2, before.file_count, before.content_bytes,
    )  # fmt: skip
    assert_holds(volume, second)
    assert volume.records_check()(lambda _read_bytes: None) == []
    assert len(names(volume.settings.quarantine)) == (1 if gone else 0)
    third = make_package(previous=second)
    await store(volume, third)
    assert_holds(volume, third)


async def test_a_mend_of_some_versions_only_or_of_other_ones_is_refused(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    await store(volume, second)
    whole = mending(second)
    with pytest.raises(OrderInvalid):
        volume.begin(again(whole, earlier=()).order)
    other = mending(make_package(SECOND, previous=make_package({"received/x": b"x"})))
    with pytest.raises(VersionTaken):
        volume.begin(other.order)
    torn = again(whole, earlier=other.order.earlier, op_id="1" * 32)
    incoming = volume.begin(torn.order)
    assert isinstance(incoming, Incoming)
    wrong_past = other.versions[0].stream + second.stream
    with pytest.raises(ContentRefused, match="earlier"):
        incoming.write(0, wrong_past)
    assert_holds(volume, second)


async def test_a_check_that_a_new_version_overtook_says_nothing(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    stored = volume.stat(first.order.object_id)
    assert stored is not None
    target = target_of(volume, stored)
    await store(volume, second)
    late = check_object(target, MediumReader(volume.verify_mode), lambda _read_bytes: None)
    assert late.damages != (), "what it found is not what it was told to find"
    assert record_checks(volume, [late], "2026-11-23T00:00:00.000000Z") == []
    assert volume.open_finding_count() == 0


async def test_what_was_seen_of_a_copy_that_was_mended_since_is_not_said_of_the_new_one(
    volume: Volume, first: MadePackage
) -> None:
    await store(volume, first)
    (folder_of(volume, first) / "v1/content/received/bagit.txt").unlink()
    late = check(volume, first)
    assert late.damages != ()
    assert record_checks(volume, [late], "2026-11-23T00:00:00.000000Z") == [late]
    await store(volume, mending(first))
    assert volume.open_finding_count() == 0
    assert record_checks(volume, [late], "2026-11-23T00:00:01.000000Z") == []
    assert volume.open_finding_count() == 0


async def test_a_check_during_which_a_version_joins_is_not_finished(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    stored = volume.stat(first.order.object_id)
    assert stored is not None
    folder = folder_of(volume, first)

    def join(read_bytes: int) -> None:
        if read_bytes and not (folder / "v2").exists():
            (folder / "v2").mkdir()

    target = target_of(volume, stored)
    assert not check_object(target, MediumReader(volume.verify_mode), join).finished


async def test_what_is_being_published_is_not_judged(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    object_id = first.order.object_id
    incoming = send(volume, second)
    assert volume.is_committing(object_id)
    (folder_of(volume, first) / "v1/content/received/bagit.txt").unlink()
    found = check(volume, first)
    assert found.damages != ()
    assert record_checks(volume, [found], "2026-11-23T00:00:00.000000Z") == []
    incoming.abandon()
    assert not volume.is_committing(object_id)
    assert record_checks(volume, [found], "2026-11-23T00:00:00.000000Z") == [found]


async def test_what_a_failed_group_left_is_not_judged_until_it_is_recovered(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    incoming = send(volume, second)
    staged = incoming.staged.version(2) / "content/received/bagit.txt"
    staged.chmod(0o640)
    staged.write_bytes(b"not what was sent")
    with pytest.raises(ReadBackFailed):
        await volume.commit(incoming)
    assert volume.state().state == "read-only"
    found = replace(check(volume, first), damages=(Damage(DamageKind.STRAY, "v2", ""),))
    assert record_checks(volume, [found], "2026-11-23T00:00:00.000000Z") == []
    volume.self_test()
    assert not volume.is_committing(first.order.object_id)
    assert_holds(volume, first)
    await store(volume, second)
    assert_holds(volume, second)


async def test_an_earlier_inventory_that_was_changed_with_its_sidecar_is_found(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    await store(volume, second)
    folder = folder_of(volume, first) / "v1"
    changed = first.inventory.replace(b"lantai", b"LANTAI")
    for name, content in (
        ("inventory.json", changed),
        ("inventory.json.sha256", sidecar(hashlib.sha256(changed).hexdigest())),
    ):
        (folder / name).unlink()
        (folder / name).write_bytes(content)
    assert [(each.kind, each.path) for each in check(volume, second).damages] == [
        (DamageKind.INVENTORY_DAMAGED, "v1/inventory.json"),
        (DamageKind.SIDECAR_DAMAGED, "v1/inventory.json.sha256"),
    ]


async def test_a_quick_look_sees_what_is_missing_or_short_in_any_version(
    volume: Volume, first: MadePackage, second: MadePackage
) -> None:
    await store(volume, first)
    await store(volume, second)
    folder = folder_of(volume, first)
    (folder / "v1/content/received/data/empty").unlink()
    os.truncate(folder / "v1/content/received/data/scan.tif", 1000)
    os.truncate(folder / "v2/content/received/data/scan.tif", 1000)
    assert {(each.kind, each.path) for each in check(volume, second, PassKind.QUICK).damages} == {
        (DamageKind.MISSING, "v1/content/received/data/empty"),
        (DamageKind.TRUNCATED, "v1/content/received/data/scan.tif"),
        (DamageKind.TRUNCATED, "v2/content/received/data/scan.tif"),
    }


async def test_ten_versions_are_ten_versions(volume: Volume) -> None:
    package = make_package({"received/n": b"0"})
    await store(volume, package)
    for number in range(1, 11):
        package = make_package({"received/n": str(number).encode()}, previous=package)
        await store(volume, package)
    assert_holds(volume, package)
    assert list(read_inventory(folder_of(volume, package) / "inventory.json").versions) == [
        f"v{number}" for number in range(1, 12)
    ]
