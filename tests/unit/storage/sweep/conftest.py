"""Real objects in a real storage root, as intake and node write them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.blocks import FileHasher
from storage.file_list import write_file_list
from storage.model import FileEntry
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    ROOT_DECLARATION,
    ROOT_DECLARATION_NAME,
    SIDECAR_NAME,
    InventoryHeader,
    write_inventory,
)
from storage.ocfl.layout import object_folder
from storage.sweep.model import ObjectToCheck

RECEIVED = {
    "received/bagit.txt": b"BagIt-Version: 1.0\n",
    "received/data/申请表.pdf": b"%PDF " * 3000,
    "received/data/empty.txt": b"",
    "received/data/twice/a": b"the same bytes",
    "received/data/twice/b": b"the same bytes",
    "received/data/large.tif": bytes(range(256)) * 4096 * 2 + b"end",
}


@dataclass(frozen=True)
class BuiltRoot:
    """A storage root to which tests add objects."""

    root: Path

    def add(self, object_id: str, received: dict[str, bytes] = RECEIVED) -> ObjectToCheck:
        """Write the object and its inventory, synced."""
        folder = self.root / object_folder(object_id)
        content = folder / "v1" / "content"
        for path, data in received.items():
            _write(content / path, data)
        entries = [_entry(path, received[path]) for path in sorted(received, key=str.encode)]
        (content / "lantai").mkdir(parents=True)
        write_file_list(entries, content / "lantai/files.jsonl")
        kept = _entry("lantai/files.jsonl", (content / "lantai/files.jsonl").read_bytes())
        header = InventoryHeader(object_id, "2026-11-22T08:00:00Z", "m", "n", "urn:x")
        sha256 = write_inventory(
            folder / INVENTORY_NAME, header, [*entries, kept], self.root.parent
        )
        _write(folder / OBJECT_DECLARATION_NAME, OBJECT_DECLARATION)
        for name in (INVENTORY_NAME, SIDECAR_NAME):
            _write(folder / "v1" / name, (folder / name).read_bytes())
        os.sync()
        return ObjectToCheck(object_id, folder, 1, sha256)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _entry(path: str, data: bytes) -> FileEntry:
    hasher = FileHasher()
    hasher.update(data)
    digest = hasher.finish()
    return FileEntry(path, digest.size_bytes, digest.sha256, digest.block_root)


@pytest.fixture
def built_root(tmp_path: Path) -> BuiltRoot:
    """An empty storage root."""
    root = tmp_path / "root"
    _write(root / ROOT_DECLARATION_NAME, ROOT_DECLARATION)
    return BuiltRoot(root)


@pytest.fixture
def intact_object(built_root: BuiltRoot) -> ObjectToCheck:
    """One object of eight files, nothing wrong with it."""
    return built_root.add("lantai:gov-portal/case-0001")


@pytest.fixture
def flip_bit() -> Callable[[Path], None]:
    """Turn one bit in the middle of a file over, as a disk does: same size, same time."""

    def flip(path: Path) -> None:
        status = path.stat()
        with path.open("r+b") as stream:
            stream.seek(status.st_size // 2)
            byte = stream.read(1)[0]
            stream.seek(status.st_size // 2)
            stream.write(bytes([byte ^ 0x10]))
            stream.flush()
            os.fsync(stream.fileno())
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return flip
