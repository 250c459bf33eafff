"""Scans of real folders, and originals moved aside (ingest_watch/drop_folder.py)."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest_watch.drop_folder import DropFolder, move_aside
from ingest_watch.folder_identity import FolderIdentity, identity_of, polled_only
from ingest_watch.settle import CompleteWhen, Observation, Scan, SettleRule, Unavailable

PROVEN = SettleRule(CompleteWhen.PROVEN)


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


def scan(drop: Path, rule: SettleRule = PROVEN, skip: frozenset[bytes] = frozenset()) -> Scan:
    found = DropFolder(drop, drop.parent / "identity.json", rule).scan(skip)
    assert isinstance(found, Scan), found
    return found


def only(drop: Path, rule: SettleRule = PROVEN) -> Observation:
    (observation,) = scan(drop, rule).observations.values()
    return observation


def package(drop: Path, name: str = "case-0001") -> Path:
    folder = drop / name / "data"
    folder.mkdir(parents=True)
    (folder / "申请表.pdf").write_bytes(b"12345")
    (drop / name / "bagit.txt").write_bytes(b"123")
    return drop / name


def test_an_entry_is_seen_with_its_files_and_bytes(drop: Path) -> None:
    package(drop)
    seen = only(drop)
    assert (seen.name, seen.is_folder, seen.file_count, seen.content_bytes) == (
        b"case-0001",
        True,
        2,
        8,
    )


def test_an_untouched_entry_looks_the_same_each_time(drop: Path) -> None:
    package(drop)
    assert only(drop) == only(drop)


def _append(root: Path) -> None:
    with (root / "bagit.txt").open("ab") as file:
        file.write(b"x")


def _replace_keeping_size_and_time(root: Path) -> None:
    file = root / "bagit.txt"
    before = file.stat()
    file.write_bytes(b"321")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _same_bytes_other_file(root: Path) -> None:
    new = root / "new"
    new.write_bytes((root / "bagit.txt").read_bytes())
    new.rename(root / "bagit.txt")


CHANGES: list[Callable[[Path], object]] = [
    _append,
    _replace_keeping_size_and_time,
    _same_bytes_other_file,
    lambda root: (root / "data" / "more").touch(),
    lambda root: (root / "data" / "more").mkdir(),
    lambda root: (root / "bagit.txt").unlink(),
    lambda root: (root / "bagit.txt").rename(root / "bagit.TXT"),
    lambda root: (root / "bagit.txt").rename(root / "data" / "bagit.txt"),
    lambda root: (root / "bagit.txt").chmod(0o600),
    lambda root: (root / "link").symlink_to("bagit.txt"),
    lambda root: root.chmod(0o700),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_shows_in_the_fingerprint(
    drop: Path, change: Callable[[Path], object]
) -> None:
    root = package(drop)
    before = only(drop)
    change(root)
    assert only(drop).fingerprint != before.fingerprint


def test_reading_a_package_does_not_change_it(drop: Path) -> None:
    root = package(drop)
    before = only(drop)
    (root / "bagit.txt").read_bytes()
    assert only(drop) == before


def test_temporary_hidden_and_our_own_entries_are_left_out(drop: Path) -> None:
    for name in (".case.zip.AbC123", "case.zip.filepart", "case.part", ".hidden", "case~"):
        (drop / name).touch()
    for name in ("accepted", "rejected", ".rehearsal"):
        (drop / name).mkdir()
    (drop / "case.zip").touch()
    assert set(scan(drop).observations) == {b"case.zip"}


def test_a_temporary_name_inside_is_noticed(drop: Path) -> None:
    root = package(drop)
    assert not only(drop).has_unfinished_files
    (root / "data" / ".scan.tif.Xy12Zz").touch()
    assert only(drop).has_unfinished_files


def test_a_marker_beside_counts_for_its_package_and_is_none_itself(drop: Path) -> None:
    rule = SettleRule(CompleteWhen.MARKER, marker=b".done")
    package(drop)
    (drop / "other.done").touch()
    assert not only(drop, rule).has_marker
    (drop / "case-0001.done").touch()
    assert only(drop, rule).has_marker


def test_a_marker_inside_counts_at_the_top_of_its_package_only(drop: Path) -> None:
    rule = SettleRule(CompleteWhen.MARKER, marker=b"_COMPLETE")
    root = package(drop)
    (root / "data" / "_COMPLETE").touch()
    assert not only(drop, rule).has_marker
    (root / "_COMPLETE").touch()
    assert only(drop, rule).has_marker


def test_what_is_to_be_skipped_is_named_and_not_looked_into(drop: Path) -> None:
    package(drop, "a")
    package(drop, "b")
    found = scan(drop, skip=frozenset({b"a", b"gone"}))
    assert (set(found.observations), found.skipped) == ({b"b"}, frozenset({b"a"}))


def test_names_that_are_not_utf8_are_bytes_like_any_other(drop: Path) -> None:
    (drop / os.fsdecode(b"\xc9\xea\xc7\xeb")).mkdir()
    assert only(drop).name == b"\xc9\xea\xc7\xeb"


def test_pipes_links_and_devices_are_looked_at_without_being_opened(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    (outside / "secret").mkdir(parents=True)
    root = package(drop)
    os.mkfifo(root / "pipe")
    (root / "out").symlink_to(outside)
    (drop / "link").symlink_to(outside)
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind("socket")
        found = scan(drop).observations
    assert found[b"case-0001"].file_count == 5
    assert (found[b"link"].is_folder, found[b"link"].file_count) == (False, 1)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    found = DropFolder(tmp_path / "no", tmp_path / "identity.json", PROVEN).scan()
    assert isinstance(found, Unavailable)
    assert "No such file" in found.reason


def test_another_folder_under_the_same_name_is_unavailable_until_a_person_agrees(
    drop: Path,
) -> None:
    folder = DropFolder(drop, drop.parent / "identity.json", PROVEN)
    assert isinstance(folder.scan(), Scan)
    drop.rename(drop.parent / "old")
    drop.mkdir()
    found = folder.scan()
    assert isinstance(found, Unavailable)
    assert "identity.json" in found.reason
    (drop.parent / "identity.json").unlink()
    assert isinstance(folder.scan(), Scan)


def test_a_damaged_record_of_the_identity_is_not_replaced(drop: Path) -> None:
    (drop.parent / "identity.json").write_bytes(b"{}")
    found = DropFolder(drop, drop.parent / "identity.json", PROVEN).scan()
    assert isinstance(found, Unavailable)
    assert (drop.parent / "identity.json").read_bytes() == b"{}"


def test_an_unknown_time_of_birth_contradicts_nothing() -> None:
    known = FolderIdentity(5, 0x6969, 77)
    assert known.is_same(FolderIdentity(5, 0x6969, 0))
    assert not known.is_same(FolderIdentity(5, 0x6969, 78))
    assert not known.is_same(FolderIdentity(6, 0x6969, 77))
    assert not known.is_same(FolderIdentity(5, 0xEF53, 77))


def _mount(kind: str, source: str, target: Path) -> None:
    subprocess.run(["mount", "-t", kind, source, str(target)], check=True)


def _unmount(target: Path) -> None:
    subprocess.run(["umount", str(target)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 disk in a file, not mounted."""
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    yield image
    subprocess.run(["umount", "-q", str(tmp_path / "drop")], check=False)


@pytest.mark.needs_root
def test_an_unmounted_share_is_unavailable_and_never_empty(drop: Path, disk: Path) -> None:
    """1. mounted, a package 2. unmounted 3. mounted again, on another loop device."""
    folder = DropFolder(drop, drop.parent / "identity.json", PROVEN)
    subprocess.run(["mount", "-o", "loop", str(disk), str(drop)], check=True)
    package(drop)
    before = folder.scan()
    assert isinstance(before, Scan)
    assert set(before.observations) == {b"case-0001", b"lost+found"}
    _unmount(drop)
    away = folder.scan()
    assert isinstance(away, Unavailable)
    assert "mounted?" in away.reason
    subprocess.run(["mount", "-o", "loop", str(disk), str(drop)], check=True)
    assert isinstance(folder.scan(), Scan)
    _unmount(drop)


@pytest.mark.needs_root
def test_a_mount_inside_a_package_is_not_entered(drop: Path) -> None:
    root = package(drop)
    before = only(drop)
    (root / "data" / "other").mkdir()
    _mount("tmpfs", "none", root / "data" / "other")
    try:
        (root / "data" / "other" / "file").write_bytes(b"x" * 1000)
        seen = only(drop)
    finally:
        _unmount(root / "data" / "other")
    assert seen.content_bytes == before.content_bytes


@pytest.mark.needs_root
def test_a_package_that_may_not_be_read_is_seen_as_such(drop: Path) -> None:
    package(drop, "open")
    package(drop, "shut").chmod(0)
    code = f"""
import os
from pathlib import Path
from ingest_watch.drop_folder import DropFolder
from ingest_watch.settle import CompleteWhen, SettleRule
os.setuid(65534)
folder = Path({str(drop)!r})
state = Path({str(drop.parent / "state")!r})
found = DropFolder(folder, state / "identity", SettleRule(CompleteWhen.PROVEN)).scan()
for one in found.observations.values():
    print(one.name.decode(), one.fingerprint is not None, one.trouble)
"""
    (drop.parent / "state").mkdir(mode=0o777)
    (drop.parent / "state").chmod(0o777)
    for parent in [drop, *drop.parents][:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.stdout.splitlines() == ["open True ", "shut False Permission denied"], said.stderr


def test_a_local_disk_raises_events(drop: Path) -> None:
    descriptor = os.open(drop, os.O_RDONLY)
    assert polled_only(descriptor) is None
    assert identity_of(descriptor).is_same(identity_of(descriptor))
    os.close(descriptor)


@pytest.fixture
def accepted(tmp_path: Path) -> Path:
    (tmp_path / "accepted").mkdir()
    return tmp_path / "accepted"


def test_an_original_is_moved_whole_and_only_once(drop: Path, accepted: Path) -> None:
    package(drop)
    assert move_aside(drop, b"case-0001", accepted) == accepted / "case-0001"
    assert (accepted / "case-0001/data/申请表.pdf").read_bytes() == b"12345"
    assert move_aside(drop, b"case-0001", accepted) is None
    assert list(drop.iterdir()) == []


def test_an_original_whose_name_is_taken_gets_a_number(drop: Path, accepted: Path) -> None:
    moved = []
    for content in (b"1", b"2", b"3"):
        (drop / "case.zip").write_bytes(content)
        moved.append(move_aside(drop, b"case.zip", accepted))
    assert moved == [accepted / name for name in ("case.zip", "case.zip.2", "case.zip.3")]
    assert [path.read_bytes() for path in moved if path] == [b"1", b"2", b"3"]


def test_the_marker_leaves_with_its_package(drop: Path, accepted: Path) -> None:
    package(drop)
    (drop / "case-0001.done").touch()
    move_aside(drop, b"case-0001", accepted, b"case-0001.done")
    assert list(drop.iterdir()) == []


def test_a_missing_folder_for_originals_is_an_error_and_not_success(
    drop: Path, tmp_path: Path
) -> None:
    package(drop)
    with pytest.raises(FileNotFoundError):
        move_aside(drop, b"case-0001", tmp_path / "nowhere")
    assert (drop / "case-0001").is_dir()


@pytest.mark.needs_root
def test_an_original_is_never_copied_to_another_file_system(drop: Path, accepted: Path) -> None:
    package(drop)
    _mount("tmpfs", "none", accepted)
    try:
        with pytest.raises(OSError, match="cross-device"):
            move_aside(drop, b"case-0001", accepted)
    finally:
        _unmount(accepted)
    assert (drop / "case-0001").is_dir()
