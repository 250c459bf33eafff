"""Copying a folder that its sender is changing, or has filled with traps (A3-A13, A30-A37)."""

import hashlib
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from ingest_watch.findings import PackageChanged, PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.room import StagingFull
from ingest_watch.staging import (
    StagedPackage,
    inspect_folder,
    stage_file,
    stage_folder,
    staged_files,
)
from storage.digests import sha256_of_file
from tests.bags import bag_files, errors_of, tar_bytes, warnings_of, write_files, zip_bytes


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_files(tmp_path / "bag", bag_files(algorithms=("md5", "sha512")))


def stage(bag: Path, limits: IntakeLimits | None = None) -> StagedPackage:
    parent = bag.parent
    return stage_folder(bag, parent / "target", parent / "listing", limits or IntakeLimits())


def rejected_for(bag: Path, limits: IntakeLimits | None = None) -> str:
    with pytest.raises(PackageRejected) as refusal:
        stage(bag, limits)
    assert list((bag.parent / "target").iterdir()) == []
    return refusal.value.findings[0].code


def test_the_private_copy_has_every_byte_and_every_wanted_digest(bag: Path) -> None:
    staged = stage(bag)
    files = list(staged_files(staged))
    assert [file.path for file in files] == sorted(bag_files(algorithms=("md5", "sha512")))
    for file in files:
        content = (bag / file.path).read_bytes()
        copy = bag.parent / "target" / file.path
        assert copy.read_bytes() == content
        assert copy.stat().st_mode & 0o7777 == 0o440
        assert set(file.digests) == {"md5", "sha256", "sha512"}
        for algorithm, digest in file.digests.items():
            assert digest == hashlib.new(algorithm, content).hexdigest()
    assert staged.file_count == len(files)
    assert staged.content_bytes == sum(file.size_bytes for file in files)


def test_payload_is_not_hashed_for_tag_manifests_nor_tags_for_payload_manifests(
    tmp_path: Path,
) -> None:
    files = bag_files(algorithms=("sha256",))
    files["tagmanifest-md5.txt"] = b""
    staged = stage(write_files(tmp_path / "bag", files))
    digests = {file.path: set(file.digests) for file in staged_files(staged)}
    assert digests["data/scan/1.txt"] == {"sha256"}
    assert digests["bagit.txt"] == {"sha256", "md5"}


def test_large_files_get_a_block_root(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag", {"data/large": bytes(1024 * 1024 + 1), "data/small": b""})
    large, small = staged_files(stage(bag))
    assert large.block_root is not None
    assert small.block_root is None
    assert large.entry().path == "received/data/large"
    assert large.digests["sha256"] == sha256_of_file(bag / "data/large")


def test_inspecting_lists_the_same_and_copies_nothing(bag: Path) -> None:
    staged = list(staged_files(stage(bag)))
    inspected = inspect_folder(bag, bag.parent / "other")
    assert list(staged_files(inspected)) == staged
    assert inspected.folder == bag


def test_an_archive_lists_the_same_as_its_folder(bag: Path, tmp_path: Path) -> None:
    expected = list(staged_files(stage(bag)))
    files = bag_files(algorithms=("md5", "sha512"))
    archive = tmp_path / "bag.tar"
    archive.write_bytes(tar_bytes({f"bag/{path}": content for path, content in files.items()}))
    staged = stage_file(archive, tmp_path / "unpacked", tmp_path / "unpacked.listing")
    assert list(staged_files(staged)) == expected
    assert staged.serialised_sha256 == sha256_of_file(archive)
    assert not (tmp_path / "unpacked.archive").exists()


def test_staging_runs_in_a_process_of_its_own(bag: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        staged = pool.submit(
            stage_folder, bag, bag.parent / "target", bag.parent / "listing"
        ).result()
        refused = pool.submit(
            stage_file, bag / "bagit.txt", bag.parent / "other", bag.parent / "none"
        )
        assert isinstance(refused.exception(), PackageRejected)
    assert staged.file_count == len(list(staged_files(staged)))


def test_refusals_survive_the_way_out_of_a_worker_process(bag: Path) -> None:
    (bag / "link").symlink_to("/etc/passwd")
    with pytest.raises(PackageRejected) as refusal:
        stage(bag)
    copy = pickle.loads(pickle.dumps(refusal.value))
    assert copy.findings == refusal.value.findings
    assert "link" in str(copy)


@pytest.mark.parametrize("target", ["/etc/passwd", "bagit.txt", "missing", "."])
def test_any_symbolic_link_is_refused_before_a_byte_is_copied(bag: Path, target: str) -> None:
    (bag / "data" / "link").symlink_to(target)
    assert rejected_for(bag) == "link"


def test_a_package_that_is_itself_a_link_is_refused(bag: Path) -> None:
    link = bag.parent / "link"
    link.symlink_to(bag)
    with pytest.raises(PackageRejected):
        inspect_folder(link, bag.parent / "listing")


def test_pipes_and_sockets_are_refused_without_waiting_for_them(bag: Path) -> None:
    os.mkfifo(bag / "data" / "pipe")
    assert rejected_for(bag) == "special-file"
    (bag / "data" / "pipe").unlink()
    (bag.parent / "target").rmdir()
    (bag.parent / "listing").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bag / "data" / "s"))
        assert rejected_for(bag) == "special-file"


def test_a_file_with_several_names_is_copied_apart(bag: Path) -> None:
    outside = bag.parent / "editable"
    os.link(bag / "data/scan/1.txt", outside)
    stage(bag)
    outside.write_bytes(b"changed later")
    assert (bag.parent / "target/data/scan/1.txt").read_bytes() == b"page one\n"


def test_limits_on_files_bytes_and_names_are_held_before_copying(bag: Path) -> None:
    assert rejected_for(bag, IntakeLimits(files_max=3)) == "entries"
    for name in ("target", "listing"):
        subprocess.run(["rm", "-r", str(bag.parent / name)], check=True)
    assert rejected_for(bag, IntakeLimits(content_bytes_max=100)) == "too-large"
    for name in ("target", "listing"):
        subprocess.run(["rm", "-r", str(bag.parent / name)], check=True)
    assert rejected_for(bag, IntakeLimits(component_bytes_max=10)) == "name-too-long"


def test_a_giant_hole_is_counted_at_its_logical_size(bag: Path) -> None:
    with (bag / "data" / "hole").open("wb") as file:
        file.truncate(11 * 1024**4)
    assert rejected_for(bag) == "too-large"


def test_a_package_larger_than_the_staging_disk_waits_for_room(bag: Path) -> None:
    with (bag / "data" / "hole").open("wb") as file:
        file.truncate(9 * 1024**4)
    with pytest.raises(StagingFull):
        stage(bag)


@pytest.mark.needs_root
def test_another_file_system_inside_is_refused_even_when_it_is_the_same_disk(bag: Path) -> None:
    elsewhere = bag.parent / "elsewhere"
    elsewhere.mkdir()
    inside = bag / "data" / "mounted"
    inside.mkdir()
    subprocess.run(["mount", "--bind", str(elsewhere), str(inside)], check=True)
    try:
        assert rejected_for(bag) == "mount-crossing"
    finally:
        subprocess.run(["umount", str(inside)], check=True)


class Interference:
    """Changes the package from a trace of this thread, the moment a file is opened for reading."""

    def __init__(self, at: Path, change: Callable[[], object]) -> None:
        self._at = at.name
        self._change = change
        self._done = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._done or event != "open" or threading.current_thread() is not self._thread:
            return
        if str(arguments[0]).endswith(self._at):
            self._done = True
            self._change()

    def __enter__(self) -> None:
        self._thread = threading.current_thread()
        ACTIVE.append(self)

    def __exit__(self, *_: object) -> None:
        ACTIVE.remove(self)
        assert self._done, "the moment to interfere never came"


ACTIVE: list[Interference] = []


def _ask_the_active(event: str, arguments: tuple[object, ...]) -> None:
    for each in ACTIVE or ():  # None while the interpreter ends
        each(event, arguments)


# An audit hook stays for the life of the process; without an active interference it does nothing.
sys.addaudithook(_ask_the_active)


@pytest.mark.parametrize(
    "change",
    [
        lambda bag: (bag / "data/scan/1.txt").write_bytes(b"another page"),
        lambda bag: (bag / "bagit.txt").write_bytes(b"x"),
        lambda bag: (bag / "data/new.txt").write_bytes(b"came late"),
        lambda bag: (bag / "bag-info.txt").unlink(),
        lambda bag: os.utime(bag / "bagit.txt", ns=(1, 1)),
        lambda bag: (bag / "data/scan").rename(bag / "data/scans"),
    ],
)
def test_a_package_that_changes_while_it_is_copied_is_not_complete_yet(
    bag: Path, change: Callable[[Path], object]
) -> None:
    """The change happens when the copy of `manifest-md5.txt` is created, in the second walk."""
    with Interference(Path("manifest-md5.txt"), lambda: change(bag)), pytest.raises(PackageChanged):
        stage(bag)


def test_a_folder_swapped_for_a_link_while_it_is_walked_is_never_followed(bag: Path) -> None:
    secret = write_files(bag.parent / "secret", {"1.txt": b"page one\n"})

    def swap() -> None:
        (bag / "data/scan").rename(bag.parent / "moved")
        (bag / "data/scan").symlink_to(secret)

    refused = pytest.raises((PackageChanged, PackageRejected))
    with Interference(Path("manifest-md5.txt"), swap), refused:
        stage(bag)
    copied = list((bag.parent / "target").rglob("1.txt"))
    assert all(path.stat().st_ino != (secret / "1.txt").stat().st_ino for path in copied)


def test_names_in_other_encodings_are_kept_escaped_with_their_bytes(bag: Path) -> None:
    raw = "申请".encode("gbk")
    folder = os.fsencode(bag / "data") + b"/" + raw
    Path(os.fsdecode(folder)).mkdir()
    with open(folder + b"/" + raw + b"%.txt", "wb") as file:
        file.write(b"x")
    files = {file.path: file for file in staged_files(stage(bag))}
    escaped = files["data/%C9%EA%C7%EB/%C9%EA%C7%EB%25.txt"]
    assert escaped.raw_path == b"data/" + raw + b"/" + raw + b"%.txt"
    assert (bag.parent / "target" / escaped.path).read_bytes() == b"x"


def test_an_escaped_name_that_meets_a_real_one_is_a_collision(bag: Path) -> None:
    for name in (b"\xff", b"%FF"):
        with open(os.fsencode(bag / "data") + b"/" + name, "wb") as file:
            file.write(name)
    assert rejected_for(bag) == "name-collision"


def test_a_folder_and_an_archive_that_hold_the_same_are_warned_about_the_same(
    tmp_path: Path,
) -> None:
    files = bag_files({"data/aux.txt": b"", "data/\u202egpj.exe": b"", "data/a ": b""})
    bag = write_files(tmp_path / "bag", files)
    archive = tmp_path / "bag.tar"
    archive.write_bytes(tar_bytes(files))
    assert warnings_of(bag) == warnings_of(archive)
    assert warnings_of(bag) >= {"name-reserved", "name-reordering", "name-forbidden"}
    assert errors_of(bag) == set()


def test_an_archive_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.zip").write_bytes(zip_bytes([]))
    (tmp_path / "case.zip").symlink_to("real.zip")
    with pytest.raises(PackageRejected):
        stage_file(tmp_path / "case.zip", tmp_path / "target", tmp_path / "listing")
