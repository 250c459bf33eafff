"""What our inventory writer makes is valid to ocfl-py, which nobody here wrote, and to us."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from storage.model import FileEntry
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    ROOT_DECLARATION,
    ROOT_DECLARATION_NAME,
    SIDECAR_NAME,
    InventoryHeader,
    content_path,
    write_inventory,
)
from storage.ocfl.layout import (
    HASH_AND_ID_LAYOUT,
    layout_configuration_document,
    layout_document,
    object_folder,
)
from storage.ocfl.validate import validate_root

# Its own return value speaks of the hierarchy only; the objects are counted apart.
THEIR_VERDICT = """
import sys, ocfl
root = ocfl.StorageRoot(root=sys.argv[1])
good = root.validate() and root.good_objects == root.num_objects > 0
print('valid' if good else 'invalid')
"""
FILES = {
    "received/bagit.txt": b"BagIt-Version: 1.0\n",
    "received/data/申请表.pdf": b"%PDF",
    "received/data/same bytes.pdf": b"%PDF",
    'received/data/"quoted\\" \n\u202egpj.exe': b"hostile name",
    "received/data/e\u0301 and \u00e9": b"two normal forms",
    "lantai/package.json": b"{}",
    "received/data/empty": b"",
}
IDS = ("lantai:portal/case-0001", "lantai:门户/案卷〔2026〕7号", "lantai:portal/" + "x" * 200)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    configuration = root / "extensions" / HASH_AND_ID_LAYOUT / "config.json"
    configuration.parent.mkdir(parents=True)
    configuration.write_bytes(layout_configuration_document())
    (root / "ocfl_layout.json").write_bytes(layout_document())
    (root / ROOT_DECLARATION_NAME).write_bytes(ROOT_DECLARATION)
    for object_id in IDS:
        write_object(root / object_folder(object_id), object_id, tmp_path)
    return root


def write_object(folder: Path, object_id: str, work: Path) -> None:
    for path, data in FILES.items():
        target = folder / content_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (folder / OBJECT_DECLARATION_NAME).write_bytes(OBJECT_DECLARATION)
    header = InventoryHeader(
        object_id, "2026-11-22T08:00:00Z", "入库", "ingest", "urn:lantai:ingest"
    )
    entries = [
        FileEntry(path, len(data), hashlib.sha256(data).hexdigest(), None)
        for path, data in FILES.items()
    ]
    write_inventory(folder / INVENTORY_NAME, header, entries, work)
    for name in (INVENTORY_NAME, SIDECAR_NAME):
        (folder / "v1" / name).write_bytes((folder / name).read_bytes())


def their_verdict(root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THEIR_VERDICT, str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]


def test_what_we_write_is_valid_to_both(root: Path) -> None:
    report = validate_root(root)
    assert report.errors == ()
    assert report.codes == {"W004"}  # SHA-256 is allowed, and what this product decided on
    assert report.objects == len(IDS)
    assert their_verdict(root) == "valid"


def test_a_flipped_byte_is_found_by_both(root: Path) -> None:
    (root / object_folder(IDS[1]) / content_path("received/bagit.txt")).write_bytes(b"X")
    assert {finding.code for finding in validate_root(root).errors} == {"E092"}
    assert their_verdict(root) == "invalid"


def test_an_identical_file_keeps_its_own_content(root: Path) -> None:
    inventory = json.loads((root / object_folder(IDS[0]) / INVENTORY_NAME).read_bytes())
    digest = hashlib.sha256(b"%PDF").hexdigest()
    assert inventory["manifest"][digest] == [
        "v1/content/received/data/same bytes.pdf",
        "v1/content/received/data/申请表.pdf",
    ]
