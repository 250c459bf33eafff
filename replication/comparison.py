"""Hold the catalogue against what every node says it keeps, object by object.

docs/operations/repair.md, `repair.catalogue_disagrees` and "Forgotten copies". Proves that sets and
digests agree, never that bits do: that is the sweep's and the audit's. Pages through both sides in
the order of ids, so memory is flat. What a node should list and does not is a doubt, looked into by
forgotten.py; here nothing is changed.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from replication.forgotten import Fate
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue import copies, held, packages
from storage.catalogue.model import CopyState, Package
from storage.catalogue.writer import CatalogueWriter

# Looks into the doubt whether a node still keeps what it signed for.
Doubt = Callable[[Package, str], Awaitable[Fate]]

PAGE = 500
_SHOWN_MAX = 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where catalogue and nodes differ; at most a thousand object ids of each kind."""

    disagreements: tuple[str, ...]  # no node keeps what the catalogue says
    unknown: tuple[str, ...]  # on at least two nodes, and in no row of the catalogue
    away: tuple[str, ...]  # nodes that did not answer, or of which something stayed in doubt
    forgotten: int = 0  # copies that their nodes no longer keep; each is on record as missing

    @property
    def catalogue_is_alone(self) -> tuple[str, ...]:
        """What a person must look at: in both cases nothing is touched."""
        return self.disagreements + self.unknown


class _Listing:
    """One side, read page by page in the order of object ids."""

    def __init__(self, node: str, client: NodeClient, limit: int) -> None:
        self.node = node
        self._limit = limit
        self._client = client
        self._page: dict[str, str] = {}
        self._reached = ""
        self._more = True

    async def upto(self, last: str | None) -> dict[str, str]:
        """Object id → inventory digest, of all ids up to `last` (None: to the end)."""
        while self._more and (last is None or self._reached < last):
            page = await self._client.objects(self._reached, self._limit)
            self._page |= {each.object_id: each.inventory_sha256 for each in page.objects}
            self._more = page.more
            if page.objects:
                self._reached = page.objects[-1].object_id
        taken = {
            name: digest for name, digest in self._page.items() if last is None or name <= last
        }
        self._page = {name: each for name, each in self._page.items() if name not in taken}
        return taken


async def compare(
    catalogue: CatalogueWriter, clients: Mapping[str, NodeClient], doubt: Doubt, page: int = PAGE
) -> Comparison:
    """One pass over everything. A node that stops answering is left out from there on."""
    listings = [_Listing(name, client, page) for name, client in clients.items()]
    return await _Pass(catalogue, listings, doubt).run(page)


class _Pass:
    """One comparison: both sides side by side, and what was found so far."""

    def __init__(self, catalogue: CatalogueWriter, listings: list[_Listing], doubt: Doubt) -> None:
        self._catalogue = catalogue
        self._doubt = doubt
        self._listings = listings
        self._away: list[str] = []
        self._disagreements: list[str] = []
        self._unknown: list[str] = []
        self._forgotten = 0

    async def run(self, page: int) -> Comparison:
        after, more = "", True
        while more:
            rows: list[Package] = await self._catalogue.look(held.stored_after, after, None, page)
            more = len(rows) == page
            last = rows[-1].object_id if more else None
            said = await self._said(last)
            await self._look_for_unknown(said.keys() - {row.object_id for row in rows}, said)
            await self._look_at(rows, said)
            after = last or after
        return Comparison(
            tuple(self._disagreements[:_SHOWN_MAX]),
            tuple(self._unknown[:_SHOWN_MAX]),
            tuple(dict.fromkeys(self._away)),
            self._forgotten,
        )

    async def _said(self, last: str | None) -> dict[str, dict[str, str]]:
        """Object id → node → inventory digest, of all ids up to `last`."""
        said: dict[str, dict[str, str]] = {}
        for listing in list(self._listings):
            try:
                page = await listing.upto(last)
            except WireRefusal:
                self._listings.remove(listing)
                self._away.append(listing.node)
                continue
            for object_id, digest in page.items():
                said.setdefault(object_id, {})[listing.node] = digest
        return said

    async def _look_for_unknown(
        self, object_ids: Iterable[str], said: Mapping[str, Mapping[str, str]]
    ) -> None:
        for object_id in sorted(object_ids):
            if len(said[object_id]) > 1 and not await self._versions(object_id):
                self._unknown.append(object_id)

    async def _look_at(
        self, rows: Sequence[Package], said: Mapping[str, Mapping[str, str]]
    ) -> None:
        heard = {listing.node for listing in self._listings}
        holders = await self._catalogue.look(copies.to_account_for, [row.id for row in rows])
        for row in rows:
            kept = said.get(row.object_id, {})
            if await self._is_disagreement(row, set(kept.values())):
                self._disagreements.append(row.object_id)
                continue
            for node, state in holders.get(row.id, {}).items():
                is_listed = kept.get(node) == row.inventory_sha256
                if node in heard and not (is_listed and state is CopyState.COMMITTED):
                    await self._look_into(row, node)

    async def _look_into(self, row: Package, node: str) -> None:
        match await self._doubt(row, node):
            case Fate.LOST:
                self._forgotten += 1
            case Fate.UNHEARD:
                self._away.append(node)
            case Fate.ALONE if row.object_id not in self._disagreements[-1:]:
                self._disagreements.append(row.object_id)

    async def _is_disagreement(self, row: Package, digests: set[str]) -> bool:
        """Whether all nodes say one thing, and not that of a version that waits for its receipt."""
        if len(digests) != 1 or digests == {row.inventory_sha256}:
            return False
        return (await self._versions(row.object_id))[-1].inventory_sha256 not in digests

    async def _versions(self, object_id: str) -> list[Package]:
        return await self._catalogue.look(packages.versions_of_object, object_id)
