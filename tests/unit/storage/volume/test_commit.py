"""One put from its announcement to the signed answer, and every way to ask again."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from ocfl.storage_root import StorageRoot

from storage.model import SignedAnswer
from storage.node_answer import believe
from storage.ocfl.layout import object_folder
from storage.signing import SigningKey
from storage.volume.incoming import Incoming
from storage.volume.refusals import (
    ContentRefused,
    OpConflict,
    OperationClosed,
    OrderInvalid,
    StaleEpoch,
    VersionTaken,
    VolumeBusy,
    VolumeFull,
)
from storage.volume.volume import Volume
from tests.volume_packages import again, make_package, names, new_volume, send, store


def reopened(volume: Volume, key: SigningKey) -> Volume:
    volume.close()
    return Volume.open(volume.settings, key)


async def test_the_answer_is_signed_and_says_what_is_kept(volume: Volume, key: SigningKey) -> None:
    package = make_package()
    said = believe(await store(volume, package), "node-1", key.verify_key)
    assert (said.op_id, said.object_id, said.version) == (
        package.order.op_id,
        package.order.object_id,
        1,
    )
    assert said.inventory_sha256 == package.order.inventory_sha256
    assert (said.file_count, said.content_bytes) == (
        len(package.files),
        sum(map(len, package.files.values())),
    )
    assert (said.node_uuid, said.domain) == (volume.identity.node_uuid, "room-a")
    assert said.verify_mode == volume.verify_mode


async def test_every_file_lies_below_the_root_as_it_was_sent(volume: Volume) -> None:
    package = make_package()
    await store(volume, package)
    content = volume.root / object_folder(package.order.object_id) / "v1/content"
    kept = {
        str(path.relative_to(content)): path.read_bytes()
        for path in content.rglob("*")
        if path.is_file()
    }
    assert kept == package.files
    assert {path.stat().st_mode & 0o777 for path in content.rglob("*") if path.is_file()} == {0o440}
    assert names(volume.settings.staging) == []


async def test_a_root_that_was_written_is_valid_to_ocfl_py(volume: Volume) -> None:
    for number in range(3):
        await store(volume, make_package(object_id=f"lantai:来源/案卷 {number}"))
    root = StorageRoot(root=str(volume.root))
    root.validate(validate_objects=True, check_digests=True)
    assert (root.num_objects, root.good_objects, root.num_traversal_errors) == (3, 3, 0)


async def test_the_same_operation_gets_the_same_answer_even_after_a_restart(
    volume: Volume, key: SigningKey
) -> None:
    package = make_package()
    answer = await store(volume, package)
    assert volume.begin(package.order) == answer
    volume = reopened(volume, key)
    assert volume.begin(package.order) == answer
    volume.close()


async def test_another_operation_for_the_same_object_and_digest_gets_the_recorded_answer(
    volume: Volume,
) -> None:
    package = make_package()
    answer = await store(volume, package)
    assert volume.begin(again(package, op_id="ab" * 16).order) == answer


async def test_another_inventory_for_a_kept_version_is_refused(volume: Volume) -> None:
    await store(volume, make_package())
    with pytest.raises(VersionTaken):
        volume.begin(make_package({"received/a": b"other"}).order)


@pytest.mark.parametrize("change", ["object_id", "inventory_sha256", "file_list_sha256"])
async def test_an_operation_is_never_reused_for_something_else(volume: Volume, change: str) -> None:
    package = make_package()
    other = again(package, **{change: "0" * 64})
    volume.begin(package.order)
    with pytest.raises(OpConflict):
        volume.begin(other.order)
    await volume.commit(send(volume, package))
    with pytest.raises(OpConflict):
        volume.begin(other.order)


async def test_a_broken_connection_goes_on_where_it_was(volume: Volume) -> None:
    package = make_package()
    incoming = volume.begin(package.order)
    assert isinstance(incoming, Incoming)
    half = len(package.stream) // 2
    assert incoming.write(0, package.stream[:half]) == half
    resumed = volume.begin(package.order)
    assert isinstance(resumed, Incoming)
    assert resumed.written == half
    assert isinstance(await store(volume, package), SignedAnswer)


async def test_bytes_at_another_offset_are_ignored(volume: Volume) -> None:
    package = make_package()
    incoming = volume.begin(package.order)
    assert isinstance(incoming, Incoming)
    assert incoming.write(10, b"not yet") == 0
    assert incoming.write(0, package.stream[:10]) == 10
    assert incoming.write(0, package.stream[:10]) == 10
    assert isinstance(await volume.commit(send(volume, package)), SignedAnswer)


async def test_an_operation_that_is_not_complete_is_not_committed(volume: Volume) -> None:
    incoming = volume.begin(make_package().order)
    assert isinstance(incoming, Incoming)
    with pytest.raises(ContentRefused, match="0 of"):
        await volume.commit(incoming)


async def test_an_abandoned_operation_leaves_nothing_and_may_begin_again(volume: Volume) -> None:
    package = make_package()
    incoming = send(volume, package)
    incoming.abandon()
    assert names(volume.settings.staging) == []
    with pytest.raises(OperationClosed):
        await volume.commit(incoming)
    assert isinstance(await store(volume, package), SignedAnswer)


async def test_idle_operations_are_given_up_but_not_one_that_waits_for_its_group(
    volume: Volume,
) -> None:
    sealed = send(volume, make_package(object_id="lantai:s/sealed"))
    volume.begin(make_package(object_id="lantai:s/idle").order)
    assert volume.abandon_idle(60) == 0
    assert volume.abandon_idle(0) == 1
    assert isinstance(await volume.commit(sealed), SignedAnswer)


async def test_only_one_operation_writes_an_object(volume: Volume) -> None:
    package = make_package()
    volume.begin(package.order)
    with pytest.raises(VolumeBusy):
        volume.begin(again(package, op_id="cd" * 16).order)


async def test_a_keeper_that_led_before_is_refused_even_after_a_restart(
    volume: Volume, key: SigningKey
) -> None:
    volume.hear_keeper(3)
    volume.hear_keeper(3)
    assert volume.epoch == 3
    volume = reopened(volume, key)
    with pytest.raises(StaleEpoch, match="3 has begun"):
        volume.hear_keeper(2)
    assert volume.epoch == 3


async def test_a_writer_with_an_older_epoch_is_refused_even_after_a_restart(
    volume: Volume, key: SigningKey
) -> None:
    package = make_package()
    volume.begin(again(package, epoch=7).order)
    with pytest.raises(StaleEpoch):
        volume.begin(again(package, epoch=6).order)
    volume = reopened(volume, key)
    with pytest.raises(StaleEpoch):
        volume.begin(again(package, epoch=6).order)
    other = make_package(object_id="lantai:s/other")
    assert isinstance(await store(volume, other), SignedAnswer), "another claim has its own epochs"
    volume.close()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("op_id", "../../etc"),
        ("op_id", "AB" * 16),
        ("object_id", ""),
        ("object_id", "a\0b"),
        ("object_id", "x" * 1025),
        ("object_id", "\udc80"),
        ("inventory_sha256", "0" * 63),
        ("version", 0),
        ("epoch", 0),
        ("file_count", 0),
        ("file_list_bytes", 0),
        ("inventory_bytes", 0),
        ("content_bytes", -1),
    ],
)
def test_an_announcement_that_cannot_be_is_refused(
    volume: Volume, member: str, value: object
) -> None:
    with pytest.raises(OrderInvalid):
        volume.begin(again(make_package(), **{member: value}).order)


def test_a_package_that_does_not_fit_beside_the_reserve_is_refused(
    tmp_path: Path, key: SigningKey
) -> None:
    volume = new_volume(tmp_path, key, reserve_bytes=2**60)
    with pytest.raises(VolumeFull, match="reserve"):
        volume.begin(make_package().order)
    volume.close()


def test_what_was_promised_to_open_operations_is_not_promised_twice(volume: Volume) -> None:
    free_bytes = volume.state().free_bytes
    large = replace(make_package().order, content_bytes=free_bytes * 2 // 3)
    volume.begin(large)
    second = replace(large, op_id="ef" * 16, object_id="lantai:s/second")
    with pytest.raises(VolumeFull):
        volume.begin(second)


async def test_many_packages_at_once_are_committed_in_groups_by_worker_processes(
    tmp_path: Path, key: SigningKey
) -> None:
    volume = new_volume(tmp_path, key, read_back_processes=2, group_wait_s=0.05)
    packages = [
        make_package({"received/a": os.urandom(50)}, f"lantai:s/{number}") for number in range(24)
    ]
    incoming = [send(volume, package) for package in packages]
    answers = await asyncio.gather(*(volume.commit(member) for member in incoming))
    sequences = [believe(answer, "node-1", key.verify_key).journal_sequence for answer in answers]
    assert sequences == sorted(set(sequences))
    assert volume.state().objects == 24
    assert [volume.begin(package.order) for package in packages] == answers
    volume.close()


async def test_who_stops_waiting_changes_nothing(tmp_path: Path, key: SigningKey) -> None:
    """It stops while its group still waits for others."""
    volume = new_volume(tmp_path, key, group_wait_s=0.5)
    package = make_package()
    waiting = asyncio.ensure_future(volume.commit(send(volume, package)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    outcome = volume.begin(package.order)
    answer = await volume.commit(outcome) if isinstance(outcome, Incoming) else outcome
    assert volume.begin(package.order) == answer
    volume.close()
