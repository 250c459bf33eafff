"""The view, mounted for real, over real copies on disk, read as staff read it."""

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.view_world import (
    BIG,
    FILES,
    MIB,
    Archive,
    RunningView,
    built_archive,
    error_of,
    names_in,
)
from tests.stored_copies import write_copies

pytestmark = pytest.mark.needs_fuse


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with built_archive(tmp_path) as built:
        yield built


@pytest.fixture
def view(archive: Archive) -> RunningView:
    return archive.start()


def test_staff_see_sources_packages_versions_and_the_senders_own_names(view: RunningView) -> None:
    assert names_in(view.mountpoint) == ["gov-portal"]
    assert set(names_in(view.mountpoint / "gov-portal")) == {"case-0001", "案卷 二"}
    assert names_in(view.version.parent) == ["v1", "v1.lantai"]
    found = [path for path in view.version.rglob("*") if not path.is_dir()]
    assert {os.fsencode(path.relative_to(view.version)) for path in found} == set(FILES)
    assert len(found) == len(FILES)
    assert names_in(view.mountpoint / "gov-portal" / "案卷 二" / "v1") == ["a.ofd"]


def test_every_file_has_the_senders_bytes(view: RunningView) -> None:
    for name, content in FILES.items():
        assert (view.version / os.fsdecode(name)).read_bytes() == content


def test_what_lantai_recorded_lies_beside_the_version(view: RunningView) -> None:
    records = view.version.with_name("v1.lantai")
    assert names_in(records) == ["files.jsonl", "names.jsonl", "package.json"]
    assert len((records / "files.jsonl").read_text().splitlines()) == len(FILES)


def test_a_name_that_is_not_there_is_not_found(view: RunningView) -> None:
    for name in ("nothing", "data/nothing", "data/scan.tif2", "data/%C9%EA%C7%EB%B1%ED.pdf"):
        assert not (view.version / name).exists()
    assert not (view.version.parent / "v2").exists()
    assert not (view.mountpoint / "other-source").exists()


def test_files_have_their_size_their_date_and_no_right_to_write(view: RunningView) -> None:
    found = (view.version / "data" / "scan.tif").stat()
    assert found.st_size == len(BIG)
    assert found.st_mtime == 1795334400
    assert stat.filemode(found.st_mode) == "-r--r--r--"
    assert stat.filemode(view.version.stat().st_mode) == "dr-xr-xr-x"


def test_reads_of_any_size_at_any_place_give_the_original_bytes(view: RunningView) -> None:
    chance = random.Random(7)
    with (view.version / "data" / "scan.tif").open("rb", buffering=0) as file:
        for _ in range(200):
            offset = chance.randrange(len(BIG) + 10)
            length = chance.choice([1, 100, 4096, 65537, MIB, 3 * MIB])
            assert os.pread(file.fileno(), length, offset) == BIG[offset : offset + length]


def test_readers_at_the_same_time_each_get_their_own_bytes(view: RunningView) -> None:
    def read(seed: int) -> bool:
        chance = random.Random(seed)
        with (view.version / "data" / "scan.tif").open("rb", buffering=0) as file:
            for _ in range(30):
                offset = chance.randrange(len(BIG))
                if os.pread(file.fileno(), 200_000, offset) != BIG[offset : offset + 200_000]:
                    return False
        return True

    with ThreadPoolExecutor(8) as readers:
        assert all(readers.map(read, range(8)))


def test_a_folder_of_thousands_lists_each_file_once(archive: Archive) -> None:
    files = {b"d/%05d" % number: b"%d" % number for number in range(3000)}
    archive.written["many"] = write_copies(archive.nodes[:1], "lantai:gov-portal/many", files)
    view = archive.start()
    folder = view.mountpoint / "gov-portal" / "many" / "v1" / "d"
    assert names_in(folder) == [f"{number:05d}" for number in range(3000)]


def test_nothing_can_be_written(view: RunningView) -> None:
    existing = view.version / "bagit.txt"
    attempts: list[Callable[[], object]] = [
        lambda: (view.version / "new").write_bytes(b""),
        lambda: existing.write_bytes(b"x"),
        existing.unlink,
        lambda: existing.rename(view.version / "other"),
        (view.version / "folder").mkdir,
        lambda: existing.chmod(0o666),
        lambda: os.truncate(existing, 0),
        lambda: os.utime(existing),
        lambda: (view.version / "link").symlink_to("/etc/passwd"),
        lambda: os.setxattr(existing, "user.x", b"1"),
    ]
    assert [error_of(attempt) for attempt in attempts] == [errno.EROFS] * len(attempts)


def test_a_damaged_copy_is_passed_over_and_told_of(view: RunningView) -> None:
    path = "v1/content/received/data/scan.tif"
    stored = view.stored(0, "case-0001", path)
    content = bytearray(stored.read_bytes())
    content[3 * MIB + 5] ^= 1
    stored.write_bytes(content)
    assert (view.version / "data" / "scan.tif").read_bytes() == BIG
    status, told = view.stop()
    assert status == 0
    assert told == [f"damaged node-1 altered {path}"]


def test_a_file_damaged_on_every_node_is_an_input_output_error(view: RunningView) -> None:
    path = "v1/content/received/bagit.txt"
    for node in range(3):
        view.stored(node, "case-0001", path).write_bytes(b"BagIt-Version: 6.6\n")
    assert error_of((view.version / "bagit.txt").read_bytes) == errno.EIO
    assert (view.version / "data" / "scan.tif").read_bytes() == BIG


def test_a_damaged_file_list_is_never_shown_as_absence(view: RunningView) -> None:
    for node in range(3):
        view.stored(node, "case-0001", "v1/inventory.json").write_bytes(b"{}")
    assert error_of(lambda: names_in(view.version)) == errno.EIO
    assert error_of((view.version / "bagit.txt").stat) == errno.EIO
    assert error_of((view.version / "never-was-there").stat) == errno.EIO


def test_a_file_gone_from_every_node_is_an_input_output_error(view: RunningView) -> None:
    for node in range(3):
        view.stored(node, "case-0001", "v1/content/received/bagit.txt").unlink()
    assert error_of((view.version / "bagit.txt").read_bytes) == errno.EIO


def test_it_tells_df_how_much_there_is(view: RunningView) -> None:
    found = os.statvfs(view.mountpoint)
    assert (found.f_blocks * found.f_frsize) // 4096 == 2442
    assert found.f_bavail == 0
    assert found.f_files == 2
    assert found.f_flag & os.ST_RDONLY
    assert found.f_flag & os.ST_NOSUID
