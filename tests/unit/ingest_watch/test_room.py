"""Room on a real staging disk (ingest_watch/room.py): booked, given back, and reserved."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest_watch.package_readers import PackageReaders
from ingest_watch.preparation import Acceptable, Job, NoRoom, Profile
from ingest_watch.reader_kind import reader_kind
from ingest_watch.room import StagingFull, make_way, room_for, shared_by_others
from ingest_watch.workers import Workers
from tests.bags import ZipPart, bag_files, bag_parts, write_files, zip_bytes

MEBIBYTE = 1024**2
LARGE_BYTES = 48 * MEBIBYTE
RESERVE_BYTES = 32 * MEBIBYTE

pytestmark = pytest.mark.needs_root


@dataclass
class Disk:
    """A staging disk of its own, and a drop folder elsewhere."""

    staging: Path
    drop: Path
    workers: Workers

    def free_bytes(self) -> int:
        disk = os.statvfs(self.staging)
        return disk.f_bavail * disk.f_frsize

    async def prepare(self, name: str, reserve_bytes: int = RESERVE_BYTES) -> object:
        job = Job(
            archive="馆",
            source="portal",
            name_raw=name.encode(),
            name=name,
            drop=self.drop,
            work=self.staging / f"work-{name}",
            received_at="2026-11-22T08:00:00Z",
            profile=Profile(("bagit",), "name"),
            staging_reserve_bytes=reserve_bytes,
        )
        return await PackageReaders(self.workers).prepare(job)


@pytest.fixture
def disk(tmp_path: Path, loop_filesystem: Callable[..., Path]) -> Iterator[Disk]:
    drop = tmp_path / "drop"
    write_files(drop / "small", bag_files())
    write_files(drop / "large", bag_files({"data/scan.tif": bytes(LARGE_BYTES)}))
    workers = Workers(1, reader_kind(4))
    yield Disk(loop_filesystem("ext4", size_mib=160), drop, workers)
    workers.close()


async def test_a_package_that_does_not_fit_beside_another_waits_and_small_ones_pass(
    disk: Disk,
) -> None:
    """The other is under way: it has booked its room, and not written a byte yet."""
    booked_bytes = disk.free_bytes() - RESERVE_BYTES - LARGE_BYTES // 2
    with shared_by_others(disk.staging, RESERVE_BYTES), room_for(disk.staging, booked_bytes):
        waits = await disk.prepare("large")
        assert isinstance(waits, NoRoom)
        assert f"beside a reserve of {RESERVE_BYTES}" in waits.reason
        assert isinstance(await disk.prepare("small"), Acceptable)
    assert isinstance(await disk.prepare("large"), Acceptable)


async def test_the_reserve_stays_free(disk: Disk) -> None:
    too_much = disk.free_bytes() - LARGE_BYTES
    assert isinstance(await disk.prepare("large", too_much), NoRoom)
    assert isinstance(await disk.prepare("small", too_much), Acceptable)


async def test_what_an_archive_unpacks_to_is_booked_beside_the_archive(disk: Disk) -> None:
    part = ZipPart(b"data/scan.tif", os.urandom(MEBIBYTE) * 48)
    (disk.drop / "archive.zip").write_bytes(zip_bytes([*bag_parts(), part]))
    content_bytes = (disk.drop / "archive.zip").stat().st_size
    reserve_bytes = disk.free_bytes() - int(1.5 * content_bytes)
    assert isinstance(await disk.prepare("archive.zip", reserve_bytes), NoRoom)


def test_room_is_given_back_as_what_it_was_booked_for_is_written(disk: Disk) -> None:
    """Never is more taken than was booked, and the reserve aside nothing is left for others."""
    before = disk.free_bytes()
    slack = 2 * MEBIBYTE  # of the file system's own
    with (
        shared_by_others(disk.staging, 0),
        room_for(disk.staging, LARGE_BYTES),
        (disk.staging / "scan.tif").open("wb", buffering=0) as file,
    ):
        assert before - disk.free_bytes() == pytest.approx(LARGE_BYTES, abs=slack)
        for _ in range(48):
            make_way(MEBIBYTE)
            file.write(os.urandom(MEBIBYTE))
            os.fsync(file.fileno())
            taken = before - disk.free_bytes()
            assert LARGE_BYTES - 16 * MEBIBYTE - slack <= taken <= LARGE_BYTES + slack
    assert before - disk.free_bytes() == pytest.approx(LARGE_BYTES, abs=slack)


def test_a_booking_ends_with_its_package_whatever_becomes_of_that(disk: Disk) -> None:
    before = disk.free_bytes()
    with (
        pytest.raises(ValueError, match="broken"),
        shared_by_others(disk.staging, 0),
        room_for(disk.staging, LARGE_BYTES),
    ):
        raise ValueError("broken")
    assert disk.free_bytes() == before
    assert sorted(path.name for path in disk.staging.iterdir()) == ["lost+found"]


def test_of_two_that_fit_one_by_one_only_one_is_let_in(disk: Disk) -> None:
    with shared_by_others(disk.staging, RESERVE_BYTES):
        more_than_half = (disk.free_bytes() - RESERVE_BYTES) * 2 // 3
        with (
            room_for(disk.staging, more_than_half),
            pytest.raises(StagingFull),
            room_for(disk.staging, more_than_half),
        ):
            pass
        with room_for(disk.staging, more_than_half):
            pass


def test_where_nobody_shares_the_disk_room_is_asked_for_and_not_taken(disk: Disk) -> None:
    before = disk.free_bytes()
    with room_for(disk.staging, LARGE_BYTES):
        assert disk.free_bytes() == before
    with pytest.raises(StagingFull), room_for(disk.staging, before + 1):
        pass
