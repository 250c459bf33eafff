"""How far a transfer is, from the worker's own count to the record (ingest_watch/progress*.py)."""

import shutil
import threading
from pathlib import Path

import pytest

from ingest_watch import progress
from ingest_watch.preparation import Job, Preparation
from ingest_watch.prepare import prepare
from ingest_watch.progress import Done, read_progress, told_in
from ingest_watch.progress_notes import Pace
from ingest_watch.staging import stage_file, stage_folder
from storage.catalogue.transfer_lists import seconds_left
from tests.bags import write_files
from tests.conftest import WaitUntil
from tests.intake_world import IntakeWorld, has, send


def test_what_a_job_has_done_can_be_read_beside_its_work(tmp_path: Path) -> None:
    with told_in(tmp_path, pause_s=0):
        progress.expect(10**13)
        assert read_progress(tmp_path) is None
        progress.advance(5)
        progress.advance(7)
        assert read_progress(tmp_path) == Done(12, 10**13)
        progress.expect(None)
        progress.advance(3)
        assert read_progress(tmp_path) == Done(3, None)


def test_a_small_job_tells_nothing(tmp_path: Path) -> None:
    with told_in(tmp_path):
        progress.expect(5)
        progress.advance(5)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_staged_tells_of_every_byte_it_copies(tmp_path: Path) -> None:
    """A folder, and the same as an archive: its copy first, then what is in it."""
    content = b"x" * 3_000_000
    folder = write_files(tmp_path / "bag", {"data/1.bin": content, "data/2.bin": b"y" * 10})
    (tmp_path / "as-folder").mkdir()
    with told_in(tmp_path / "as-folder", pause_s=0):
        stage_folder(folder, tmp_path / "staged", tmp_path / "listing")
    assert read_progress(tmp_path / "as-folder") == Done(3_000_010, 3_000_010)
    shutil.make_archive(str(tmp_path / "bag"), "tar", folder)
    (tmp_path / "as-archive").mkdir()
    with told_in(tmp_path / "as-archive", pause_s=0):
        stage_file(tmp_path / "bag.tar", tmp_path / "unpacked", tmp_path / "listing-2")
    assert read_progress(tmp_path / "as-archive") == Done(3_000_010, None)


def test_outside_a_job_nobody_is_told(tmp_path: Path) -> None:
    progress.expect(5)
    progress.advance(5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("torn", [b"", b"12", b"x" * 42, b"1" * 41 + b"\n", b" " * 42])
def test_a_file_that_is_no_progress_says_nothing(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / "progress").write_bytes(torn)
    assert read_progress(tmp_path) is None


def test_the_pace_follows_what_was_done_of_late() -> None:
    pace = Pace()
    assert pace.look(0, 0.0) is None
    assert pace.look(200, 2.0) == 100
    assert pace.look(200, 4.0) == 50, "half of it is the stall"
    assert pace.look(100, 6.0) is None, "another state began"
    assert pace.look(300, 8.0) == 100


async def test_a_package_that_is_being_copied_shows_how_far_it_is_and_how_fast(
    world: IntakeWorld, wait_until: WaitUntil
) -> None:
    is_over = threading.Event()

    def prepare_slowly(job: Job) -> Preparation:
        job.work.mkdir()
        done = 0
        while not is_over.wait(0.01):
            done += 1000
            (job.work / "progress").write_bytes(f"{done:>20} {10**9:>20}\n".encode())
        return prepare(job)

    world.prepare = prepare_slowly
    send(world, "case-1")

    async def shows_its_pace() -> bool:
        (transfer,) = await world.transfers()
        return bool(transfer.bytes_done and seconds_left(transfer))

    async with world.intake() as running:
        await running.look()
        await wait_until(shows_its_pace, 20)
        (transfer,) = await world.transfers()
        assert transfer.bytes_total == 10**9
        is_over.set()
        await running.settle_down()
    (transfer,) = await world.transfers()
    assert (transfer.state.value, transfer.bytes_done, seconds_left(transfer)) == (
        "stored",
        0,
        None,
    )


async def test_a_package_on_its_way_to_the_nodes_shows_what_the_slowest_has_written(
    world: IntakeWorld, wait_until: WaitUntil
) -> None:
    send(world, "case-1")
    world.nodes[2].reachable.clear()

    async def shows_its_size() -> bool:
        (transfer,) = await world.transfers()
        return transfer.bytes_total is not None

    async with world.intake() as running:
        await running.look()
        await wait_until(lambda: has(world, "writing"))
        await wait_until(shows_its_size, 20)
        (transfer,) = await world.transfers()
        assert transfer.bytes_done == 0
        world.nodes[2].reachable.set()
        await running.settle_down()
