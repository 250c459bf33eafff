"""Whatever lies in a folder, validation ends in findings: no exception, and no hang."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.ocfl.validate import validate_object, validate_root
from tests.ocfl_objects import (
    Inventory,
    good_inventories,
    write_good_object,
    write_good_root,
    write_head,
)

NOT_INVENTORIES = {
    "nothing": b"",
    "not UTF-8": b'{"id": "\xff"}',
    "UTF-16": '{"id": "a"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "not a number": b'{"id": NaN}',
    "infinite": b'{"id": -Infinity}',
    "half a surrogate pair": b'{"id": "\\ud800"}',
    "half a pair as a name": b'{"manifest": {"\\udfff": []}}',
    "too many digits": b'{"id": ' + b"9" * 5000 + b"}",
    "deep arrays": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "two documents": b"{} {}",
    "an array": b"[]",
    "null": b"null",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("what", NOT_INVENTORIES)
def test_what_is_no_inventory_is_said_to_be_none(tmp_path: Path, what: str) -> None:
    folder = write_good_object(tmp_path / "object")
    write_head(folder, NOT_INVENTORIES[what])
    assert "E033" in validate_object(folder).codes


@pytest.mark.parametrize("what", NOT_INVENTORIES)
def test_an_old_versions_broken_inventory_does_not_stop_the_rest(tmp_path: Path, what: str) -> None:
    folder = write_good_object(tmp_path / "object")
    (folder / "v1/inventory.json").write_bytes(NOT_INVENTORIES[what])
    (folder / "v1/content/a.txt").write_text("changed")
    codes = validate_object(folder).codes
    assert {"E033", "E092"} <= codes


def places(value: object, trail: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [trail]
    below = [place for key, child in value.items() for place in places(child, (*trail, key))]
    return [trail, *below] if trail else below


PLACES = places(good_inventories()["v2"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=json_values)
def test_any_json_anywhere_in_an_inventory_is_judged(
    tmp_path: Path, place: tuple[str, ...], value: object
) -> None:
    folder = tmp_path / "object"
    if not folder.exists():
        write_good_object(folder)
    inventory: Inventory = good_inventories()["v2"]
    outer = inventory
    for key in place[:-1]:
        outer = outer[key]
    outer[place[-1]] = value
    write_head(folder, inventory)
    validate_object(folder)


@settings(max_examples=80)
@given(name=st.text(max_size=20), value=json_values)
def test_any_json_as_a_further_key_is_judged(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: object
) -> None:
    folder = tmp_path_factory.mktemp("objects") / "object"
    write_good_object(folder)
    inventory: Inventory = good_inventories()["v2"]
    inventory["fixity"] = {name: value, "md5": {name: [name]}}
    inventory["versions"][name] = value
    write_head(folder, inventory)
    assert not validate_object(folder).valid


def test_paths_that_climb_out_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"first\n")
    folder = write_good_object(tmp_path / "object")
    inventory = good_inventories()["v2"]
    for paths in inventory["manifest"].values():
        paths[:] = ["v1/content/../../../outside", "/etc/passwd", "v1/content/\x00"]
    write_head(folder, inventory)
    assert {"E099", "E100", "E023"} <= validate_object(folder).codes


def test_names_that_are_not_utf8_are_found_as_files_of_nobody(tmp_path: Path) -> None:
    folder = write_good_object(tmp_path / "object")
    os.close(os.open(os.fsencode(folder) + b"/v1/content/\xc9\xea.txt", os.O_CREAT | os.O_WRONLY))
    (finding,) = validate_object(folder).findings
    assert finding.code == "E023"


def test_pipes_and_link_loops_everywhere_do_not_hang(tmp_path: Path) -> None:
    root = write_good_root(tmp_path / "root")
    folder = next(root.glob("*/urn%3aone"))
    for name in ("0=ocfl_object_1.1", "inventory.json", "v1/content/a.txt", "v1/inventory.json"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    (folder / "v2/content/loop").symlink_to(".")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "ocfl_layout.json.pipe")
    assert {"E003", "E063", "E090", "E089"} <= validate_root(root).codes


def test_pipes_in_the_roots_own_files_do_not_hang(tmp_path: Path) -> None:
    root = write_good_root(tmp_path / "root")
    for name in ("0=ocfl_1.1", "ocfl_layout.json"):
        (root / name).unlink()
        os.mkfifo(root / name)
    assert {"E069", "E070", "E089"} <= validate_root(root).codes


def test_a_folder_deeper_than_a_path_can_say_is_a_finding(tmp_path: Path) -> None:
    root = write_good_root(tmp_path / "root")
    deep = os.open(root, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 200, dir_fd=deep)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    assert "E085" in validate_root(root).codes


@pytest.mark.needs_root
def test_what_may_not_be_read_is_a_finding(tmp_path: Path) -> None:
    """In a process without root's rights; each place that cannot be read is named."""
    tmp_path.chmod(0o755)
    root = write_good_root(tmp_path / "root")
    one, two = next(root.glob("*/urn%3aone")), next(root.glob("*/urn%3atwo"))
    (one / "v1/content/a.txt").chmod(0)
    (one / "v2/content/sub").chmod(0)
    (two / "inventory.json").chmod(0)
    (two / "v1").chmod(0)
    (root / "locked").mkdir(mode=0)
    (root / "ocfl_layout.json").chmod(0)
    program = (
        "import os, sys; sys.path.insert(0, os.getcwd())\n"
        "from pathlib import Path\n"
        "from storage.ocfl.validate import validate_root\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "for finding in validate_root(Path(sys.argv[1])).findings:\n"
        "    print(finding.code, finding.path, finding.message)\n"
    )
    for folder in tmp_path.parents:
        folder.chmod(folder.stat().st_mode | 0o011)
    done = subprocess.run(
        [sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True
    )
    denied = {tuple(line.split()[:2]) for line in done.stdout.splitlines() if "denied" in line}
    assert denied == {
        ("E070", "ocfl_layout.json"),
        ("E085", "locked"),
        ("E092", f"{one.relative_to(root)}/v1/content/a.txt"),
        ("E092", f"{one.relative_to(root)}/v2/content/sub"),
        ("E033", f"{two.relative_to(root)}/inventory.json"),
    }
