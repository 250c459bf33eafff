"""Hear each node's account of its checking, and put its sweeps on record.

docs/wire/README.md (`account`). A node that does not answer is away: what it said last is kept with
the moment it was said, and stands for nothing later. Orders nothing and mends nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.sweep_account import CYCLES_MAX
from replication.told import Away, Told
from storage.catalogue import sweeps, volumes
from storage.catalogue.model import NodeSweep
from storage.catalogue.timestamps import is_moment, to_text
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.sweep.account import SweepAccount
from storage.sweep.model import SweepCycle


class Hearing:
    """The keeper's ear. One instance for each keeper process."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._now = now
        self._told: dict[str, Told] = {}

    async def hear_all(self) -> dict[str, Told | Away]:
        """Ask every node, all at once; put their sweeps on record."""
        answers = await asyncio.gather(*map(self._hear, self._clients))
        return dict(zip(self._clients, answers, strict=True))

    async def _hear(self, node: str) -> Told | Away:
        client = self._clients[node]
        try:
            account = await self._learn_sweeps(node, client)
            state, sweep = await client.status(), await client.sweep()
            _refuse_nonsense(node, *(each.finish_at for each in sweep.forecasts))
        except WireRefusal as refusal:
            return Away(str(refusal), self._told.get(node))
        self._told[node] = Told(to_text(self._now()), account, state, sweep)
        return self._told[node]

    async def _learn_sweeps(self, node: str, client: NodeClient) -> SweepAccount:
        volume = await self._catalogue.look(volumes.known, node)
        before = 0 if volume is None else volume.cycles_before
        after = max(0, await self._catalogue.look(sweeps.last_finished, node) - before)
        while True:
            account = await client.account(after)
            _refuse_nonsense(node, account.oldest_checked_at)
            for cycle in account.cycles:
                _refuse_nonsense(node, cycle.started_at, cycle.finished_at)
            for cycle in account.cycles:
                await self._catalogue.do(sweeps.record, _sweep(node, before, cycle))
                crash_point("keeper.sweep-recorded")
            if len(account.cycles) < CYCLES_MAX:
                return account
            after = account.cycles[-1].number


def _refuse_nonsense(node: str, *moments: str | None) -> None:
    """What is not even a moment must not get into the catalogue, nor into a signed report."""
    for text in moments:
        if text is not None and not is_moment(text):
            raise WireRefusal(f"{node} tells of a moment that is none: {text!r}", "malformed")


def _sweep(node: str, before: int, cycle: SweepCycle) -> NodeSweep:
    """`before`: sweeps of the disks that the node had before this one."""
    return NodeSweep(
        node, before + cycle.number, cycle.started_at, cycle.finished_at,
        cycle.checked_objects, cycle.read_bytes, cycle.damaged_objects,
    )  # fmt: skip
