"""Go through one partition in which a node and the catalogue differ, object by object.

docs/operations/comparison.md. Both sides are read page by page in the order of object ids. A node
that does not differ is not listed: it keeps what the catalogue says. Each difference is looked into
by doubts.py.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from replication.doubts import Doubts
from replication.forgotten import Fate
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue import copies, held, packages
from storage.catalogue.copies import CopyStanding
from storage.catalogue.model import CopyState, Package
from storage.catalogue.writer import CatalogueWriter
from storage.hash_tree.leaf import Leaf

PAGE = 500

# Objects looked into at once: each asks its holders, and waits for them.
_OBJECTS_AT_ONCE = 16

Said = Mapping[str, Mapping[str, Leaf]]  # object id → node → what it lists


@dataclass(frozen=True, slots=True)
class Walked:
    """What one partition came to."""

    disagreements: tuple[str, ...] = ()  # no node keeps what the catalogue says
    unknown: tuple[str, ...] = ()  # on at least two nodes, and in no row of the catalogue
    unheard: tuple[str, ...] = ()  # nodes that stopped answering, or of whom something is in doubt
    forgotten: int = 0
    damaged: int = 0
    verified: int = 0
    messages: int = 0


class _Listing:
    """What one node has in the partition, read page by page in the order of object ids."""

    def __init__(self, node: str, client: NodeClient, partition: int, limit: int) -> None:
        self.node = node
        self.messages = 0
        self._partition = partition
        self._limit = limit
        self._client = client
        self._page: dict[str, Leaf] = {}
        self._reached = ""
        self._more = True

    async def upto(self, last: str | None) -> dict[str, Leaf]:
        """Leaves of all ids up to `last` (None: to the end)."""
        while self._more and (last is None or self._reached < last):
            self.messages += 1
            page = await self._client.leaves(self._partition, self._reached, self._limit)
            self._page |= {leaf.object_id: leaf for leaf in page.leaves}
            self._more = page.more
            if page.leaves:
                self._reached = page.leaves[-1].object_id
        taken = {name: leaf for name, leaf in self._page.items() if last is None or name <= last}
        self._page = {name: leaf for name, leaf in self._page.items() if name not in taken}
        return taken


class PartitionWalk:
    """One walk through one partition."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        doubts: Doubts,
        partition: int,
        differing: Mapping[str, NodeClient],
        agreeing: Collection[str],
    ) -> None:
        self._catalogue = catalogue
        self._doubts = doubts
        self._partition = partition
        self._differing = differing
        self._agreeing = agreeing
        self._listings: list[_Listing] = []
        self._unheard: list[str] = []
        self._disagreements: list[str] = []
        self._unknown: list[str] = []
        self._fates: Counter[Fate] = Counter()
        self._places = asyncio.Semaphore(_OBJECTS_AT_ONCE)

    async def run(self, page: int = PAGE) -> Walked:
        """From the first object id to the last. A node that stops answering is left out."""
        begun = [
            _Listing(node, client, self._partition, page)
            for node, client in self._differing.items()
        ]
        self._listings = list(begun)
        after, more = "", True
        while more:
            rows: list[Package] = await self._catalogue.look(
                held.stored_in_partition, self._partition, after, page
            )
            more = len(rows) == page
            last = rows[-1].object_id if more else None
            said = await self._said(last)
            await self._look_for_unknown(said.keys() - {row.object_id for row in rows}, said)
            await self._look_at(rows, said)
            after = last or after
        return Walked(
            tuple(dict.fromkeys(self._disagreements)),
            tuple(self._unknown),
            tuple(dict.fromkeys(self._unheard)),
            self._fates[Fate.LOST],
            self._fates[Fate.DAMAGED],
            self._fates[Fate.VERIFIED],
            sum(listing.messages for listing in begun),
        )

    async def _said(self, last: str | None) -> Said:
        said: dict[str, dict[str, Leaf]] = {}
        for listing in list(self._listings):
            try:
                page = await listing.upto(last)
            except WireRefusal:
                self._listings.remove(listing)
                self._unheard.append(listing.node)
                continue
            for object_id, leaf in page.items():
                said.setdefault(object_id, {})[listing.node] = leaf
        return said

    async def _look_for_unknown(self, object_ids: Iterable[str], said: Said) -> None:
        for object_id in sorted(object_ids):
            if len(said[object_id]) > 1 and not await self._versions(object_id):
                self._unknown.append(object_id)

    async def _look_at(self, rows: Sequence[Package], said: Said) -> None:
        standings = await self._catalogue.look(copies.standings, [row.id for row in rows])

        async def look_at(row: Package) -> None:
            async with self._places:
                kept = said.get(row.object_id, {})
                await self._look_at_one(row, kept, standings.get(row.id, {}))

        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                tasks.create_task(look_at(row))

    async def _look_at_one(
        self, row: Package, kept: Mapping[str, Leaf], standings: Mapping[str, CopyStanding]
    ) -> None:
        if await self._is_disagreement(row, kept, standings):
            self._disagreements.append(row.object_id)
            return
        heard = {listing.node for listing in self._listings}
        for node in sorted(heard & standings.keys()):
            fate = await self._doubts.look_into(row, node, standings[node], kept.get(node))
            self._fates[fate] += 1
            if fate is Fate.UNHEARD:
                self._unheard.append(node)
            if fate is Fate.ALONE:
                self._disagreements.append(row.object_id)

    async def _is_disagreement(
        self, row: Package, kept: Mapping[str, Leaf], standings: Mapping[str, CopyStanding]
    ) -> bool:
        """Whether all nodes say one thing, and not that of a version that waits for its receipt."""
        digests = {leaf.inventory_sha256 for leaf in kept.values()}
        if any(
            copy.state is not CopyState.MISSING and node in self._agreeing
            for node, copy in standings.items()
        ):
            digests.add(row.inventory_sha256)
        if len(digests) != 1 or digests == {row.inventory_sha256}:
            return False
        return (await self._versions(row.object_id))[-1].inventory_sha256 not in digests

    async def _versions(self, object_id: str) -> list[Package]:
        return await self._catalogue.look(packages.versions_of_object, object_id)
