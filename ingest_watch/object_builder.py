"""Turn a judged package in private staging into the object that the nodes will keep.

docs/formats/package.md; OCFL 1.1. Adds `lantai/`, the file list and the inventory beside the staged
`received/`. Building again from the same package and facts gives the same bytes, so that a store
that was interrupted is finished and not begun anew.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.blocks import FileHasher
from storage.digests import CHUNK_BYTES
from storage.file_list import FileListSummary, read_file_list, write_file_list
from storage.model import FileEntry
from storage.ocfl.inventory import InventoryHeader, write_inventory
from storage.ocfl.inventory_stream import described_versions
from storage.version_list import VERSION_LIST, encode_version_list

PACKAGE_FORMAT = "lantai.package.v1"
FILE_LIST = "file-list.jsonl"
INVENTORY = "inventory.json"
CONTENT = "content"


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """`lantai/package.json`, member for member."""

    format: str
    object_id: str
    source: str
    identifier: str
    name: str
    package_format: str
    serialisation: str
    serialised_sha256: str | None
    identity: str
    file_count: int
    content_bytes: int
    received_at: str
    part_of: str | None = None  # the batch it came in
    matter: str | None = None
    record_class: str | None = None
    retention: str | None = None  # Y, D30, D10


@dataclass(frozen=True, slots=True)
class Records:
    """What intake found out about the package, ready to be kept."""

    check_report: bytes
    names: bytes  # lines of `names.jsonl`; empty when every name is UTF-8
    parts: bytes = b""  # lines of `parts.jsonl`; empty unless it is a batch


@dataclass(frozen=True, slots=True)
class FileLists:
    """The file lists of what is kept besides Lantai's own records, paths with their prefix."""

    received: Path
    decoded: Path | None = None  # of `content/`, where `received/` had to be decoded

    def entries(self) -> Iterator[FileEntry]:
        """Yield all of them, sorted by path."""
        lists = [self.received] if self.decoded is None else [self.decoded, self.received]
        return _merged(*map(read_file_list, lists))


@dataclass(frozen=True, slots=True)
class BuiltObject:
    """What is announced to the nodes of an object that lies ready in staging."""

    object_id: str
    version: int
    file_list: FileListSummary
    inventory_sha256: str
    inventory_bytes: int

    def lists_of(self, work: Path, version: int = 0) -> Path:
        """Where file list and inventory lie: a later version's beside those of a first one."""
        number = version or self.version
        return work if number == 1 else work / f"v{number}"


def build_object(
    work: Path, facts: PackageFacts, lists: FileLists, records: Records, archive: str
) -> BuiltObject:
    """Write `content/lantai/`, the file list and the inventory into `work`.

    `work/content/received/` holds the staged package, `work/content/content/` what was decoded from
    it. What an earlier, interrupted building left is replaced.
    """
    entries = _write_records(work / CONTENT / "lantai", facts, lists, records)
    file_list = work / FILE_LIST
    file_list.unlink(missing_ok=True)
    summary = write_file_list(_merged(entries, lists.entries()), file_list)
    inventory = work / INVENTORY
    inventory.unlink(missing_ok=True)
    header = InventoryHeader(
        object_id=facts.object_id,
        created=facts.received_at,
        message="Taken into custody 接收入库",
        user_name=archive,
        user_address=f"lantai:{facts.source}",
    )
    inventory_sha256 = write_inventory(inventory, header, read_file_list(file_list), work)
    return BuiltObject(facts.object_id, 1, summary, inventory_sha256, inventory.stat().st_size)


def build_later_version(
    work: Path, built: BuiltObject, previous: Path, inventories_sha256: Sequence[str]
) -> BuiltObject:
    """The object that was built as version 1, as the version after `previous`.

    `previous` is the proven inventory of the version before, `inventories_sha256` that of each
    earlier version. Adds `lantai/versions.jsonl`; lists and inventory go to a folder of their own.
    """
    version = len(inventories_sha256) + 1
    folder = built.lists_of(work, version)
    listed = work / CONTENT / VERSION_LIST
    listed.write_bytes(encode_version_list(inventories_sha256))
    file_list, inventory = folder / FILE_LIST, folder / INVENTORY
    entries = _merged(read_file_list(work / FILE_LIST), [_entry(listed)])
    summary = write_file_list(entries, file_list)
    with (work / INVENTORY).open("rb") as stream:
        said = described_versions(stream)[0]
    header = InventoryHeader(
        built.object_id, said.created, said.message, said.user_name, said.user_address
    )
    entries = read_file_list(file_list)
    inventory_sha256 = write_inventory(inventory, header, entries, folder, previous)
    return BuiltObject(
        built.object_id, version, summary, inventory_sha256, inventory.stat().st_size
    )


def _write_records(
    folder: Path, facts: PackageFacts, lists: FileLists, records: Records
) -> list[FileEntry]:
    """Write the small files of `lantai/` and return their entries, sorted by path."""
    folder.mkdir(exist_ok=True)
    (folder / "check-report.json").write_bytes(records.check_report)
    if records.names:
        (folder / "names.jsonl").write_bytes(records.names)
    if records.parts:
        (folder / "parts.jsonl").write_bytes(records.parts)
    package = msgspec.json.format(msgspec.json.encode(facts), indent=2)
    (folder / "package.json").write_bytes(package + b"\n")
    listed = folder / "files.jsonl"
    listed.unlink(missing_ok=True)
    write_file_list(lists.entries(), listed)
    return [_entry(path) for path in sorted(folder.iterdir())]


def _entry(path: Path) -> FileEntry:
    hasher = FileHasher()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            hasher.update(chunk)
    digest = hasher.finish()
    return FileEntry(f"lantai/{path.name}", digest.size_bytes, digest.sha256, digest.block_root)


def _merged(*sorted_lists: Iterable[FileEntry]) -> Iterator[FileEntry]:
    return heapq.merge(*sorted_lists, key=lambda entry: entry.path.encode())
