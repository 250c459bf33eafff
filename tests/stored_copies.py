"""Copies of packages on disk, as nodes keep them, for tests of reading and of the view.

docs/formats/package.md. Objects are written by the product's own inventory and file list; a node is
a folder of object folders, read without any verification, so a test can damage what it likes.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.blocks import LEAF_BYTES, FileHasher
from storage.errors import Refusal
from storage.file_list import write_file_list
from storage.model import BLOCK_BYTES, FileEntry
from storage.ocfl.inventory import InventoryHeader, write_inventory
from storage.view.holdings import HeldPackage, HeldVersion, HoldingsTotals
from storage.view.names import stored_name

COMMITTED_AT = "2026-11-22T08:00:00Z"


@dataclass(frozen=True, slots=True)
class Written:
    """One object as it was written to every node."""

    held: HeldVersion
    folder: str  # of the object, below each node's folder
    files: Mapping[bytes, bytes]


def write_copies(
    nodes: Sequence[Path],
    object_id: str,
    files: Mapping[bytes, bytes],
    prefix: str = "received",
    records: Mapping[str, bytes] | None = None,
) -> Written:
    """Write version 1 of an object, with these files below `prefix`, to all `nodes`."""
    folder = hashlib.sha256(object_id.encode()).hexdigest()[:16]
    contents = {_logical(prefix, name): content for name, content in files.items()}
    kept = sorted((_entry(path, content) for path, content in contents.items()), key=_order)
    recorded = {"lantai/package.json": b"{}\n", **(records or {})}
    recorded["lantai/files.jsonl"] = b"".join(msgspec.json.encode(entry) + b"\n" for entry in kept)
    names = _names(prefix, files)
    if names:
        recorded["lantai/names.jsonl"] = names
    everything = contents | recorded
    entries = sorted((_entry(path, content) for path, content in everything.items()), key=_order)
    inventory_sha256 = ""
    for node in nodes:
        version = node / folder / "v1"
        version.mkdir(parents=True)
        for path, content in everything.items():
            target = version / "content" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        header = InventoryHeader(object_id, COMMITTED_AT, "stored", "test", "urn:test")
        inventory_sha256 = write_inventory(version / "inventory.json", header, entries, node)
    held = HeldVersion(
        object_id, 1, inventory_sha256, COMMITTED_AT, tuple(node.name for node in nodes)
    )
    return Written(held, folder, files)


def file_list_bytes(entries: Sequence[FileEntry], work: Path) -> bytes:
    """A file list as the product writes it."""
    target = work / "files.jsonl"
    write_file_list(entries, target)
    return target.read_bytes()


def sample_entry(path: str, content: bytes = b"abc") -> FileEntry:
    return _entry(path, content)


def _order(entry: FileEntry) -> bytes:
    return entry.path.encode()


def _logical(prefix: str, name: bytes) -> str:
    return "/".join([prefix, *(stored_name(part) for part in name.split(b"/"))])


def _entry(path: str, content: bytes) -> FileEntry:
    hasher = FileHasher()
    hasher.update(content)
    found = hasher.finish()
    return FileEntry(path, found.size_bytes, found.sha256, found.block_root)


def _names(prefix: str, files: Mapping[bytes, bytes]) -> bytes:
    lines = {}
    for name in files:
        path = _logical(prefix, name)
        raw = prefix.encode() + b"/" + name
        if path.encode() != raw:
            line = {"path": path, "raw_base64": base64.b64encode(raw).decode()}
            lines[path.encode()] = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return "".join(lines[path] + "\n" for path in sorted(lines)).encode()


class FileGone(Refusal):
    """What a node says of a file that it has not got."""

    code = "file-unknown"


class FolderNode:
    """A node that reads what lies in its folder and believes it. Counts what it was asked."""

    def __init__(self, folder: Path, folders: Mapping[str, str]) -> None:
        """`folders` says where each object lies below `folder`."""
        self.folder = folder
        self._folders = folders
        self.asked: list[tuple[str, int]] = []  # path and offset of each read

    def path(self, object_id: str, path: str) -> Path:
        return self.folder / self._folders[object_id] / path

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        self.asked.append((path, offset))
        # Others may run in between, as over a network.
        await asyncio.sleep(0)
        try:
            with self.path(object_id, path).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError as error:
            raise FileGone(f"{path} is not here") from error

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        hasher = FileHasher()
        with self.path(object_id, path).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                hasher.update(block)
        leaves = hasher.finish().leaves
        return leaves[first * LEAF_BYTES : (first + count) * LEAF_BYTES]


class FixedHoldings:
    """Holdings that a test writes down. Sources and packages come in the order given."""

    def __init__(self, packages: Mapping[str, Mapping[str, Sequence[HeldVersion]]]) -> None:
        self._packages = {
            source: [
                HeldPackage(sequence, identifier, tuple(versions))
                for sequence, (identifier, versions) in enumerate(held.items(), start=1)
            ]
            for source, held in packages.items()
        }
        self.pages_asked = 0

    def add(self, source: str, identifier: str, versions: Sequence[HeldVersion]) -> None:
        """A package arrives."""
        held = self._packages.setdefault(source, [])
        held.append(HeldPackage(len(held) + 1, identifier, tuple(versions)))

    async def sources(self) -> list[str]:
        return list(self._packages)

    async def packages(self, source: str, after: int, limit: int) -> list[HeldPackage]:
        self.pages_asked += 1
        return self._packages[source][after : after + limit]

    async def package(self, source: str, identifier: str) -> HeldPackage | None:
        held = self._packages[source]
        return next((package for package in held if package.identifier == identifier), None)

    async def totals(self) -> HoldingsTotals:
        return HoldingsTotals(sum(map(len, self._packages.values())), content_bytes=10_000_000)
