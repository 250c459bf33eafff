"""Hints from a real inotify (ingest_watch/watch.py)."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ingest_watch.drop_folder import DropFolder
from ingest_watch.settle import CompleteWhen, SettleRule
from ingest_watch.watch import FolderWatch

LONG_S = 20.0
PAUSE_S = 0.05


def _reason(watch: FolderWatch) -> str | None:
    """Why it polls, asked anew: the type checker would remember the last answer."""
    return watch.polling_because


async def test_a_package_moved_in_is_a_hint(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "case-0001").mkdir()
    async with FolderWatch(tmp_path / "drop", pause_s=PAUSE_S) as watch:
        assert watch.polling_because is None
        (tmp_path / "case-0001").rename(tmp_path / "drop/case-0001")
        assert await watch.hint(LONG_S)


async def test_a_file_written_to_its_end_is_a_hint(tmp_path: Path) -> None:
    async with FolderWatch(tmp_path, pause_s=PAUSE_S) as watch:
        (tmp_path / "case.zip").write_bytes(b"x")
        assert await watch.hint(LONG_S)


async def test_without_a_hint_the_wait_ends_in_time(tmp_path: Path) -> None:
    async with FolderWatch(tmp_path, pause_s=PAUSE_S) as watch:
        assert not await watch.hint(0.1)


async def test_our_own_scans_are_no_hint(tmp_path: Path) -> None:
    (tmp_path / "drop" / "case").mkdir(parents=True)
    (tmp_path / "drop" / "case.zip").touch()
    rule = SettleRule(CompleteWhen.PROVEN)
    folder = DropFolder(tmp_path / "drop", tmp_path / "identity", rule)
    async with FolderWatch(tmp_path / "drop", pause_s=PAUSE_S) as watch:
        folder.scan()
        (tmp_path / "drop" / "case.zip").read_bytes()
        assert not await watch.hint(0.3)


async def test_a_storm_is_a_few_hints(tmp_path: Path) -> None:
    async with FolderWatch(tmp_path, pause_s=0.5) as watch:
        for number in range(2000):
            (tmp_path / str(number)).mkdir()
        hints = 0
        while await watch.hint(1.2):
            hints += 1
    assert 1 <= hints < 20


async def test_a_folder_that_is_not_there_is_polled_until_the_watch_is_renewed(
    tmp_path: Path,
) -> None:
    async with FolderWatch(tmp_path / "drop", pause_s=PAUSE_S) as watch:
        assert _reason(watch) == "No such file or directory"
        assert not await watch.hint(0.1)
        (tmp_path / "drop").mkdir()
        await watch.renew()
        assert _reason(watch) is None
        (tmp_path / "drop" / "case").mkdir()
        assert await watch.hint(LONG_S)


async def test_where_the_site_says_so_nothing_is_watched(tmp_path: Path) -> None:
    async with FolderWatch(tmp_path, polling=True, pause_s=PAUSE_S) as watch:
        assert watch.polling_because == "configured"
        (tmp_path / "case").mkdir()
        assert not await watch.hint(0.2)


async def test_when_the_system_has_no_watches_left_it_polls(tmp_path: Path) -> None:
    """In a user namespace of its own that may have no inotify instance (inotify(7))."""
    code = """
import asyncio, sys
from pathlib import Path
Path("/proc/sys/user/max_inotify_instances").write_text("0")
from ingest_watch.watch import FolderWatch
async def main():
    async with FolderWatch(Path(sys.argv[1]), pause_s=0.01) as watch:
        print(watch.polling_because)
        assert not await watch.hint(0.05)
asyncio.run(main())
"""
    child = await asyncio.create_subprocess_exec(
        *("unshare", "--user", "--map-root-user", sys.executable, "-c", code, str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, errors = await child.communicate()
    if b"unshare" in errors:
        pytest.skip(errors.decode())
    assert said.decode().strip() == "inotify instance limit reached", errors.decode()


async def test_a_watch_that_died_with_its_folder_falls_back_to_polling(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    async with FolderWatch(tmp_path / "drop", pause_s=PAUSE_S) as watch:
        (tmp_path / "drop").rmdir()
        async with asyncio.timeout(LONG_S):
            while watch.polling_because is None:
                await watch.hint(0.1)
        assert watch.polling_because == "the watch ended"
