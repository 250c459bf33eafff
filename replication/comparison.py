"""Hold the catalogue against what every node says it keeps, object by object.

docs/operations/repair.md, `repair.catalogue_disagrees`. Proves that sets and digests agree, never
that bits do: that is the sweep's and the audit's. Pages through both sides in the order of ids, so
memory is flat. Changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue import held, packages
from storage.catalogue.model import Package
from storage.catalogue.writer import CatalogueWriter

_PAGE = 500
_SHOWN_MAX = 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where catalogue and nodes differ; at most a thousand object ids of each kind."""

    disagreements: tuple[str, ...]  # all nodes that have it keep one digest, and not this one
    unknown: tuple[str, ...]  # on at least two nodes, and in no row of the catalogue
    away: tuple[str, ...]  # nodes that did not answer

    @property
    def catalogue_is_alone(self) -> tuple[str, ...]:
        """What a person must look at: in both cases nothing is touched."""
        return self.disagreements + self.unknown


class _Listing:
    """One side, read page by page in the order of object ids."""

    def __init__(self, node: str, client: NodeClient) -> None:
        self.node = node
        self._client = client
        self._page: dict[str, str] = {}
        self._reached = ""
        self._more = True

    async def upto(self, last: str | None) -> dict[str, str]:
        """Object id → inventory digest, of all ids up to `last` (None: to the end)."""
        while self._more and (last is None or self._reached < last):
            page = await self._client.objects(self._reached, _PAGE)
            self._page |= {each.object_id: each.inventory_sha256 for each in page.objects}
            self._more = page.more
            if page.objects:
                self._reached = page.objects[-1].object_id
        taken = {
            name: digest for name, digest in self._page.items() if last is None or name <= last
        }
        self._page = {name: each for name, each in self._page.items() if name not in taken}
        return taken


async def compare(catalogue: CatalogueWriter, clients: Mapping[str, NodeClient]) -> Comparison:
    """One pass over everything. A node that stops answering is left out from there on."""
    listings = [_Listing(name, client) for name, client in clients.items()]
    away: list[str] = []
    disagreements: list[str] = []
    unknown: list[str] = []
    after, more = "", True
    while more:
        rows: list[Package] = await catalogue.look(held.stored_after, after, None, _PAGE)
        more = len(rows) == _PAGE
        last = rows[-1].object_id if more else None
        expected = {row.object_id: row.inventory_sha256 for row in rows}
        said = await _said(listings, away, last)
        for object_id, digests in said.items():
            if object_id not in expected:
                if len(digests) > 1 and not await catalogue.look(
                    packages.versions_of_object, object_id
                ):
                    unknown.append(object_id)
            elif set(digests) != {expected[object_id]} and await _is_disagreement(
                catalogue, object_id, set(digests)
            ):
                disagreements.append(object_id)
        after = last or after
    return Comparison(tuple(disagreements[:_SHOWN_MAX]), tuple(unknown[:_SHOWN_MAX]), tuple(away))


async def _is_disagreement(catalogue: CatalogueWriter, object_id: str, digests: set[str]) -> bool:
    """Whether all nodes say one thing, and not that of a version that waits for its receipt."""
    known = await catalogue.look(packages.versions_of_object, object_id)
    return len(digests) == 1 and known[-1].inventory_sha256 not in digests


async def _said(
    listings: list[_Listing], away: list[str], last: str | None
) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for listing in list(listings):
        try:
            page = await listing.upto(last)
        except WireRefusal:
            listings.remove(listing)
            away.append(listing.node)
            continue
        for object_id, digest in page.items():
            said.setdefault(object_id, []).append(digest)
    return said
