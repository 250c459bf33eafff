"""Write and read the inventory of an object: OCFL 1.1 section 3.5, SHA-256, memory flat.

What this product writes is in docs/formats/package.md: content path = `vN/content/` + logical path,
no content shared between files or versions, so that one digest may list several content paths. The
same header, files and earlier inventory always give the same bytes. Nothing here makes a file
durable (storage.durable does), and nothing judges somebody else's inventory (validate.py does).
"""

import hashlib
import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from storage.model import FileEntry
from storage.ocfl.inventory_stream import (
    InventoryUnreadable,
    VersionDescription,
    described_versions,
    digests_and_paths,
    read_head,
)
from storage.ocfl.sorted_records import Record, SortedRecords

OBJECT_DECLARATION_NAME = "0=ocfl_object_1.1"
OBJECT_DECLARATION = b"ocfl_object_1.1\n"
ROOT_DECLARATION_NAME = "0=ocfl_1.1"
ROOT_DECLARATION = b"ocfl_1.1\n"
INVENTORY_NAME = "inventory.json"
INVENTORY_TYPE = "https://ocfl.io/1.1/spec/#inventory"
DIGEST_ALGORITHM = "sha256"
SIDECAR_NAME = f"{INVENTORY_NAME}.{DIGEST_ALGORITHM}"
FIRST_VERSION = "v1"
CONTENT_DIRECTORY = "content"

_as_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class InventoryHeader:
    """What an inventory says besides its files."""

    object_id: str
    created: str  # RFC 3339, UTC, to the second: "2026-11-22T08:00:00Z"
    message: str
    user_name: str
    user_address: str  # a URI: "mailto:…", "urn:…", "https://…"


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """One file of an object's newest version, and where its bytes lie in the object's folder."""

    logical_path: str
    content_path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class InventoryVersion:
    created: str
    message: str
    user_name: str
    user_address: str
    state: dict[str, list[str]]  # digest → logical paths


@dataclass(frozen=True, slots=True)
class Inventory:
    """A whole inventory in memory; for objects of few files."""

    object_id: str
    head: str
    digest_algorithm: str
    manifest: dict[str, list[str]]  # digest → content paths
    versions: dict[str, InventoryVersion]


@dataclass(frozen=True, slots=True)
class _VersionBlock:
    """One version as it is written: what is said of it, and its state by digest."""

    description: VersionDescription
    state: Iterable[tuple[str, ...]]


def content_path(logical_path: str, version: str = FIRST_VERSION) -> str:
    return f"{version}/{CONTENT_DIRECTORY}/{logical_path}"


def write_inventory(
    target: Path,
    header: InventoryHeader,
    entries: Iterable[FileEntry],
    work: Path,
    previous: Path | None = None,
) -> str:
    """Write an inventory to `target` and its sidecar beside it; return its SHA-256.

    Of version 1; or of the version after the head of `previous`, a proven inventory of the same
    object that was written here: all it says is said again. `entries` are the new version's alone.
    They may come in any order; `work` is a folder for temporary runs when there are many.
    The sidecar is written last (OCFL E062). Existing files are replaced: the caller gives a
    folder of its own and makes both files durable.
    """
    digest = hashlib.sha256()
    files = ((entry.sha256, entry.path) for entry in entries)
    with ExitStack() as stack:
        by_digest = stack.enter_context(SortedRecords(files, work))
        inventory = stack.enter_context(target.open("wb"))
        for line in _next_document(header, by_digest, previous, stack):
            data = line.encode("utf-8")
            digest.update(data)
            inventory.write(data)
    target.with_name(SIDECAR_NAME).write_bytes(sidecar(digest.hexdigest()))
    return digest.hexdigest()


def sidecar(inventory_sha256: str) -> bytes:
    return f"{inventory_sha256} {INVENTORY_NAME}\n".encode()


def read_inventory(path: Path) -> Inventory:
    """The whole inventory at once; for a large one see `files_of_head`.

    Raises InventoryUnreadable if it is not what `write_inventory` or its like wrote.
    """
    try:
        return _inventory(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InventoryUnreadable(f"{path}: not an OCFL inventory: {error!r}") from error


def files_of_head(path: Path) -> Iterator[InventoryFile]:
    """The newest version's files, sorted by logical path; memory flat, however many there are.

    Reads the inventory three times. Raises InventoryUnreadable if the state names a digest that
    the manifest does not hold.
    """
    with path.open("rb") as stream:
        head = read_head(stream)
    with tempfile.TemporaryDirectory(prefix="lantai-inventory-") as folder, ExitStack() as stack:
        work = Path(folder)
        manifest = _sorted_block(path, work, stack, "manifest")
        state = _sorted_block(path, work, stack, "versions", head.head, "state")
        prefix = f"{head.head}/{head.content_directory}/"
        joined = stack.enter_context(SortedRecords(_located(state, manifest, prefix), work))
        for logical, content, sha256 in joined:
            yield InventoryFile(logical, content, sha256)


def _next_document(
    header: InventoryHeader, by_digest: SortedRecords, previous: Path | None, stack: ExitStack
) -> Iterator[str]:
    """The inventory whose newest version holds `by_digest`, after whatever `previous` says."""
    earlier = [] if previous is None else _blocks_of(previous, stack)
    head = f"v{len(earlier) + 1}"
    prefix = content_path("", head)
    own: Iterator[tuple[str, ...]] = ((sha256, prefix + path) for sha256, path in by_digest)
    if previous is not None:
        # Both are sorted, so nothing is held.
        own = heapq.merge(digests_and_paths(_opened(previous, stack), "manifest"), own)
    said = (head, header.created, header.message, header.user_name, header.user_address)
    newest = _VersionBlock(VersionDescription(*said), by_digest)
    return _document(header.object_id, own, [*earlier, newest])


def _blocks_of(previous: Path, stack: ExitStack) -> list[_VersionBlock]:
    return [
        _VersionBlock(
            said, digests_and_paths(_opened(previous, stack), "versions", said.name, "state")
        )
        for said in described_versions(_opened(previous, stack))
    ]


def _opened(path: Path, stack: ExitStack) -> IO[bytes]:
    return stack.enter_context(path.open("rb"))


def _document(
    object_id: str, manifest: Iterable[tuple[str, ...]], versions: list[_VersionBlock]
) -> Iterator[str]:
    yield "{\n"
    yield f'  "id": {_as_json(object_id)},\n'
    yield f'  "type": {_as_json(INVENTORY_TYPE)},\n'
    yield f'  "digestAlgorithm": {_as_json(DIGEST_ALGORITHM)},\n'
    yield f'  "head": {_as_json(versions[-1].description.name)},\n'
    yield '  "manifest": {'
    yield from _block(manifest, "    ")
    yield "\n  },\n"
    yield '  "versions": {'
    separator = "\n"
    for version in versions:
        said = version.description
        yield f"{separator}    {_as_json(said.name)}: {{\n"
        yield f'      "created": {_as_json(said.created)},\n'
        yield f'      "message": {_as_json(said.message)},\n'
        yield f'      "user": {{"name": {_as_json(said.user_name)}, '
        yield f'"address": {_as_json(said.user_address)}}},\n'
        yield '      "state": {'
        yield from _block(version.state, "        ")
        yield "\n      }\n    }"
        separator = ",\n"
    yield "\n  }\n}\n"


def _block(by_digest: Iterable[tuple[str, ...]], indent: str) -> Iterator[str]:
    """The members of a manifest or state; a digest's paths one at a time, for they may be many."""
    separator = "\n"
    for sha256, group in groupby(by_digest, key=itemgetter(0)):
        yield f'{separator}{indent}"{sha256}": ['
        comma = ""
        for _, path in group:
            yield comma + _as_json(path)
            comma = ", "
        yield "]"
        separator = ",\n"


def _sorted_block(path: Path, work: Path, stack: ExitStack, *block: str) -> SortedRecords:
    with path.open("rb") as stream:
        return stack.enter_context(SortedRecords(digests_and_paths(stream, *block), work))


def _located(state: SortedRecords, manifest: SortedRecords, prefix: str) -> Iterator[Record]:
    """(logical path, content path, digest); both inputs are sorted by digest, then path.

    Of several contents with one digest the file's own is taken where it exists, and otherwise the
    first: any of them holds the same bytes.
    """
    contents = iter(manifest)
    digest, content = next(contents, ("", ""))
    group_digest = group_first = ""
    for sha256, logical in state:
        while digest and digest < sha256:
            digest, content = next(contents, ("", ""))
        if group_digest != sha256:
            if digest != sha256:
                raise InventoryUnreadable(f"the manifest has no content for {logical!r}")
            group_digest, group_first = sha256, content
        own = prefix + logical
        while digest == sha256 and content < own:
            digest, content = next(contents, ("", ""))
        found = own if (digest, content) == (sha256, own) else group_first
        yield logical, found, sha256


def _inventory(document: dict[str, Any]) -> Inventory:
    return Inventory(
        object_id=document["id"],
        head=document["head"],
        digest_algorithm=document["digestAlgorithm"],
        manifest={digest: list(paths) for digest, paths in document["manifest"].items()},
        versions={name: _version(block) for name, block in document["versions"].items()},
    )


def _version(block: dict[str, Any]) -> InventoryVersion:
    user = block.get("user", {})
    return InventoryVersion(
        created=block["created"],
        message=block.get("message", ""),
        user_name=user.get("name", ""),
        user_address=user.get("address", ""),
        state={digest: list(paths) for digest, paths in block["state"].items()},
    )
