"""Writing durably: whole or not at all, and errors are never swallowed."""

import errno
import os
import signal
from pathlib import Path

import pytest

from storage.crash_point import order_crash
from storage.durable import (
    SyncDescriptor,
    fsync_file,
    fsync_folder,
    rename_noreplace,
    write_all,
    write_whole_file,
    write_whole_files,
)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_is_written_whole_with_its_mode_and_nothing_beside_it(tmp_path: Path) -> None:
    write_whole_file(tmp_path / "a", b"abc", mode=0o444)
    assert (tmp_path / "a").read_bytes() == b"abc"
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o444
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_existing_file_is_replaced_only_when_that_is_meant(tmp_path: Path) -> None:
    write_whole_file(tmp_path / "a", b"old")
    with pytest.raises(FileExistsError):
        write_whole_file(tmp_path / "a", b"new", replace=False)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    write_whole_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    write_whole_file(tmp_path / ("x" * 255), b"abc")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"abc"


def test_many_files_are_written_whole_with_their_mode_and_nothing_beside_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "b").write_bytes(b"old")
    contents = {"a": b"", "b": b"new", "x" * 255: b"long"}
    before = open_descriptors()
    write_whole_files(tmp_path, contents, mode=0o644)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {0o644}
    assert open_descriptors() == before


def test_one_file_that_cannot_be_written_leaves_no_temporary_file(tmp_path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(OSError, match="too long"):
        write_whole_files(tmp_path, {"a": b"abc", "x" * 256: b"def"})
    assert {path.name for path in tmp_path.iterdir()} <= {"a"}
    assert open_descriptors() == before


def test_what_a_crash_left_of_many_files_goes_when_they_are_written_again(tmp_path: Path) -> None:
    """Of two names, as at storage/crash_point.py's `durable.written`."""
    contents = {"a": b"abc", "b": b"def"}
    dying = os.fork()
    if dying == 0:
        order_crash("durable.written")
        write_whole_files(tmp_path, contents)
        os._exit(0)
    _, status = os.waitpid(dying, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len([path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]) == 2
    write_whole_files(tmp_path, contents)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents


@pytest.mark.needs_root
def test_a_full_disk_leaves_what_was_there(full_disk: Path) -> None:
    write_whole_file(full_disk / "a", b"old")
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole_file(full_disk / "a", bytes(4 * 1024 * 1024))
    assert caught.value.errno == errno.ENOSPC
    assert (full_disk / "a").read_bytes() == b"old"
    assert [path.name for path in full_disk.iterdir()] == ["a"]


def test_bytes_are_written_where_they_belong(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "a", os.O_CREAT | os.O_WRONLY)
    write_all(descriptor, memoryview(b"def"), 3)
    write_all(descriptor, b"abc", 0)
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"abcdef"


def test_a_rename_never_replaces(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    with pytest.raises(FileExistsError):
        rename_noreplace(tmp_path / "source", tmp_path / "target")
    rename_noreplace(tmp_path / "source", tmp_path / "申请")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target", "申请"]


def test_a_rename_of_nothing_says_which_file_was_meant(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        rename_noreplace(tmp_path / "source", tmp_path / "target")
    assert caught.value.filename == str(tmp_path / "source")


def test_syncing_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    fsync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        fsync_folder(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        fsync_file(tmp_path / "gone")


def test_a_sync_descriptor_answers_once_and_is_closed(tmp_path: Path) -> None:
    before = open_descriptors()
    with SyncDescriptor(tmp_path) as descriptor:
        (tmp_path / "a").write_bytes(b"abc")
        descriptor.ask()
        with pytest.raises(AssertionError):
            descriptor.ask()
    assert open_descriptors() == before


def test_a_sync_descriptor_that_was_closed_does_not_answer(tmp_path: Path) -> None:
    descriptor = SyncDescriptor(tmp_path)
    descriptor.close()
    with pytest.raises(AssertionError):
        descriptor.ask()
