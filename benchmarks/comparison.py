"""What does it cost to compare a node with the catalogue, and to find what differs?

In process: a real node index, a real catalogue (SQLite), the keeper's own comparison; messages are
encoded as the wire has them and counted; times are processor time. Objects are synthetic, nothing
lies on a disk but records. Two nodes hold all of them, then the first forgets some.
"""

import argparse
import asyncio
import hashlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, insert

from benchmarks.rounds import machine
from replication.comparison import Comparing, Comparison
from replication.doubts import Doubts
from replication.listings import ListedLeaf, encode_listing
from replication.message_codec import encode
from replication.messages import Branch, Leaves, Listing, Object, Stat, Tree
from replication.node_answers import LeafPage
from replication.node_client import NodeClient
from storage.catalogue import transfers, tree_sums
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Actor, Arrival, CopyState, PackageState, Tenure
from storage.catalogue.schema import copies, packages
from storage.catalogue.writer import CatalogueWriter
from storage.hash_tree.branch import Subtree, encode_branch
from storage.model import StoredObject, VerifyMode
from storage.volume.index import Index
from storage.volume.index_tree import counting
from storage.volume.journal_records import Record

AT = "2026-11-22T08:00:00.000000Z"
NODES = ("node-1", "node-2")
_BATCH = 10_000


class IndexClient:
    """A node as far as a comparison asks it, with what would go over the wire counted."""

    is_connected = True
    welcome = None

    def __init__(self, index: Index) -> None:
        self._index = index
        self.messages = 0
        self.wire_bytes = 0

    async def tree(self, level: int, index: int) -> list[Subtree]:
        children = self._index.tree_branch(level, index)
        self._count(encode(Tree(1, level, index)), encode(Branch(1)), encode_branch(children))
        return children

    async def leaves(self, partition: int, after: str, limit: int) -> LeafPage:
        found = self._index.leaves(partition, after, limit + 1)
        listed = [
            ListedLeaf(each.object_id, each.head, each.inventory_sha256, each.state)
            for each in found[:limit]
        ]
        asked = encode(Leaves(1, partition, after, limit))
        self._count(asked, encode(Listing(1, len(found) > limit)), encode_listing(listed))
        return LeafPage(tuple(found[:limit]), len(found) > limit)

    async def stat(self, object_id: str) -> StoredObject | None:
        stored = self._index.stored_object(object_id)
        said = b"" if stored is None else encode(Object(1, *_members(stored)))
        self._count(encode(Stat(1, object_id)), said)
        return stored

    def _count(self, *frames: bytes) -> None:
        self.messages += 1
        self.wire_bytes += sum(map(len, frames))


def main() -> None:
    """Measure as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="lantai-bench-", dir=options.folder) as folder:
        asyncio.run(_measure(Path(folder), options.objects, options.differences))


async def _measure(folder: Path, objects: int, differences: int) -> None:
    began_s = time.process_time()
    index = Index(folder / "node-1")
    for batch in _records(objects):
        index.apply(batch)
    index.close()
    _say("index", objects, began_s)
    shutil.copy(folder / "node-1", folder / "node-2")
    url = f"sqlite:///{folder}/catalogue.sqlite"
    upgrade(url)
    catalogue = Catalogue.open(url)
    catalogue.act(_fill, objects)
    began_s = time.process_time()
    while catalogue.act(tree_sums.take_in, 2000):
        pass
    _say("changes taken into the catalogue's sums", len(NODES) * objects, began_s)
    async with CatalogueWriter(catalogue) as writer:
        indexes = [Index(folder / node) for node in NODES]
        clients = {node: IndexClient(each) for node, each in zip(NODES, indexes, strict=True)}
        nodes = cast("dict[str, NodeClient]", clients)
        doubts = Doubts(writer, nodes, Actor("keeper", "bench"), lambda: datetime.now(UTC))
        comparing = Comparing(writer, doubts)
        await _compare("equal", comparing, clients)
        _forget(folder / "node-1", objects, differences)
        await _compare(f"{differences} copies forgotten", comparing, clients)
        await _compare("again", comparing, clients)
        for each in indexes:
            each.close()
    catalogue.close()


async def _compare(what: str, comparing: Comparing, clients: dict[str, IndexClient]) -> None:
    before = [(each.messages, each.wire_bytes) for each in clients.values()]
    began_s = time.process_time()
    found: Comparison = await comparing.compare(cast("dict[str, NodeClient]", clients))
    took_s = time.process_time() - began_s
    asked = ", ".join(
        f"{node}: {client.messages - messages} messages, {client.wire_bytes - wire_bytes} bytes"
        for (node, client), (messages, wire_bytes) in zip(clients.items(), before, strict=True)
    )
    print(f"{what}: {took_s:.2f} CPU-s, {found.forgotten} found; {asked}", flush=True)


def _records(objects: int) -> Iterator[list[Record]]:
    for first in range(0, objects, _BATCH):
        numbers = range(first, min(first + _BATCH, objects))
        yield [_record(number) for number in numbers]


def _record(number: int) -> Record:
    members: dict[str, Any] = {
        "object_id": _name(number),
        "version": 1,
        "inventory_sha256": _digest(number),
        "file_list_sha256": "b" * 64,
        "file_count": 8,
        "content_bytes": 1_000_000,
        "op_id": f"{number:032x}",
    }
    return Record(number + 1, AT, "committed", members, 1, number, b"")


def _fill(connection: Connection, objects: int) -> None:
    arrival = Arrival("gov", "all", b"all", "f" * 64)
    taken = transfers.claim(connection, arrival, Tenure("ingest@bench", "2099"), AT)
    assert taken is not None
    for first in range(0, objects, _BATCH):
        numbers = range(first, min(first + _BATCH, objects))
        of_transfer = {"transfer_id": taken.claim.transfer_id}
        connection.execute(insert(packages), [_package(each) | of_transfer for each in numbers])
        rows = [_copy(number + 1, node) for number in numbers for node in NODES]
        connection.execute(insert(copies), rows)


def _package(number: int) -> dict[str, Any]:
    return {
        "id": number + 1, "object_id": _name(number), "version": 1, "source": "gov",
        "identifier": f"{number}", "identity": _digest(number), "copies_wanted": 2,
        "inventory_sha256": _digest(number), "file_list_sha256": "b" * 64, "file_count": 8,
        "content_bytes": 1_000_000, "state": PackageState.STORED, "op_id": f"{number:032x}",
        "copies_committed": 2, "created_at": AT, "stored_at": AT,
    }  # fmt: skip


def _copy(package_id: int, node: str) -> dict[str, Any]:
    return {
        "package_id": package_id, "node": node, "domain": f"room-{node}",
        "state": CopyState.COMMITTED, "verify_mode": VerifyMode.DIRECT, "committed_at": AT,
        "answer": _digest(package_id - 1).encode(), "signature": bytes(64),
    }  # fmt: skip


def _forget(path: Path, objects: int, differences: int) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for number in range(0, objects, objects // differences):
            with counting(database, _name(number)):
                database.execute("DELETE FROM objects WHERE object_id=?", (_name(number),))


def _name(number: int) -> str:
    return f"lantai:gov/11330000-2026-{number:08}"


def _digest(number: int) -> str:
    return hashlib.sha256(f"{number}".encode()).hexdigest()


def _members(stored: StoredObject) -> tuple[Any, ...]:
    return (
        stored.object_id, stored.head, stored.inventory_sha256, stored.file_count,
        stored.content_bytes, stored.checked_at,
    )  # fmt: skip


def _say(what: str, count: int, began_s: float) -> None:
    took_s = time.process_time() - began_s
    print(f"{what}: {count} in {took_s:.1f} CPU-s, {took_s / count * 1e6:.0f} µs each", flush=True)


if __name__ == "__main__":
    main()
