"""Gather what a lost catalogue knew: journals of a majority of nodes, and objects' own records.

docs/operations/catalogue-lost.md. Reads only, from daemons over the wire or from mounted volumes;
everything goes into a scratch database on a disk (storage/catalogue/scratch.py). What is done with
it then (a new catalogue, a comparison, an old catalogue brought level) is the caller's affair.
"""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from replication import journal_reading
from replication.copies import FileReads
from replication.inventory_fetch import InventoryAway, InventoryFetch
from replication.journal_reading import JournalUnreadable, Progress
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue import untold
from storage.catalogue.answer_assembly import assemble
from storage.catalogue.replay import JournalRecord, Replay, Verify
from storage.catalogue.replay_settling import settle, sum_up
from storage.catalogue.scratch import Scratch
from storage.catalogue.untold import FactsUnusable, Untold
from storage.errors import LantaiError, Refusal
from storage.model import BLOCK_BYTES
from storage.ocfl.layout import object_folder
from storage.sweep.trusted_inventory import TrustedInventory
from storage.view.holdings import HeldVersion

_FACTS = "content/lantai/package.json"


class TooFewNodes(Refusal):
    """Fewer than a majority of the nodes can be read: what they lack nobody else would tell."""

    code: ClassVar[str] = "too-few-nodes"


class NodeToRead(Protocol):
    """One node, running or not."""

    @property
    def name(self) -> str: ...
    @property
    def files(self) -> FileReads: ...
    def records(self, progress: Progress) -> AsyncIterator[list[JournalRecord]]: ...


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that answers on the wire."""

    client: NodeClient

    @property
    def name(self) -> str:
        return self.client.peer.name

    @property
    def files(self) -> FileReads:
        return self.client

    def records(self, progress: Progress) -> AsyncIterator[list[JournalRecord]]:
        return journal_reading.of_node(self.client, progress)


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """A node's disk, mounted here; no process may have it open."""

    name: str
    root: Path  # the OCFL storage root; the journal lies beside it

    @property
    def files(self) -> FileReads:
        return self

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._read, object_id, path, offset, length)

    async def records(self, progress: Progress) -> AsyncIterator[list[JournalRecord]]:
        total = 0
        for batch in journal_reading.of_folder(self.root.parent / "journal"):
            total += len(batch)
            progress(self.name, total)
            yield batch

    def _read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        with (self.root / object_folder(object_id) / path).open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the journals did not say in full."""

    unfinished: tuple[str, ...]  # objects that were being stored
    without_receipt: tuple[str, ...]  # stored, and their receipts told to nobody
    unusable: tuple[str, ...]  # objects whose own record no node gives as it was signed


async def gather(
    target: Scratch, nodes: Sequence[NodeToRead], verify: Verify, progress: Progress
) -> None:
    """Take in every journal, one node after the other, and what follows from them."""
    replay = Replay(target, verify)
    for node in nodes:
        try:
            async for batch in node.records(progress):
                if batch:
                    await asyncio.to_thread(replay.take, node.name, batch)
        except (JournalUnreadable, WireRefusal, OSError) as error:
            await asyncio.to_thread(replay.broken, node.name, str(error))
    await asyncio.to_thread(settle, target)
    await asyncio.to_thread(assemble, target)


async def add_untold(
    target: Scratch, nodes: Sequence[NodeToRead], copies_wanted: int, work: Path
) -> Gathered:
    """Make the rows of what was stored in the last seconds, from the objects themselves."""
    fetch = _FactsFetch({node.name: node.files for node in nodes}, work)
    unfinished: list[str] = []
    without_receipt: list[str] = []
    unusable: list[str] = []
    for found in await asyncio.to_thread(lambda: list(untold.untold(target))):
        try:
            facts = await fetch.facts(found)
            is_stored = await asyncio.to_thread(untold.add, target, found, facts, copies_wanted)
        except (InventoryAway, FactsUnusable) as refusal:
            unusable.append(f"{found.object_id}: {refusal}")
        else:
            (without_receipt if is_stored else unfinished).append(found.object_id)
    await asyncio.to_thread(_sum_up, target)
    return Gathered(tuple(unfinished), tuple(without_receipt), tuple(unusable))


def _sum_up(target: Scratch) -> None:
    with target.catalogue.writing() as connection:
        sum_up(connection)


class _FactsFetch:
    """Reads an object's `lantai/package.json` from whichever node gives it as it was signed."""

    def __init__(self, nodes: dict[str, FileReads], work: Path) -> None:
        self._nodes = nodes
        self._inventories = InventoryFetch(nodes)
        self._work = work

    async def facts(self, found: Untold) -> dict[str, Any]:
        """Raises InventoryAway or FactsUnusable."""
        held = HeldVersion(found.object_id, found.version, found.inventory_sha256, "", found.nodes)
        path = f"v{found.version}/{_FACTS}"
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            inventory = Path(folder) / "inventory.json"
            await self._inventories.fetch(held, inventory)
            expected = await asyncio.to_thread(_digest_of, inventory, path)
        for node in found.nodes:
            raw = await self._read(node, found.object_id, path)
            if hashlib.sha256(raw).hexdigest() == expected:
                return _parsed(found, raw)
        raise FactsUnusable(f"no node gives {path} as it was signed")

    async def _read(self, node: str, object_id: str, path: str) -> bytes:
        try:
            return await self._nodes[node].read(object_id, path, 0, BLOCK_BYTES)
        except (LantaiError, OSError, KeyError):
            return b""


def _digest_of(inventory: Path, path: str) -> str | None:
    found = TrustedInventory(inventory, None).manifest()
    return next((sha256 for sha256, name in found if name == path), None)


def _parsed(found: Untold, raw: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(raw)
    except ValueError as error:
        raise FactsUnusable(f"{found.object_id}: its package.json is no JSON") from error
    if not isinstance(facts, dict):
        raise FactsUnusable(f"{found.object_id}: its package.json is no object")
    return facts
