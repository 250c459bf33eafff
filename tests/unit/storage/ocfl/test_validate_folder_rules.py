"""Each rule about what lies in an object's folder, broken by itself in an object that is good."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.ocfl.validate import validate_object
from tests.ocfl_objects import change_head, sha512, write_good_object, write_inventory_by_hand

Act = Callable[[Path], object]


def write(path: str, text: str) -> Act:
    def act(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)

    return act


def remove(*paths: str) -> Act:
    def act(folder: Path) -> None:
        for path in paths:
            (folder / path).unlink()

    return act


def in_turn(*acts: Act) -> Act:
    def act(folder: Path) -> None:
        for each in acts:
            each(folder)

    return act


def remove_folder(path: str) -> Act:
    return lambda folder: (folder / path).rmdir()


def move(source: str, target: str) -> Act:
    return lambda folder: (folder / source).rename(folder / target)


def make(path: str) -> Act:
    return lambda folder: (folder / path).mkdir(parents=True)


def link(path: str, target: str) -> Act:
    return lambda folder: (folder / path).symlink_to(target)


def hard_link(path: str, target: str) -> Act:
    return lambda folder: (folder / path).hardlink_to(folder / target)


def pipe(path: str) -> Act:
    return lambda folder: os.mkfifo(folder / path)


ROWS: list[tuple[str, Act]] = [
    ("E001", write("notes.txt", "")),
    ("E001", make("drafts")),
    ("E001", write("logs", "a file of that name")),
    ("E001 E089", pipe("pipe")),
    ("E003", remove("0=ocfl_object_1.1")),
    ("E003", write("0=ocfl_object_1.0", "ocfl_object_1.0\n")),
    ("E003 E004", move("0=ocfl_object_1.1", "=ocfl_object_1.1")),
    ("E003 E005", move("0=ocfl_object_1.1", "1=ocfl_object_1.1")),
    ("E003 E006", move("0=ocfl_object_1.1", "0=ocfl_objekt_1.1")),
    ("E003 E006", move("0=ocfl_object_1.1", "0=ocfl_object_2.0")),
    ("E007", write("0=ocfl_object_1.1", "ocfl_object_1.1")),
    ("E007", write("0=ocfl_object_1.1", "ocfl_object_1.1\r\n")),
    ("E007", write("0=ocfl_object_1.1", "ocfl_object_1.1\n\n")),
    ("E015", write("v1/a.txt", "")),
    ("E015", write("v1/inventory.json.sha256", "")),
    ("E015 E089", pipe("v1/pipe")),
    ("E015 E090", link("v1/link", "content")),
    ("E016 E092", lambda folder: (folder / "v1/content").rename(folder / "v1/elsewhere")),
    ("E023", write("v1/content/extra.txt", "")),
    ("E024", make("v1/content/empty/emptier")),
    ("E033", write("inventory.json", "{")),
    ("E046", lambda folder: (folder / "v3").mkdir()),
    ("E001 E046", in_turn(move("v1", "../v1"), write("v1", "a file"))),
    ("E010 E046", lambda folder: (folder / "v1").rename(folder.parent / "v1")),
    ("E058", remove("inventory.json.sha512")),
    ("E058", remove("v1/inventory.json.sha512")),
    ("E001 E058 E059", move("inventory.json.sha512", "inventory.json.sha256")),
    ("E060", write("inventory.json.sha512", f"{sha512(b'other')} inventory.json\n")),
    ("E060", write("v1/inventory.json.sha512", f"{sha512(b'other')} inventory.json\n")),
    ("E061", write("inventory.json.sha512", f"{sha512(b'other')}\n")),
    ("E061", write("inventory.json.sha512", f"{sha512(b'other')}inventory.json\n")),
    ("E061", write("inventory.json.sha512", f"{sha512(b'other')} inventory.json\nmore\n")),
    ("E061", write("inventory.json.sha512", "")),
    ("E063", remove("inventory.json")),
    ("E064", lambda folder: write_inventory_by_hand(folder / "v2", b"{}")),
    ("E067", write("extensions/notes.txt", "")),
    ("E090", link("v1/content/link", "a.txt")),
    ("E090", hard_link("v1/content/b.txt", "v1/content/a.txt")),
    ("E001 E090", link("link", "v1")),
    ("E090 E063", in_turn(move("inventory.json", "x"), link("inventory.json", "x"))),
    ("E089", pipe("v1/content/pipe")),
    ("E092", write("v1/content/a.txt", "changed\n")),
    ("E092", remove("v1/content/a.txt")),
    ("W002", make("v1/notes")),
    ("W003 E092", in_turn(remove("v2/content/sub/b.txt"), remove_folder("v2/content/sub"))),
    ("W010", remove("v1/inventory.json", "v1/inventory.json.sha512")),
    ("W013", make("extensions/our-own")),
]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_good_object(tmp_path / "object")


@pytest.mark.parametrize(("codes", "act"), ROWS)
def test_a_broken_rule_is_found(good: Path, codes: str, act: Act) -> None:
    act(good)
    report = validate_object(good)
    assert set(codes.split()) <= report.codes
    assert report.valid == ("E" not in codes)


@pytest.mark.parametrize(
    "act",
    [
        make("logs"),
        write("logs/audit.txt", "nothing was wrong"),
        make("extensions/0005-mutable-head/head/v3"),
    ],
)
def test_what_ocfl_allows_beside_the_versions_is_no_finding(good: Path, act: Act) -> None:
    act(good)
    assert validate_object(good).findings == ()


@pytest.mark.parametrize("space", ["\t", "  ", " \t "])
def test_a_sidecar_may_have_any_white_space_in_it(good: Path, space: str) -> None:
    digest, name = (good / "inventory.json.sha512").read_text().split()
    for folder in (good, good / "v2"):
        (folder / "inventory.json.sha512").write_text(f"{digest}{space}{name}\n")
    assert validate_object(good).findings == ()


def test_a_sidecar_may_be_written_in_upper_case(good: Path) -> None:
    digest, name = (good / "inventory.json.sha512").read_text().split()
    for folder in (good, good / "v2"):
        (folder / "inventory.json.sha512").write_text(f"{digest.upper()} {name}")
    assert validate_object(good).findings == ()


def test_folders_beside_the_content_directory_are_not_looked_into(good: Path) -> None:
    write("v1/notes/anything.txt", "")(good)
    assert validate_object(good).codes == {"W002"}


def test_a_link_in_the_logs_is_a_link(good: Path) -> None:
    (good / "logs").mkdir()
    (good / "logs/link").symlink_to("/etc/passwd")
    assert validate_object(good).codes == {"E090"}


def test_without_digests_a_changed_byte_is_not_looked_for(good: Path) -> None:
    (good / "v1/content/a.txt").write_text("changed\n")
    assert validate_object(good, check_digests=False).valid
    (good / "v1/content/a.txt").unlink()
    assert validate_object(good, check_digests=False).codes >= {"E092"}


def test_without_digests_inventories_that_contradict_each_other_are_found(good: Path) -> None:
    def other_digest(inventory: dict[str, dict[str, list[str]]]) -> None:
        inventory["manifest"]["0" * 128] = inventory["manifest"].pop(sha512(b"first\n"))

    change_head(good, other_digest)
    assert "E092" in validate_object(good, check_digests=False).codes


def test_every_finding_names_the_place(good: Path) -> None:
    (good / "v1/content/a.txt").write_text("changed\n")
    (finding,) = validate_object(good).findings
    assert (finding.code, finding.severity, finding.path) == ("E092", "error", "v1/content/a.txt")
