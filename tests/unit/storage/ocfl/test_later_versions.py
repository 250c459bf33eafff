"""The inventory of a later version: all that was said before, and one version more."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.model import FileEntry
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    InventoryHeader,
    files_of_head,
    read_inventory,
    write_inventory,
)
from storage.ocfl.inventory_compare import compare_history, compare_inventory

OBJECT_ID = "lantai:portal/案卷-1"
FIRST = {"received/a": b"same", "received/b": b"first", "received/data/申请表.pdf": b"%PDF"}
SECOND = {"received/a": b"same", "received/b": b"second", "received/copy": b"same"}
THIRD = {"received/b": b"first"}


def entries(files: dict[str, bytes]) -> list[FileEntry]:
    return [
        FileEntry(path, len(data), hashlib.sha256(data).hexdigest(), None)
        for path, data in files.items()
    ]


def header(day: int) -> InventoryHeader:
    return InventoryHeader(
        OBJECT_ID, f"2026-11-{day}T08:00:00Z", f"入库 {day}", "archive", "lantai:portal"
    )


@pytest.fixture
def inventories(tmp_path: Path) -> list[Path]:
    """Those of v1, v2 and v3, each made from the one before."""
    written: list[Path] = []
    for number, files in enumerate((FIRST, SECOND, THIRD), start=1):
        folder = tmp_path / f"v{number}"
        folder.mkdir()
        previous = written[-1] if written else None
        target = folder / INVENTORY_NAME
        write_inventory(target, header(20 + number), entries(files), tmp_path, previous)
        written.append(target)
    return written


def test_a_later_inventory_says_all_that_the_earlier_ones_said(inventories: list[Path]) -> None:
    newest = read_inventory(inventories[2])
    assert newest.head == "v3"
    assert list(newest.versions) == ["v1", "v2", "v3"]
    for number, path in enumerate(inventories, start=1):
        then = read_inventory(path)
        assert then.head == f"v{number}"
        for name, version in then.versions.items():
            assert newest.versions[name] == version
        for digest, paths in then.manifest.items():
            assert set(paths) <= set(newest.manifest[digest])


def test_each_version_has_each_of_its_files_in_its_own_folder(inventories: list[Path]) -> None:
    for number, files in enumerate((FIRST, SECOND, THIRD), start=1):
        found = {
            file.logical_path: file.content_path for file in files_of_head(inventories[number - 1])
        }
        assert found == {path: f"v{number}/content/{path}" for path in files}


def test_equal_bytes_share_a_digest_and_no_file(inventories: list[Path]) -> None:
    same = hashlib.sha256(b"same").hexdigest()
    assert read_inventory(inventories[1]).manifest[same] == [
        "v1/content/received/a",
        "v2/content/received/a",
        "v2/content/received/copy",
    ]


def test_the_same_parts_give_the_same_bytes(inventories: list[Path], tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    write_inventory(again, header(22), reversed(entries(SECOND)), tmp_path, inventories[0])
    assert again.read_bytes() == inventories[1].read_bytes()


def test_an_honest_later_inventory_agrees_with_the_list_and_with_the_past(
    inventories: list[Path], tmp_path: Path
) -> None:
    assert compare_inventory(inventories[2], OBJECT_ID, 3, entries(THIRD), tmp_path) is None
    assert compare_history(inventories[2], inventories[1], 3) is None
    assert compare_history(inventories[1], inventories[0], 2) is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda text: text.replace('"v1/content/received/b"', '"v1/content/received/c"'), "files"),
        (lambda text: text.replace('"入库 21"', '"入库 31"'), "described"),
        (lambda text: text.replace("2026-11-21", "2026-11-20"), "described"),
        (lambda text: text.replace('["received/data/申请表.pdf"]', '["received/x.pdf"]'), "state"),
        (lambda text: text.replace('"v1": {', '"v4": {'), "its versions"),
        (lambda text: text[:-20], "JSON"),
    ],
)
def test_an_inventory_that_changes_the_past_is_told_apart(
    inventories: list[Path], change: Callable[[str], str], what: str
) -> None:
    text = inventories[1].read_text()
    assert change(text) != text
    inventories[1].write_text(change(text))
    mismatch = compare_history(inventories[1], inventories[0], 2)
    assert mismatch is not None
    assert what in mismatch.what


def test_a_version_that_drops_one_before_it_is_told_apart(inventories: list[Path]) -> None:
    mismatch = compare_history(inventories[1], inventories[1], 3)
    assert mismatch is not None
