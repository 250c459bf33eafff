"""A node that was given up and came back: it reads everything, then what it found intact counts.

docs/operations/membership.md, "A node that comes back". Nothing counts before one whole sweep has
ended that began after it came back; and then only what that very sweep has read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from monitoring.log import get_log
from replication.node_client import NodeClient
from replication.sweep_actions import SweepAction
from storage.catalogue import layouts, moves
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.sweep.model import SweepCycle, SweepStatus

log = get_log(__name__)

_PAGE = 500
_WHOLE = SweepAction("start", "full", "node", "")


class ReturnedNodes:
    """Verifies one node at a time, over as many rounds as it takes."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._now = now

    async def is_verified(self, node: str) -> bool:
        """Whether its sweep has read all of it since it came back; then its copies count again.

        The first call has the sweep begin. Raises WireRefusal.
        """
        client = self._clients[node]
        status = await client.sweep()
        row = (await self._catalogue.look(layouts.rows)).get(node)
        if row is None or row.sweep_cycle is None:
            await self._catalogue.do(layouts.came_back, node, status.cycle)
            await client.sweep(_WHOLE)
            return False
        whole = await self._finished(client, status, row.sweep_cycle)
        if whole is None:
            return False
        counted = await self._count(node, whole)
        await self._catalogue.do(layouts.came_back, node, None)
        log.info("layout.node.verified", node=node, copies=counted)
        return True

    async def _finished(
        self, client: NodeClient, status: SweepStatus, before: int
    ) -> SweepCycle | None:
        if status.cycle <= before or status.running:
            return None
        if (status.kind, status.scope) != (_WHOLE.kind, _WHOLE.scope):
            await client.sweep(_WHOLE)  # something else ran since; only a whole one tells
            return None
        account = await client.account(status.cycle - 1)
        whole = [cycle for cycle in account.cycles if cycle.number == status.cycle]
        return whole[0] if whole and whole[0].finished_at is not None else None

    async def _count(self, node: str, whole: SweepCycle) -> int:
        """Both moments are of the node's own clock."""
        counted, after, more = 0, "", True
        while more:
            page = await self._clients[node].objects(after, _PAGE)
            more = page.more
            after = page.objects[-1].object_id if page.objects else after
            intact = [
                (each.object_id, each.inventory_sha256)
                for each in page.objects
                if each.checked_at >= whole.started_at
            ]
            at = to_text(self._now())
            counted += await self._catalogue.do(moves.found_again, node, intact, at)
        return counted
