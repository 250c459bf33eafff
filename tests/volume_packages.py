"""Packages as a writer would send them, and volumes to send them to.

Made with the product's own writers of file lists and inventories; volumes are real ones on a real
file system.
"""

import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from storage.blocks import FileHasher
from storage.file_list import write_file_list
from storage.model import FileEntry, SignedAnswer
from storage.ocfl.inventory import InventoryHeader, write_inventory
from storage.signing import SigningKey
from storage.version_list import VERSION_LIST, encode_version_list
from storage.volume.incoming import Incoming
from storage.volume.order import StoreOrder
from storage.volume.settings import VolumeSettings
from storage.volume.volume import Volume

PIECE_BYTES = 256 * 1024
CREATED = "2026-11-22T08:00:00Z"


@dataclass(frozen=True)
class MadePackage:
    """One put, and its whole stream."""

    order: StoreOrder
    stream: bytes
    files: Mapping[str, bytes]
    inventory: bytes
    previous: "MadePackage | None" = None  # the version before this one

    @property
    def versions(self) -> list["MadePackage"]:
        """All versions up to this one, the first one first."""
        return [*(self.previous.versions if self.previous else []), self]


def make_package(
    files: Mapping[str, bytes] | None = None,
    object_id: str = "lantai:gov-portal/case-0001",
    op_id: str | None = None,
    previous: MadePackage | None = None,
) -> MadePackage:
    """A package of these files (`received/…` → bytes), with its own `lantai/files.jsonl`.

    With `previous` it is the next version of that one's object.
    """
    earlier = previous.versions if previous else []
    if previous is not None:
        object_id = previous.order.object_id
    content = dict(files if files is not None else default_files())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_file_list(_entries(content), work / "kept")
        content["lantai/files.jsonl"] = (work / "kept").read_bytes()
        if previous is not None:
            digests = [each.order.inventory_sha256 for each in earlier]
            content[VERSION_LIST] = encode_version_list(digests)
            (work / "previous").write_bytes(previous.inventory)
        entries = _entries(content)
        summary = write_file_list(entries, work / "list")
        header = InventoryHeader(object_id, CREATED, "收到", "lantai", "urn:lantai:test")
        inventory_sha256 = write_inventory(
            work / "inventory.json", header, entries, work, work / "previous" if previous else None
        )
        file_list = (work / "list").read_bytes()
        inventory = (work / "inventory.json").read_bytes()
    order = StoreOrder(
        op_id=op_id or secrets.token_hex(16),
        object_id=object_id,
        version=len(earlier) + 1,
        epoch=1,
        file_list_bytes=len(file_list),
        inventory_bytes=len(inventory),
        content_bytes=summary.content_bytes,
        file_count=summary.file_count,
        file_list_sha256=summary.sha256,
        inventory_sha256=inventory_sha256,
    )
    body = b"".join(content[entry.path] for entry in entries)
    return MadePackage(order, file_list + inventory + body, content, inventory, previous)


def mending(package: MadePackage) -> MadePackage:
    """A mend of the package: every version in one stream, under an order of its own."""
    earlier = [each.order for each in package.versions[:-1]]
    order = replace(
        package.order,
        op_id=secrets.token_hex(16),
        replaces_damaged=True,
        earlier=tuple(stream for order in earlier for _, stream in order.streams),
        earlier_files=sum(order.file_count for order in earlier),
        earlier_bytes=sum(order.content_bytes for order in earlier),
    )
    stream = b"".join(each.stream for each in package.versions)
    return replace(package, order=order, stream=stream)


def default_files() -> dict[str, bytes]:
    """Small, empty, Chinese, odd, and one file of more than two blocks."""
    return {
        "received/bagit.txt": b"BagIt-Version: 1.0\n",
        "received/data/申请表.pdf": b"%PDF" + os.urandom(5000),
        "received/data/empty": b"",
        "received/data/a%20b\n.txt": b"odd name",
        "received/data/scan.tif": os.urandom(2 * 1024 * 1024 + 1),
    }


def again(package: MadePackage, **changes: object) -> MadePackage:
    """The same package under another order."""
    # The checker cannot know which member has which type.
    return replace(package, order=replace(package.order, **changes))  # type: ignore[arg-type]


def settings_for(beside: Path, **changes: object) -> VolumeSettings:
    """A volume in `beside` that leaves nothing in reserve."""
    settings = VolumeSettings(
        root=beside / "root",
        node="node-1",
        domain="room-a",
        reserve_bytes=0,
        allow_unproven=True,  # wherever the tests happen to run; tests of the medium say no
        self_test_bytes=1024 * 1024,
        read_back_processes=0,
    )
    # The checker cannot know which setting has which type.
    return replace(settings, **changes)  # type: ignore[arg-type]


def new_volume(beside: Path, key: SigningKey | None = None, **changes: object) -> Volume:
    return Volume.create(settings_for(beside, **changes), key or SigningKey.generate())


def send(volume: Volume, package: MadePackage) -> Incoming:
    """Begin and write everything; not committed yet."""
    incoming = volume.begin(package.order)
    assert isinstance(incoming, Incoming)
    offset = incoming.written
    while offset < len(package.stream):
        offset = incoming.write(offset, package.stream[offset : offset + PIECE_BYTES])
    return incoming


async def store(volume: Volume, package: MadePackage) -> SignedAnswer:
    """The whole put."""
    return await volume.commit(send(volume, package))


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def _entries(content: Mapping[str, bytes]) -> list[FileEntry]:
    entries = []
    for path in sorted(content, key=str.encode):
        hasher = FileHasher()
        hasher.update(content[path])
        digest = hasher.finish()
        entries.append(FileEntry(path, digest.size_bytes, digest.sha256, digest.block_root))
    return entries
