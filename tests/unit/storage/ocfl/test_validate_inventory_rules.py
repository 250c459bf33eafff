"""Each rule about what an inventory says, broken by itself in an object that is otherwise good.

A row is: the codes that must be among the findings, and the change that breaks the rule. Rows of
`ONLY` must produce exactly those error codes.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.ocfl.validate import validate_object
from tests.ocfl_objects import (
    FIRST,
    SECOND,
    Inventory,
    change_first,
    change_head,
    good_inventories,
    sha512,
    write_good_object,
    write_head,
    write_inventory_by_hand,
)

FIRST_DIGEST, SECOND_DIGEST = sha512(FIRST), sha512(SECOND)
MD5_OF_FIRST = "fdf2ae2ae06e5d7b8db4fb1b1d4a0ef2"
Change = Callable[[Inventory], object]


def put(*keys_and_value: Any) -> Change:
    *keys, last, value = keys_and_value

    def change(inventory: Inventory) -> None:
        for key in keys:
            inventory = inventory[key]
        inventory[last] = value

    return change


def drop(*keys: str) -> Change:
    *outer, last = keys

    def change(inventory: Inventory) -> None:
        for key in outer:
            inventory = inventory[key]
        del inventory[last]

    return change


def rename_version(old: str, new: str) -> Change:
    def change(inventory: Inventory) -> None:
        inventory["versions"][new] = inventory["versions"].pop(old)

    return change


def both(*changes: Change) -> Change:
    return lambda inventory: [change(inventory) for change in changes]


V2 = ("versions", "v2")
CREATED = (*V2, "created")
ONLY: list[tuple[str, Change]] = [
    ("E036", drop("id")),
    ("E036", drop("type")),
    ("E036", drop("head")),
    ("E037", put("id", "")),
    ("E037", put("id", 7)),
    ("E038", put("type", "https://ocfl.io/1.1/spec/")),
    ("E038", put("type", ["https://ocfl.io/1.1/spec/#inventory"])),
    ("E040", put("head", "v1")),
    ("E040", put("head", 2)),
    ("E040", put("head", None)),
    ("E047", put("versions", "v2", [])),
    ("E048", drop(*CREATED)),
    ("E049", put(*CREATED, "2026-01-02")),
    ("E049", put(*CREATED, "2026-01-02T00:00:00")),
    ("E049", put(*CREATED, "2026-01-02T00:00Z")),
    ("E049", put(*CREATED, "2026-02-30T00:00:00Z")),
    ("E049", put(*CREATED, "2026-01-02T24:00:00Z")),
    ("E049", put(*CREATED, "2026-01-02T00:00:00+24:00")),
    ("E049", put(*CREATED, "２026-01-02T00:00:00Z")),
    ("E049", put(*CREATED, 20260102)),
    ("E050", put(*V2, "state", [])),
    ("E050", put(*V2, "state", SECOND_DIGEST, "sub/b.txt")),
    ("E050", put(*V2, "state", SECOND_DIGEST.upper(), ["c.txt"])),
    ("E050", put(*V2, "state", "0" * 128, ["c.txt"])),
    ("E052", put(*V2, "state", SECOND_DIGEST, ["sub/../b.txt"])),
    ("E052", put(*V2, "state", SECOND_DIGEST, ["./b.txt"])),
    ("E052", put(*V2, "state", SECOND_DIGEST, ["sub//b.txt"])),
    ("E052", put(*V2, "state", SECOND_DIGEST, [""])),
    ("E053", put(*V2, "state", SECOND_DIGEST, ["/b.txt"])),
    ("E053", put(*V2, "state", SECOND_DIGEST, ["b.txt/"])),
    ("E054", put(*V2, "user", "A Person")),
    ("E054", put(*V2, "user", {"address": "mailto:a@example.org"})),
    ("E054", put(*V2, "user", {"name": "", "address": "mailto:a@example.org"})),
    ("E054", put(*V2, "user", {"name": "A", "address": 1})),
    ("E056", put("fixity", {"sm3": {}})),
    ("E057", put("fixity", {"md5": []})),
    ("E057", put("fixity", {"md5": {"0" * 32: "v1/content/a.txt"}})),
    ("E057", put("fixity", {"md5": {"0" * 31: ["v1/content/a.txt"]}})),
    ("E093", put("fixity", {"md5": {"0" * 32: ["v1/content/a.txt"]}})),
    ("E093", put("fixity", {"size": {"7": ["v1/content/a.txt"]}})),
    ("E094", put(*V2, "message", 1)),
    ("E095", put(*V2, "state", SECOND_DIGEST, ["a.txt"])),
    ("E095", put(*V2, "state", SECOND_DIGEST, ["b.txt", "b.txt"])),
    ("E095", put(*V2, "state", SECOND_DIGEST, ["a.txt/b.txt"])),
    ("E102", put("comment", "no")),
    ("E102", put(*V2, "comment", "no")),
    ("E102", put(*V2, "user", {"name": "A", "address": "mailto:a@b.c", "orcid": "0"})),
    ("E107", drop(*V2, "state", SECOND_DIGEST)),
    ("E108", put("contentDirectory", "")),
    ("E108", put("contentDirectory", None)),
    ("E017", put("contentDirectory", "content/sub")),
    ("E018", put("contentDirectory", "..")),
    ("E111", put("fixity", None)),
    ("E111", put("fixity", [])),
]

AMONG: list[tuple[str, Change]] = [
    ("E008", put("versions", {})),
    ("E009", both(rename_version("v1", "v3"), put("head", "v3"))),
    ("E010", both(rename_version("v2", "v3"), put("head", "v3"))),
    ("E012 E013", both(rename_version("v2", "v02"), put("head", "v02"))),
    ("E014 E042", put("manifest", FIRST_DIGEST, ["v01/content/a.txt"])),
    ("E020", put("contentDirectory", "data")),
    ("E019", put("contentDirectory", "content")),
    ("E025", put("digestAlgorithm", "md5")),
    ("E025", put("digestAlgorithm", ["sha512"])),
    ("E025 E039", put("manifest", MD5_OF_FIRST, ["v1/content/a.txt"])),
    ("E031", put("manifest", "g" * 128, ["v1/content/a.txt"])),
    ("E036", drop("digestAlgorithm")),
    ("E038", put("type", "https://ocfl.io/1.0/spec/#inventory")),
    ("E041", drop("manifest")),
    ("E041 E106", put("manifest", [])),
    ("E041 E043", drop("versions")),
    ("E042", put("manifest", FIRST_DIGEST, ["v1/a.txt"])),
    ("E042", put("manifest", FIRST_DIGEST, ["a.txt"])),
    ("E042", put("manifest", FIRST_DIGEST, ["v3/content/a.txt"])),
    ("E044 E045", put("versions", [])),
    ("E046", put("versions", "v3", {"created": "2026-01-03T00:00:00Z", "state": {}})),
    ("E051", put(*V2, "state", SECOND_DIGEST, [1])),
    ("E057", put("fixity", {"md5": {MD5_OF_FIRST: ["v1/content/none.txt"]}})),
    ("E030 E057", put("fixity", {"sha256": {"g" * 64: ["v1/content/a.txt"]}})),
    ("E032 E057", put("fixity", {"blake2b-512": {"g" * 128: ["v1/content/a.txt"]}})),
    ("E029 E057", put("fixity", {"sha1": {"g" * 40: ["v1/content/a.txt"]}})),
    ("E066", put("versions", "v1", "state", FIRST_DIGEST, ["renamed.txt"])),
    ("E092", put("manifest", FIRST_DIGEST, "v1/content/a.txt")),
    ("E092", put("manifest", FIRST_DIGEST, ["v1/content/a.txt", "v1/content/none.txt"])),
    ("E092 E098", put("manifest", FIRST_DIGEST, [1])),
    ("E096", put("manifest", FIRST_DIGEST.upper(), ["v1/content/a.txt"])),
    ("E097", put("fixity", {"md5": {"ab" * 16: [], "AB" * 16: []}})),
    ("E099", put("manifest", FIRST_DIGEST, ["v1/content/./a.txt"])),
    ("E100", put("manifest", FIRST_DIGEST, ["/v1/content/a.txt"])),
    ("E101", put("manifest", SECOND_DIGEST, ["v1/content/a.txt", "v2/content/sub/b.txt"])),
    ("E101", put("manifest", SECOND_DIGEST, ["v2/content/sub", "v2/content/sub/b.txt"])),
    ("E101", put("fixity", {"md5": {"0" * 32: ["v1/content/a.txt"] * 2}})),
    ("E104", both(rename_version("v2", "version-2"), put("head", "version-2"))),
    ("E105", put("versions", "v0", {})),
    ("E110 E037", put("id", "urn:example:other")),
]

WARNED: list[tuple[str, Change]] = [
    ("W005", put("id", "no uri")),
    ("W007", drop(*V2, "message")),
    ("W007", drop(*V2, "user")),
    ("W008", put(*V2, "user", {"name": "A"})),
    ("W009", put(*V2, "user", {"name": "A", "address": "somewhere"})),
    ("W011", put("versions", "v1", "message", "another")),
]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_good_object(tmp_path / "object")


def error_codes(folder: Path) -> set[str]:
    return {finding.code for finding in validate_object(folder).errors}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_object_that_the_rows_change_is_good(tmp_path: Path, version: str) -> None:
    report = validate_object(write_good_object(tmp_path / "object", version))
    assert report.findings == ()


@pytest.mark.parametrize(("code", "change"), ONLY)
def test_one_broken_rule_is_the_only_error(good: Path, code: str, change: Change) -> None:
    change_head(good, change)
    if code == "E037":  # … and not that the id changed between versions
        change_first(good, drop("id"))
        assert error_codes(good) == {"E037", "E036"}
    else:
        assert error_codes(good) == {code}


@pytest.mark.parametrize(("codes", "change"), AMONG)
def test_a_broken_rule_is_among_the_errors(good: Path, codes: str, change: Change) -> None:
    change_head(good, change)
    assert set(codes.split()) <= error_codes(good)


@pytest.mark.parametrize(("code", "change"), WARNED)
def test_what_should_not_be_is_warned_about_and_valid(
    good: Path, code: str, change: Change
) -> None:
    change_head(good, change)
    if code == "W005":
        change_first(good, change)
    report = validate_object(good)
    assert report.valid
    assert report.codes == {code}


@pytest.mark.parametrize(
    "created",
    ["2026-01-02t00:00:00z", "2026-01-02T00:00:00.123456789-05:30", "2016-12-31T23:59:60Z"],
)
def test_every_form_of_rfc_3339_is_accepted(good: Path, created: str) -> None:
    change_head(good, put(*CREATED, created))
    assert error_codes(good) == set()


@pytest.mark.parametrize("fixity", [{}, {"md5": {}}, {"size": {"6": ["v1/content/a.txt"]}}])
def test_fixity_may_be_empty_and_may_use_registered_extensions(
    good: Path, fixity: Inventory
) -> None:
    change_head(good, put("fixity", fixity))
    assert validate_object(good).findings == ()


def rename_versions(folder: Path, names: dict[str, str]) -> None:
    """Give the good object's versions other names, on the disk and in both inventories."""
    for old, new in names.items():
        (folder / old).rename(folder / new)
    for version in names.values():
        text = (folder / version / "inventory.json").read_text()
        for old, new in names.items():
            text = text.replace(f'"{old}', f'"{new}')
        write_inventory_by_hand(folder / version, text.encode())
    write_inventory_by_hand(folder, text.encode())


def test_padded_version_names_are_valid_and_warned_about(good: Path) -> None:
    rename_versions(good, {"v1": "v001", "v2": "v002"})
    report = validate_object(good)
    assert report.valid
    assert report.codes == {"W001"}


def test_a_padded_naming_that_loses_its_zero_is_none(good: Path) -> None:
    rename_versions(good, {"v1": "v01", "v2": "v12"})
    assert {"E011", "E013", "E010"} <= error_codes(good)


def test_sha256_is_valid_and_warned_about(tmp_path: Path) -> None:
    """One version, all in SHA-256."""
    digest = hashlib.sha256(FIRST).hexdigest()
    inventory = good_inventories()["v1"]
    inventory["digestAlgorithm"] = "sha256"
    inventory["manifest"] = {digest: ["v1/content/a.txt"]}
    inventory["versions"]["v1"]["state"] = {digest: ["a.txt"]}
    (tmp_path / "v1/content").mkdir(parents=True)
    (tmp_path / "v1/content/a.txt").write_bytes(FIRST)
    (tmp_path / "0=ocfl_object_1.1").write_text("ocfl_object_1.1\n")
    write_inventory_by_hand(tmp_path / "v1", inventory, "sha256")
    write_inventory_by_hand(tmp_path, inventory, "sha256")
    report = validate_object(tmp_path)
    assert report.valid
    assert report.codes == {"W004"}


def test_digests_are_compared_in_either_case(good: Path) -> None:
    def upper(inventory: Inventory) -> None:
        for block in (inventory["manifest"], inventory["versions"]["v2"]["state"]):
            block[SECOND_DIGEST.upper()] = block.pop(SECOND_DIGEST)

    change_head(good, upper)
    assert validate_object(good).findings == ()


def test_a_manifest_digest_written_twice_is_no_single_key(good: Path) -> None:
    text = (good / "inventory.json").read_text()
    key = f'"{FIRST_DIGEST}": [\n   "v1/content/a.txt"\n  ]'
    assert text.count(key) == 1
    write_head(good, text.replace(key, f"{key}, {key}").encode())
    assert "E096" in error_codes(good)


def test_rules_that_only_1_1_has_are_not_applied_to_1_0(tmp_path: Path) -> None:
    folder = write_good_object(tmp_path / "object", "1.0")
    change_head(folder, drop(*V2, "state", SECOND_DIGEST))  # E107 in 1.1
    assert error_codes(folder) == set()
    change_head(folder, put("fixity", None))
    assert error_codes(folder) == {"E056"}


def test_an_earlier_version_may_not_follow_a_newer_specification(tmp_path: Path) -> None:
    folder = write_good_object(tmp_path / "object", "1.0")
    change_first(folder, put("type", "https://ocfl.io/1.1/spec/#inventory"))
    assert "E103" in error_codes(folder)


def test_a_later_version_may_follow_a_newer_specification(good: Path) -> None:
    change_first(good, put("type", "https://ocfl.io/1.0/spec/#inventory"))
    assert validate_object(good).findings == ()


def test_an_inventory_in_the_wrong_version_is_told_by_its_head(good: Path) -> None:
    for name in ("inventory.json", "inventory.json.sha512"):
        (good / "v1" / name).write_bytes((good / name).read_bytes())
    assert "E040" in error_codes(good)


def test_content_moved_to_another_logical_path_is_another_state(good: Path) -> None:
    """The digests stay, but v1's a.txt stands for other bytes in the newest inventory."""
    other = {SECOND_DIGEST: ["a.txt"]}
    change_head(good, put("versions", "v1", "state", other))
    assert "E066" in error_codes(good)


def test_the_rows_change_what_they_say(good: Path) -> None:
    """Each change really alters the inventory, so that no row passes by doing nothing."""
    before = (good / "inventory.json").read_text()
    for _, change in [*ONLY, *AMONG, *WARNED]:
        inventory = json.loads(before)
        change(inventory)
        assert inventory != json.loads(before)
