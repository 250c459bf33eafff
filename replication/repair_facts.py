"""What a repair plan is made from: bad copies, who holds what, what the nodes say, the weather.

docs/operations/repair.md. Asks the catalogue and the nodes; decides nothing (repair_plan.py) and
changes nothing. All of it outlives the keeper: the catalogue is its memory.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from replication.layout import Standing
from replication.layout_watch import newest_layout
from replication.membership import unproven
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.repair_plan import BadCopy, Holding, StormLimits, Weather, next_try_at
from replication.unasked import unasked
from storage.catalogue import acts, copies, findings, packages, repairs, suspects
from storage.catalogue.model import CopyState, Package, PackageState
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter

_PAGE = 1000
_ASKED_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that one plan needs."""

    bad: tuple[BadCopy, ...]
    holdings: Mapping[str, Holding]
    weather: Weather


class RepairFacts:
    """Gathers facts anew for each plan."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        limits: StormLimits,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._limits = limits
        self._now = now

    async def gather(self) -> Facts:
        """The oldest thousand bad copies of each node, and what is known of them at this moment."""
        tried = await self._catalogue.look(repairs.tries)
        found = await self._catalogue.look(findings.bad_copies, limit=_PAGE)
        bad = []
        for each in found:
            assert each.object_id is not None, each
            last = tried.get((each.node, each.object_id))
            attempts, noted = (0, "") if last is None else (last.attempts, last.not_before)
            not_before = next_try_at(noted, self._now())
            bad.append(BadCopy(each.node, each.object_id, each.found_at, attempts, not_before))
        weather = await self._weather()
        return Facts(tuple(bad), await self._holdings(bad, weather), weather)

    async def stored(self, object_id: str) -> Package | None:
        """The newest version of an object that was stored, as the catalogue has it."""
        known = await self._catalogue.look(packages.versions_of_object, object_id)
        stored = [package for package in known if package.state is PackageState.STORED]
        return stored[-1] if stored else None

    async def holding(self, package: Package, ask: bool) -> Holding:
        """Who has what; with `ask`, every node that answers says which inventory it keeps."""
        held = await self._catalogue.look(copies.of_package, package.id)
        testimony = {}
        if ask:
            known = await self._catalogue.look(packages.versions_of_object, package.object_id)
            arriving = {each.inventory_sha256 for each in known if each.version > package.version}
            said = await asyncio.gather(
                *(self._testimony(copy.node, package.object_id) for copy in held)
            )
            testimony = {
                copy.node: digest
                for copy, digest in zip(held, said, strict=True)
                # A version that is being written is on some nodes already, and the one asked about
                # with it.
                if digest is not None and digest not in arriving
            }
        good = tuple(copy.node for copy in held if copy.state is CopyState.COMMITTED)
        return Holding(
            package.object_id,
            package.version,
            package.inventory_sha256,
            good,
            tuple(node for node in good if self._answers(node)),
            testimony,
        )

    async def _holdings(self, bad: list[BadCopy], weather: Weather) -> dict[str, Holding]:
        due = {
            copy.object_id
            for copy in bad
            if copy.node not in weather.suspects | weather.away and copy.not_before <= weather.now
        }
        places = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def gather(object_id: str) -> Holding | None:
            async with places:
                package = await self.stored(object_id)
                return None if package is None else await self.holding(package, object_id in due)

        found = await asyncio.gather(*map(gather, {copy.object_id for copy in bad}))
        return {holding.object_id: holding for holding in found if holding is not None}

    async def _testimony(self, node: str, object_id: str) -> str | None:
        if not self._answers(node):
            return None
        try:
            stored = await self._clients[node].stat(object_id)
        except WireRefusal:
            return None
        return None if stored is None else stored.inventory_sha256

    async def _weather(self) -> Weather:
        now = self._now()
        hour_ago = to_text(now - timedelta(hours=1))
        # A release by a clock that was set back since must not keep the guard off for as long.
        released = await self._catalogue.look(
            acts.latest_of_nodes, suspects.NODE_TRUSTED, to_text(now)
        )
        mended = await self._catalogue.look(repairs.mended_since, hour_ago)
        for node, at in released.items():
            if at > hour_ago and node in mended:
                # What a person let pass is no new storm when it is mended.
                since = await self._catalogue.look(repairs.mended_since, at, at)
                mended[node] = since.get(node, 0)
        named = await self._catalogue.look(suspects.all_of)
        layout = await newest_layout(self._catalogue)
        apart = set(await unasked(self._catalogue, layout, self._clients, to_text(now)))
        apart |= frozenset() if layout is None else unproven(layout)
        readonly = frozenset() if layout is None else layout.in_state(Standing.READONLY)
        return Weather(
            to_text(now),
            hour_ago,
            mended,
            await self._object_counts(),
            frozenset(suspect.node for suspect in named),
            released,
            frozenset(apart),
            readonly,
        )

    async def _object_counts(self) -> dict[str, int]:
        """How much each node keeps: asked for only where a share of it is a limit."""
        counts: dict[str, int] = {}
        if self._limits.share_per_node_hour_max == 0:
            return counts
        for node, client in self._clients.items():
            try:
                counts[node] = (await client.status()).objects
            except WireRefusal:
                continue
        return counts

    def _answers(self, node: str) -> bool:
        client = self._clients.get(node)
        return client is not None and client.is_connected
