"""Damage to a node's own records is found by every sweep; what is a mere index is made anew."""

import sqlite3
from pathlib import Path

import pytest

from storage.sweep.model import Damage, DamageKind
from storage.volume.volume import Volume
from tests.volume_packages import make_package, store

AT = "2026-11-22T08:00:00.000000Z"


def check(volume: Volume) -> list[Damage]:
    return volume.records_check()(lambda _read_bytes: None)


async def fill(volume: Volume, count: int = 3) -> None:
    for number in range(count):
        await store(volume, make_package({"received/a": b"a"}, f"lantai:s/{number}"))


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)


async def test_whole_records_have_nothing_wrong(volume: Volume) -> None:
    await fill(volume)
    assert check(volume) == []


async def test_what_is_appended_while_the_check_runs_is_not_judged(volume: Volume) -> None:
    await fill(volume)
    asked_before = volume.records_check()
    await store(volume, make_package({"received/a": b"a"}, "lantai:s/later"))
    overwrite_tail = volume.settings.journal / "00000001.log"
    with overwrite_tail.open("ab") as stream:
        stream.write(b"half a line")
    assert asked_before(lambda _read_bytes: None) == []


async def test_rot_in_an_older_segment_is_found_and_stays_on_record(
    volume_of_small_segments: Volume,
) -> None:
    volume = volume_of_small_segments
    await fill(volume)
    assert len(list(volume.settings.journal.iterdir())) > 2
    overwrite(volume.settings.journal / "00000001.log", 300, b"#")
    (damage,) = check(volume)
    assert damage.kind is DamageKind.JOURNAL_DAMAGED
    assert damage.path == "journal/00000001.log"
    volume.settle_records([damage], AT)
    assert volume.state().message.startswith("journal-damaged")
    assert volume.open_findings("")[0].kind == "journal-damaged"


async def test_a_segment_that_is_gone_is_found(volume_of_small_segments: Volume) -> None:
    volume = volume_of_small_segments
    await fill(volume)
    (volume.settings.journal / "00000002.log").unlink()
    (damage,) = check(volume)
    assert (damage.kind, damage.path) == (DamageKind.JOURNAL_DAMAGED, "journal/00000002.log")


async def test_a_journal_that_was_cut_at_a_record_is_found(volume: Volume) -> None:
    await fill(volume)
    segment = volume.settings.journal / "00000001.log"
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-1]))
    assert [damage.kind for damage in check(volume)] == [DamageKind.JOURNAL_DAMAGED]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE objects SET file_count=file_count+1 WHERE object_id='lantai:s/1'",
        "DELETE FROM objects WHERE object_id='lantai:s/1'",
        "UPDATE objects SET offset=offset+1 WHERE object_id='lantai:s/1'",
        "UPDATE objects SET segment=segment+1 WHERE object_id='lantai:s/1'",
    ],
)
async def test_a_row_that_is_not_as_its_record_says_is_found_and_made_anew(
    volume: Volume, change: str
) -> None:
    await fill(volume)
    before = volume.objects("", 10)
    with sqlite3.connect(volume.settings.index) as database:
        database.execute(change)
    database.close()
    (damage,) = check(volume)
    assert damage.kind is DamageKind.INDEX_DAMAGED
    volume.settle_records([damage], AT)
    after = volume.objects("", 10)
    assert [each.inventory_sha256 for each in after] == [each.inventory_sha256 for each in before]
    assert check(volume) == []
    assert volume.open_findings("") == []
    assert [each.kind for each in volume.findings(0, 10)] == ["index-damaged"]


async def test_an_index_that_is_no_database_any_more_is_made_anew(volume: Volume) -> None:
    await fill(volume)
    with sqlite3.connect(volume.settings.index) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    overwrite(volume.settings.index, 4096, b"\xff" * 8192)
    found = check(volume)
    assert [damage.kind for damage in found] == [DamageKind.INDEX_DAMAGED]
    volume.settle_records(found, AT)
    assert len(volume.objects("", 10)) == 3
    assert (volume.settings.beside / "damaged-index.sqlite").exists()
    await store(volume, make_package({"received/a": b"a"}, "lantai:s/later"))
    assert check(volume) == []
