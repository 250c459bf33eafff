"""What lies beside the objects: a root with it is valid OCFL, and verify.py alone finds damage."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ocfl.storage_root import StorageRoot

from storage.blocks import FileHasher
from storage.model import FileEntry
from storage.ocfl.inventory import InventoryHeader, write_inventory
from storage.ocfl.layout import (
    HASH_AND_ID_LAYOUT,
    layout_configuration_document,
    layout_document,
    object_folder,
)

ROOT_FILES = Path(__file__).parents[3] / "storage" / "volume" / "root_files"
FILES = {"received/data/申请\n表.pdf": b"%PDF", "received/bagit.txt": b"BagIt", "received/0=x": b""}
OBJECT = "lantai:gov-portal/case-0001"
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A storage root with one object, and our files beside it."""
    root = tmp_path / "root"
    extension = root / "extensions" / HASH_AND_ID_LAYOUT
    extension.mkdir(parents=True)
    (root / "0=ocfl_1.1").write_bytes(b"ocfl_1.1\n")
    (root / "ocfl_layout.json").write_bytes(layout_document())
    (extension / "config.json").write_bytes(layout_configuration_document())
    for name in ("README.txt", "verify.py"):
        shutil.copy(ROOT_FILES / name, root / name)
    (root / "node-identity").write_bytes(b"{}")
    (root / "node-identity.sig").write_bytes(bytes(64))
    write_object(root / object_folder(OBJECT), tmp_path)
    return root


def write_object(folder: Path, work: Path) -> None:
    entries = []
    for path in sorted(FILES, key=str.encode):
        target = folder / "v1/content" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(FILES[path])
        hasher = FileHasher()
        hasher.update(FILES[path])
        digest = hasher.finish()
        entries.append(FileEntry(path, digest.size_bytes, digest.sha256, None))
    header = InventoryHeader(OBJECT, "2026-11-22T08:00:00Z", "m", "n", "urn:x")
    write_inventory(folder / "inventory.json", header, entries, work)
    (folder / "0=ocfl_object_1.1").write_bytes(b"ocfl_object_1.1\n")
    for name in ("inventory.json", "inventory.json.sha256"):
        shutil.copy(folder / name, folder / "v1" / name)


def verify(root: Path, *arguments: str) -> tuple[int, str]:
    command = [SYSTEM_PYTHON, "-I", str(root / "verify.py"), *arguments]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    finished = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert finished.stderr == b""
    return finished.returncode, finished.stdout.decode()


def test_a_root_with_our_files_is_valid_to_ocfl_py(root: Path) -> None:
    storage_root = StorageRoot(root=str(root))
    storage_root.validate(validate_objects=True, check_digests=True)
    assert (storage_root.num_objects, storage_root.good_objects) == (1, 1)
    assert storage_root.num_traversal_errors == 0


def test_verify_py_finds_nothing_wrong_with_an_intact_root(root: Path) -> None:
    assert verify(root) == (0, "1 objects checked, 0 damaged. 已核验 1 个对象，0 个损坏。\n")
    assert verify(root, str(root / object_folder(OBJECT)))[0] == 0


FIRST = "v1/content/received/bagit.txt"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def plant(path: Path) -> None:
    path.with_name("planted").write_bytes(b"x")


def link(path: Path) -> None:
    path.with_name("planted").symlink_to("/etc")


@pytest.mark.parametrize(
    ("damage", "path", "said"),
    [
        (flip, FIRST, "ALTERED"),
        (flip, "inventory.json.sha256", "ALTERED"),
        (flip, "v1/inventory.json", "ALTERED"),
        (flip, "v1/inventory.json.sha256", "ALTERED"),
        (flip, "inventory.json", ""),
        (Path.unlink, FIRST, "MISSING"),
        (Path.unlink, "inventory.json", "cannot be used"),
        (Path.unlink, "inventory.json.sha256", "cannot be used"),
        (Path.unlink, "0=ocfl_object_1.1", "MISSING"),
        (plant, FIRST, "NOT IN THE INVENTORY"),
        (plant, "inventory.json", "NOT IN THE INVENTORY"),
        (link, FIRST, "NOT IN THE INVENTORY"),
    ],
)
def test_verify_py_finds_damage(
    root: Path, damage: Callable[[Path], None], path: str, said: str
) -> None:
    damage(root / object_folder(OBJECT) / path)
    status, output = verify(root)
    assert status == 1
    assert said in output
    assert output.endswith("1 objects checked, 1 damaged. 已核验 1 个对象，1 个损坏。\n")


def test_verify_py_prints_a_name_on_one_line_whatever_is_in_it(root: Path) -> None:
    flip(root / object_folder(OBJECT) / "v1/content/received/data/申请\n表.pdf")
    assert "申请\\n表.pdf: ALTERED" in verify(root)[1]


def test_verify_py_says_so_when_there_is_nothing_to_check(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert verify(root, str(tmp_path / "empty"))[0] == 2


def test_verify_py_is_short_enough_to_be_read(root: Path) -> None:
    assert len((root / "verify.py").read_text().splitlines()) <= 90
