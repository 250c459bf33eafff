"""Every damage to every file of an object is found, named, and nothing intact is condemned."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from storage.medium import MediumReader
from storage.model import VerifyMode
from storage.ocfl.inventory import sidecar
from storage.sweep.check_object import DAMAGES_MAX, SweepStopped, check_object
from storage.sweep.model import DamageKind, ObjectCheck, ObjectToCheck

CONTENT = "v1/content/"
EVERY_FILE = [
    "0=ocfl_object_1.1",
    "inventory.json",
    "inventory.json.sha256",
    "v1/inventory.json",
    "v1/inventory.json.sha256",
    CONTENT + "lantai/files.jsonl",
    CONTENT + "received/bagit.txt",
    CONTENT + "received/data/large.tif",
    CONTENT + "received/data/twice/b",
    CONTENT + "received/data/申请表.pdf",
]
Flip = Callable[[Path], None]


class Root(Protocol):
    """What conftest.py builds."""

    root: Path

    def __init__(self, root: Path) -> None: ...

    def add(self, object_id: str, received: dict[str, bytes] = ...) -> ObjectToCheck: ...


def check(target: ObjectToCheck, mode: VerifyMode = VerifyMode.EVICTED) -> ObjectCheck:
    return check_object(target, MediumReader(mode), lambda _read_bytes: None)


def seen(target: ObjectToCheck) -> set[tuple[DamageKind, str]]:
    result = check(target)
    assert result.finished
    return {(damage.kind, damage.path) for damage in result.damages}


def kind_for(path: str, otherwise: DamageKind) -> DamageKind:
    if path.endswith("inventory.json"):
        return DamageKind.INVENTORY_DAMAGED
    if path.endswith("inventory.json.sha256"):
        return DamageKind.SIDECAR_DAMAGED
    return otherwise


@pytest.mark.parametrize("mode", list(VerifyMode))
def test_an_intact_object_is_intact(intact_object: ObjectToCheck, mode: VerifyMode) -> None:
    result = check(intact_object, mode)
    assert result.intact, result.damages
    assert result.file_count == 7
    assert result.read_bytes == sum(
        path.stat().st_size for path in intact_object.folder.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("path", EVERY_FILE)
def test_one_flipped_bit_is_found(intact_object: ObjectToCheck, flip_bit: Flip, path: str) -> None:
    flip_bit(intact_object.folder / path)
    assert seen(intact_object) == {(kind_for(path, DamageKind.ALTERED), path)}


@pytest.mark.parametrize("path", EVERY_FILE)
def test_a_file_cut_short_is_found(intact_object: ObjectToCheck, path: str) -> None:
    file = intact_object.folder / path
    os.truncate(file, file.stat().st_size - 1)
    otherwise = DamageKind.ALTERED
    if path.startswith(CONTENT + "received/"):
        otherwise = DamageKind.TRUNCATED
    assert seen(intact_object) == {(kind_for(path, otherwise), path)}


@pytest.mark.parametrize("path", EVERY_FILE)
def test_a_deleted_file_is_found(intact_object: ObjectToCheck, path: str) -> None:
    (intact_object.folder / path).unlink()
    assert seen(intact_object) == {(kind_for(path, DamageKind.MISSING), path)}


def test_a_longer_file_is_altered_and_an_emptied_one_truncated(
    intact_object: ObjectToCheck,
) -> None:
    longer, emptied = CONTENT + "received/bagit.txt", CONTENT + "lantai/files.jsonl"
    with (intact_object.folder / longer).open("ab") as stream:
        stream.write(b"x")
    os.truncate(intact_object.folder / emptied, 0)
    assert seen(intact_object) == {
        (DamageKind.ALTERED, longer),
        (DamageKind.TRUNCATED, emptied),
    }


@pytest.mark.parametrize(
    "path", ["planted", "v1/planted", "v2/planted", CONTENT + "received/data/planted", "0=ocfl_2"]
)
def test_a_planted_file_is_found(intact_object: ObjectToCheck, path: str) -> None:
    file = intact_object.folder / path
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    stray = "v2" if path.startswith("v2/") else path
    assert seen(intact_object) == {(DamageKind.STRAY, stray)}


def test_a_planted_empty_folder_is_found_and_the_logs_are_not(
    intact_object: ObjectToCheck,
) -> None:
    (intact_object.folder / "logs").mkdir()
    (intact_object.folder / "logs/receipt.json").write_bytes(b"{}")
    (intact_object.folder / CONTENT / "received/data/empty").mkdir()
    assert seen(intact_object) == {(DamageKind.STRAY, CONTENT + "received/data/empty")}


def test_a_name_that_is_not_utf_8_is_a_stray_like_any_other(intact_object: ObjectToCheck) -> None:
    name = os.fsdecode(b"\xc9\xea.pdf")
    (intact_object.folder / name).write_bytes(b"x")
    assert seen(intact_object) == {(DamageKind.STRAY, name)}


def test_a_link_in_place_of_a_file_is_damage_though_the_bytes_are_right(
    intact_object: ObjectToCheck, tmp_path: Path
) -> None:
    path = CONTENT + "received/bagit.txt"
    file = intact_object.folder / path
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert seen(intact_object) == {(DamageKind.MISSING, path), (DamageKind.STRAY, path)}


def test_a_link_in_place_of_a_folder_is_damage_though_the_bytes_are_right(
    intact_object: ObjectToCheck, tmp_path: Path
) -> None:
    folder = intact_object.folder / CONTENT / "received/data"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert seen(intact_object) == {(DamageKind.STRAY, CONTENT + "received/data")}


def test_a_pipe_in_place_of_a_file_does_not_hold_the_sweep(intact_object: ObjectToCheck) -> None:
    file = intact_object.folder / CONTENT / "received/bagit.txt"
    file.unlink()
    os.mkfifo(file)
    assert not check(intact_object).intact


def test_a_folder_in_place_of_a_file_is_damage(intact_object: ObjectToCheck) -> None:
    file = intact_object.folder / CONTENT / "received/bagit.txt"
    file.unlink()
    file.mkdir()
    assert not check(intact_object).intact


def test_an_object_that_is_gone_is_missing(intact_object: ObjectToCheck) -> None:
    intact_object.folder.rename(intact_object.folder.with_name("elsewhere"))
    assert seen(intact_object) == {(DamageKind.OBJECT_MISSING, "")}


def test_a_file_in_place_of_an_object_is_a_missing_object(intact_object: ObjectToCheck) -> None:
    intact_object.folder.rename(intact_object.folder.with_name("elsewhere"))
    intact_object.folder.write_bytes(b"")
    assert seen(intact_object) == {(DamageKind.OBJECT_MISSING, "")}


def test_an_object_that_agrees_with_itself_but_not_with_what_was_signed_is_damaged(
    intact_object: ObjectToCheck,
) -> None:
    """Somebody wrote another inventory, with sidecars that fit."""
    forged = (intact_object.folder / "inventory.json").read_bytes().replace(b'"m"', b'"M"')
    for folder in (intact_object.folder, intact_object.folder / "v1"):
        (folder / "inventory.json").write_bytes(forged)
        (folder / "inventory.json.sha256").write_bytes(sidecar(hashlib.sha256(forged).hexdigest()))
    assert {kind for kind, _ in seen(intact_object)} == {
        DamageKind.INVENTORY_DAMAGED,
        DamageKind.SIDECAR_DAMAGED,
    }


def test_with_a_damaged_inventory_the_files_are_still_judged_by_the_versions_copy(
    intact_object: ObjectToCheck, flip_bit: Flip
) -> None:
    flip_bit(intact_object.folder / "inventory.json")
    flip_bit(intact_object.folder / CONTENT / "received/bagit.txt")
    assert seen(intact_object) == {
        (DamageKind.INVENTORY_DAMAGED, "inventory.json"),
        (DamageKind.ALTERED, CONTENT + "received/bagit.txt"),
    }


def test_all_versions_of_an_object_are_read(intact_object: ObjectToCheck, flip_bit: Flip) -> None:
    """1. A second version drops a file of the first. 2. That file rots. 3. It is found."""
    second = with_second_version(intact_object)
    assert check(second).intact, check(second).damages
    dropped = CONTENT + "received/bagit.txt"
    flip_bit(second.folder / dropped)
    flip_bit(second.folder / "v1/inventory.json")
    assert seen(second) == {
        (DamageKind.ALTERED, dropped),
        (DamageKind.SIDECAR_DAMAGED, "v1/inventory.json.sha256"),
    }


def with_second_version(target: ObjectToCheck) -> ObjectToCheck:
    inventory = json.loads((target.folder / "inventory.json").read_bytes())
    state = inventory["versions"]["v1"]["state"]
    kept = {key: paths for key, paths in state.items() if "received/bagit.txt" not in paths}
    inventory["versions"]["v2"] = {**inventory["versions"]["v1"], "state": kept}
    inventory["head"] = "v2"
    text = json.dumps(inventory).encode()
    sha256 = hashlib.sha256(text).hexdigest()
    (target.folder / "v2").mkdir()
    for folder in (target.folder, target.folder / "v2"):
        (folder / "inventory.json").write_bytes(text)
        (folder / "inventory.json.sha256").write_bytes(sidecar(sha256))
    os.sync()
    return replace(target, head=2, inventory_sha256=sha256)


def test_a_wreck_is_not_read_to_its_end(built_root: Root, flip_bit: Flip) -> None:
    target = built_root.add("lantai:s/many", {f"received/{at:04}": b"x" * 9 for at in range(300)})
    for at in range(300):
        flip_bit(target.folder / CONTENT / f"received/{at:04}")
    result = check(target)
    assert result.finished
    assert len(result.damages) == DAMAGES_MAX
    assert result.file_count < 300


def test_what_reads_right_the_second_time_is_intact_and_counted(
    intact_object: ObjectToCheck, flip_bit: Flip
) -> None:
    """The pace is called between the reads, so there the test lets the disk come to its senses."""
    file = intact_object.folder / CONTENT / "received/data/large.tif"
    flip_bit(file)
    size_bytes = file.stat().st_size
    seen_bytes = 0

    def heal(read_bytes: int) -> None:
        nonlocal seen_bytes
        if read_bytes == size_bytes % (1024 * 1024) and not seen_bytes:
            seen_bytes = read_bytes
            flip_bit(file)

    result = check_object(intact_object, MediumReader(VerifyMode.EVICTED), heal)
    assert result.intact, result.damages
    assert result.second_looks == 1


def test_an_object_replaced_while_it_is_read_is_not_judged(intact_object: ObjectToCheck) -> None:
    moved = intact_object.folder.with_name("moved")

    def replace_object(_read_bytes: int) -> None:
        if not moved.exists():
            intact_object.folder.rename(moved)
            intact_object.folder.mkdir()

    result = check_object(intact_object, MediumReader(VerifyMode.EVICTED), replace_object)
    assert not result.finished
    assert not result.intact


def test_a_stopped_check_says_nothing(intact_object: ObjectToCheck) -> None:
    def stop(_read_bytes: int) -> None:
        raise SweepStopped

    result = check_object(intact_object, MediumReader(VerifyMode.DIRECT), stop)
    assert not result.finished
    assert not result.intact


@pytest.mark.needs_root
def test_what_memory_has_right_does_not_hide_what_the_medium_has_wrong(
    loop_filesystem: Callable[..., Path], built_root: Root
) -> None:
    """1. An object lies on a real file system and in memory. 2. A byte of the device turns over.
    3. A plain read is right still; the sweep says altered."""
    disk = loop_filesystem("ext4")
    shutil.copytree(built_root.root, disk / "root")
    content = os.urandom(8192)
    target = type(built_root)(disk / "root").add("lantai:s/x", {"received/a": content})
    image = disk.with_suffix(".img")
    position = image.read_bytes().index(content)
    with image.open("r+b") as stream:
        stream.seek(position + 5000)
        stream.write(bytes([content[5000] ^ 1]))
        stream.flush()
        os.fsync(stream.fileno())
    assert (target.folder / CONTENT / "received/a").read_bytes() == content
    for mode in (VerifyMode.DIRECT, VerifyMode.EVICTED):
        result = check(target, mode)
        assert [damage.kind for damage in result.damages] == [DamageKind.ALTERED], mode
