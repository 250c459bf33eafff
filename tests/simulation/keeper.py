"""A keeper process: the product's keeper, repairs, comparison and audits, in its loops.

daemon/roles/keeper.py's timing, without its metrics and verbs.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from replication.audits import Audits, AuditSettings
from replication.keeper import Keeper
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.repair import Repair, RepairLimits
from replication.repair_plan import StormLimits
from storage.catalogue.errors import CatalogueUnavailable
from storage.catalogue.model import Actor
from storage.signing import SigningKey
from tests.simulation.catalogue import SimulatedCatalogue
from tests.simulation.scheduler import Process

_HEAR_S = 12.0
_MEND_S = 9.0
_COMPARE_S = 90.0
_AUDIT_S = 45.0


@dataclass(frozen=True, slots=True)
class KeeperTools:
    """What a keeper is started with."""

    catalogue: SimulatedCatalogue
    clients: Mapping[str, NodeClient]
    key: SigningKey
    lease_s: float


class SimulatedKeeper:
    """One keeper process."""

    def __init__(self, process: Process, tools: KeeperTools) -> None:
        self._process = process
        self._lease_s = tools.lease_s
        catalogue: Any = tools.catalogue
        self._catalogue = tools.catalogue
        limits = RepairLimits(2, StormLimits(0))
        repair = Repair(catalogue, tools.clients, tools.key, limits, process.now)
        holder = f"keeper@{process.name}"
        self._keeper = Keeper(catalogue, tools.clients, repair, holder, tools.lease_s, process.now)
        chance = cast("Any", Random(process.scheduler.chance.getrandbits(64)))
        self._audits = Audits(
            catalogue, tools.clients, AuditSettings(), chance, self._nonce, process.now
        )
        self._actor = Actor.of_holder(holder)

    def start(self) -> None:
        """Begin all loops."""
        for pause_s, act in (
            (self._lease_s / 3, self._keeper.hold_lease),
            (_HEAR_S, self._keeper.hear),
            (_MEND_S, self._keeper.mend),
            (_COMPARE_S, self._keeper.compare),
            (_AUDIT_S, self._audit),
        ):
            self._process.start(self._repeat(pause_s, act))

    async def _repeat(self, pause_s: float, act: Callable[[], Awaitable[object]]) -> None:
        chance = self._process.scheduler.chance
        await self._process.rest(chance.uniform(0, pause_s / 4))
        while True:
            try:
                await act()
            except (CatalogueUnavailable, WireRefusal):
                pass  # the next round asks again; the product's process would be restarted
            except BaseExceptionGroup as group:
                if group.split((CatalogueUnavailable, WireRefusal))[1] is not None:
                    raise
            await self._process.rest(pause_s * chance.uniform(0.9, 1.1))

    async def _audit(self) -> None:
        if self._keeper.leads:
            await self._audits.audit_sample(1, self._actor)

    def _nonce(self) -> bytes:
        return self._process.scheduler.chance.randbytes(32)
