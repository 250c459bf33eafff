"""Which disk is opened, by whom, and what the index is made of."""

import asyncio
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from storage.model import VerifyMode
from storage.signing import SigningKey
from storage.volume.refusals import (
    DiskChanged,
    IdentityWrong,
    JournalRotten,
    VolumeInUse,
    VolumeNotEmpty,
    VolumeReadOnly,
)
from storage.volume.selftest import prove_medium
from storage.volume.volume import Volume
from tests.volume_packages import make_package, new_volume, settings_for, store


def test_a_volume_is_made_only_where_nothing_is(volume: Volume, key: SigningKey) -> None:
    with pytest.raises(VolumeNotEmpty):
        Volume.create(volume.settings, key)


def test_a_disk_is_open_once(volume: Volume, key: SigningKey) -> None:
    with pytest.raises(VolumeInUse):
        Volume.open(volume.settings, key)


def test_an_empty_folder_is_not_taken_for_the_disk(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(IdentityWrong, match="mounted"):
        Volume.open(settings_for(tmp_path), key)


def test_the_disk_of_another_node_is_refused(volume: Volume, key: SigningKey) -> None:
    volume.close()
    with pytest.raises(IdentityWrong, match="not signed by the key"):
        Volume.open(volume.settings, SigningKey.generate())
    with pytest.raises(IdentityWrong, match="not of node-2"):
        Volume.open(replace(volume.settings, node="node-2"), key)


def test_an_identity_that_was_edited_is_refused(volume: Volume, key: SigningKey) -> None:
    volume.close()
    identity = volume.root / "node-identity"
    content = identity.read_bytes().replace(b"room-a", b"room-b")
    identity.unlink()
    identity.write_bytes(content)
    with pytest.raises(IdentityWrong, match="not signed by the key"):
        Volume.open(volume.settings, key)


def test_nothing_begins_on_a_disk_that_was_exchanged(volume: Volume) -> None:
    volume.root.rename(volume.settings.beside / "elsewhere")
    volume.root.mkdir()
    with pytest.raises(DiskChanged):
        volume.begin(make_package().order)
    shutil.copytree(volume.settings.beside / "elsewhere", volume.root, dirs_exist_ok=True)
    with pytest.raises(DiskChanged):
        volume.begin(make_package().order)


async def test_the_index_is_the_same_after_it_was_rebuilt(volume: Volume, key: SigningKey) -> None:
    packages = [make_package(object_id=f"lantai:s/{number}") for number in range(3)]
    for package in packages:
        await store(volume, package)
    before = rows(volume)
    volume.rebuild_index()
    assert rows(volume) == before
    volume.close()
    for part in volume.settings.beside.glob("index.sqlite*"):
        part.unlink()
    volume = Volume.open(volume.settings, key)
    assert rows(volume)["objects"] == before["objects"]
    assert rows(volume)["operations"] == before["operations"]
    volume.close()


def test_a_damaged_index_is_made_anew(volume: Volume, key: SigningKey) -> None:
    package = make_package()
    answer = asyncio.run(store(volume, package))
    volume.close()
    volume.settings.index.write_bytes(b"no database" * 1000)
    volume = Volume.open(volume.settings, key)
    assert volume.begin(package.order) == answer
    volume.close()


async def test_an_index_that_fell_behind_catches_up(volume: Volume, key: SigningKey) -> None:
    first, second = make_package(object_id="lantai:s/1"), make_package(object_id="lantai:s/2")
    await store(volume, first)
    volume.close()
    old = volume.settings.index.read_bytes()
    volume = Volume.open(volume.settings, key)
    await store(volume, second)
    volume.close()
    volume.settings.index.write_bytes(old)
    volume = Volume.open(volume.settings, key)
    assert volume.state().objects == 2
    volume.close()


async def test_an_index_from_another_journal_is_rebuilt(tmp_path: Path, key: SigningKey) -> None:
    other = new_volume(tmp_path / "other", key)
    for number in range(5):
        await store(other, make_package({"received/a": b"a"}, f"lantai:other/{number}"))
    other.close()
    volume = new_volume(tmp_path / "one", key)
    await store(volume, make_package())
    volume.close()
    shutil.copy(other.settings.index, volume.settings.index)
    volume = Volume.open(volume.settings, key)
    assert [stored.object_id for stored in volume.objects("", 10)] == [
        "lantai:gov-portal/case-0001"
    ]
    volume.close()


async def test_a_rotten_journal_makes_the_volume_read_only_and_is_left_alone(
    volume: Volume, key: SigningKey
) -> None:
    package = make_package()
    await store(volume, package)
    volume.close()
    segment = volume.settings.journal / "00000001.log"
    content = bytearray(segment.read_bytes())
    content[200] ^= 1
    segment.write_bytes(content)
    volume = Volume.open(volume.settings, key)
    state = volume.state()
    assert state.state == "read-only"
    assert "00000001.log is damaged" in state.message
    with pytest.raises(VolumeReadOnly):
        volume.begin(make_package(object_id="lantai:s/new").order)
    path = "v1/content/received/bagit.txt"
    assert volume.read(package.order.object_id, path, 0, 5) == b"BagIt"
    volume.close()
    assert segment.read_bytes() == content


def test_the_self_test_leaves_nothing_behind(volume: Volume) -> None:
    mode = prove_medium(volume.settings.staging)
    assert mode in set(VerifyMode)
    assert list(volume.settings.staging.iterdir()) == []


def rows(volume: Volume) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(volume.settings.index) as database:
        found = {
            table: database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in ("objects", "operations", "findings", "epochs", "reached")
        }
    database.close()
    return found


@pytest.mark.parametrize("how", ["emptied", "deleted", "replaced", "cut", "with the index"])
async def test_a_lost_journal_makes_the_volume_read_only_and_quarantines_nothing(
    volume: Volume, key: SigningKey, tmp_path: Path, how: str
) -> None:
    """Without its records every object would look like a stray. The disk still serves reads."""
    package = make_package()
    await store(volume, package)
    volume.close()
    lose_journal(volume, how, tmp_path)
    for _ in range(2):  # nor does a second opening take the loss for a beginning
        volume = Volume.open(volume.settings, key)
        state = volume.state()
        assert state.state == "read-only"
        assert state.message.startswith("journal-lost")
        assert not volume.takes_records()
        with pytest.raises(JournalRotten):
            volume.self_test()
        assert volume.state().state == "read-only"
        with pytest.raises(VolumeReadOnly):
            volume.begin(make_package(object_id="lantai:s/new").order)
        if how != "with the index":
            path = "v1/content/received/bagit.txt"
            assert volume.read(package.order.object_id, path, 0, 5) == b"BagIt"
        volume.close()
    assert list(volume.settings.quarantine.iterdir()) == []
    assert volume.object_folder(package.order.object_id).parts


def test_an_empty_volume_whose_journal_is_lost_has_lost_nothing(
    volume: Volume, key: SigningKey
) -> None:
    volume.close()
    for segment in volume.settings.journal.iterdir():
        segment.unlink()
    volume = Volume.open(volume.settings, key)
    assert volume.state().state == "ready"
    volume.close()


def lose_journal(volume: Volume, how: str, elsewhere: Path) -> None:
    (segment,) = volume.settings.journal.iterdir()
    match how:
        case "emptied":
            segment.write_bytes(b"")
        case "replaced":
            other = new_volume(elsewhere / "other")
            other.close()
            shutil.copy(other.settings.journal / segment.name, segment)
        case "cut":  # restored from an old backup: it knows of the volume, not of the object
            lines = segment.read_bytes().splitlines(keepends=True)
            segment.write_bytes(b"".join(lines[:3]))
        case _:
            segment.unlink()
    if how == "with the index":
        for part in volume.settings.beside.glob("index.sqlite*"):
            part.unlink()
