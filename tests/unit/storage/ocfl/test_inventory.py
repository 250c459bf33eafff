"""Inventories written, read back, and compared with the file list they were made from."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.model import FileEntry
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    SIDECAR_NAME,
    InventoryHeader,
    files_of_head,
    read_inventory,
    write_inventory,
)
from storage.ocfl.inventory_compare import compare_inventory
from storage.ocfl.inventory_stream import InventoryUnreadable
from storage.ocfl.sorted_records import Record, SortedRecords

OBJECT_ID = "lantai:portal/案卷-1"
HEADER = InventoryHeader(OBJECT_ID, "2026-11-22T08:00:00Z", "入库", "ingest", "urn:lantai:ingest")


def entry(path: str, content: bytes = b"content") -> FileEntry:
    return FileEntry(path, len(content), hashlib.sha256(content).hexdigest(), None)


ENTRIES = [
    entry("lantai/package.json", b"{}"),
    entry("received/a", b"same"),
    entry("received/data/申请表.pdf", b"same"),
    entry('received/data/\n"\\\u202e', b"odd"),
]


def written(folder: Path, entries: list[FileEntry] = ENTRIES) -> Path:
    folder.mkdir(exist_ok=True)
    write_inventory(folder / INVENTORY_NAME, HEADER, entries, folder)
    return folder / INVENTORY_NAME


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    inventory = read_inventory(written(tmp_path))
    assert (inventory.object_id, inventory.head) == (OBJECT_ID, "v1")
    version = inventory.versions["v1"]
    assert (version.created, version.message) == (HEADER.created, HEADER.message)
    assert (version.user_name, version.user_address) == (HEADER.user_name, HEADER.user_address)
    assert inventory.manifest == {
        digest: [f"v1/content/{path}" for path in paths] for digest, paths in version.state.items()
    }
    found = {(path, digest) for digest, paths in version.state.items() for path in paths}
    assert found == {(entry.path, entry.sha256) for entry in ENTRIES}


def test_the_files_of_the_head_come_sorted_with_their_own_content(tmp_path: Path) -> None:
    files = list(files_of_head(written(tmp_path)))
    assert [file.logical_path for file in files] == sorted(entry.path for entry in ENTRIES)
    assert all(file.content_path == f"v1/content/{file.logical_path}" for file in files)


def test_the_returned_digest_is_the_files_and_the_sidecars(tmp_path: Path) -> None:
    digest = write_inventory(tmp_path / INVENTORY_NAME, HEADER, ENTRIES, tmp_path)
    assert digest == hashlib.sha256((tmp_path / INVENTORY_NAME).read_bytes()).hexdigest()
    assert (tmp_path / SIDECAR_NAME).read_text() == f"{digest} inventory.json\n"


def test_the_same_files_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    one = written(tmp_path / "one").read_bytes()
    other = written(tmp_path / "other", ENTRIES[::-1]).read_bytes()
    assert one == other


def test_names_can_be_read_by_people(tmp_path: Path) -> None:
    assert "v1/content/received/data/申请表.pdf" in written(tmp_path).read_text(encoding="utf-8")


def test_no_run_is_left_in_the_work_folder(tmp_path: Path) -> None:
    written(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {INVENTORY_NAME, SIDECAR_NAME}


def test_an_object_without_files_is_an_object(tmp_path: Path) -> None:
    path = written(tmp_path, [])
    assert (read_inventory(path).manifest, list(files_of_head(path))) == ({}, [])


def test_content_shared_by_others_is_found_too(tmp_path: Path) -> None:
    """Somebody else's inventory: deduplicated, a second version, upper case, own folder name."""
    digest = entry("", b"same").sha256
    document = {
        "versions": {
            "v1": {"created": "2026-01-01T00:00:00Z", "state": {digest: ["old"]}},
            "v2": {"created": "2026-01-02T00:00:00Z", "state": {digest.upper(): ["b", "a"]}},
        },
        "manifest": {digest.upper(): ["v1/data/x"]},
        "contentDirectory": "data",
        "head": "v2",
        "id": "urn:x",
        "type": "https://ocfl.io/1.1/spec/#inventory",
        "digestAlgorithm": "sha256",
    }
    path = tmp_path / INVENTORY_NAME
    path.write_text(json.dumps(document))
    files = [(file.logical_path, file.content_path) for file in files_of_head(path)]
    assert files == [("a", "v1/data/x"), ("b", "v1/data/x")]


def test_a_state_without_content_is_not_read_over(tmp_path: Path) -> None:
    document = json.loads(written(tmp_path).read_text())
    document["manifest"].popitem()
    (tmp_path / INVENTORY_NAME).write_text(json.dumps(document))
    with pytest.raises(InventoryUnreadable):
        list(files_of_head(tmp_path / INVENTORY_NAME))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id": "\xff"}', b"{}", b'{"id": {}}'])
def test_what_is_no_inventory_is_refused_by_both_readers(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / INVENTORY_NAME
    path.write_bytes(data)
    for read in (read_inventory, lambda path: list(files_of_head(path))):
        with pytest.raises(InventoryUnreadable):
            read(path)


paths = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(paths, st.sampled_from([b"a", b"b", b"c"]), max_size=12))
def test_any_names_survive_writing_and_reading(tmp_path: Path, files: dict[str, bytes]) -> None:
    entries = [entry(path, content) for path, content in files.items()]
    inventory = written(tmp_path, entries)
    found = [(file.logical_path, file.sha256) for file in files_of_head(inventory)]
    assert found == sorted((entry.path, entry.sha256) for entry in entries)
    assert compare_inventory(inventory, OBJECT_ID, 1, entries, tmp_path) is None


Change = Callable[[list[FileEntry]], list[FileEntry]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entries: entries[1:], "names 'lantai/package.json', which the list does not"),
        (lambda entries: [*entries, entry("received/z")], "does not name 'received/z'"),
        (lambda entries: [*entries, entry("a")], "does not name 'a'"),
        (
            lambda entries: [replace(entries[0], sha256="0" * 64), *entries[1:]],
            "another digest for 'lantai/package.json'",
        ),
        (lambda entries: [], "which the list does not"),
    ],
)
def test_one_difference_from_the_list_is_a_mismatch(
    tmp_path: Path, change: Change, said: str
) -> None:
    inventory = written(tmp_path)
    mismatch = compare_inventory(inventory, OBJECT_ID, 1, change(list(ENTRIES)), tmp_path)
    assert mismatch is not None
    assert said in mismatch.what


DIGEST = ENTRIES[0].sha256


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (OBJECT_ID, "lantai:portal/other", "id is"),
        ('"head": "v1"', '"head": "v2"', "head is"),
        ('"digestAlgorithm": "sha256"', '"digestAlgorithm": "sha512"', "digestAlgorithm is"),
        ('["v1/content/lantai/package.json"]', '["v1/content/other"]', "the manifest"),
        ('["lantai/package.json"]', '["lantai/package.json", "more"]', "the state"),
        ('"manifest": {', '"manifest": {}, "manifest": {', "twice"),
        ('"state": {', '"state": {}, "message": "", "state": {', "twice"),
        (f'"{DIGEST}": [', f'"{DIGEST}": [], "{DIGEST}": [', "twice"),
        ('"head"', '"contentDirectory": "x", "head"', "contentDirectory is"),
    ],
)
def test_an_inventory_changed_in_one_place_is_a_mismatch(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    inventory = written(tmp_path)
    text = inventory.read_text(encoding="utf-8")
    assert old in text
    inventory.write_text(text.replace(old, new), encoding="utf-8")
    mismatch = compare_inventory(inventory, OBJECT_ID, 1, ENTRIES, tmp_path)
    assert mismatch is not None
    assert said in mismatch.what


def test_more_records_than_memory_may_hold_come_sorted_as_often_as_asked(tmp_path: Path) -> None:
    records = [(str(number * 7919 % 1000), "path\n\u4e2d") for number in range(1000)]
    with SortedRecords(iter(records), tmp_path, held_records_max=100) as ordered:
        assert len(list(tmp_path.iterdir())) == 10
        assert list(ordered) == list(ordered) == sorted(records)
    assert list(tmp_path.iterdir()) == []


def test_runs_are_removed_when_the_records_break_off(tmp_path: Path) -> None:
    def broken() -> Iterator[Record]:
        yield from [("b",), ("a",), ("c",)]
        raise InventoryUnreadable("broken off")

    with pytest.raises(InventoryUnreadable):
        SortedRecords(broken(), tmp_path, held_records_max=2)
    assert list(tmp_path.iterdir()) == []
