"""Carry out repairs: learn what nodes found, order mends, record what came of them.

docs/wire/repair.md. What to do is repair_plan.py's to decide; bytes are judged by the target node
alone (mending.py). A finding is closed only by a copy that the node has proven anew.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from monitoring.log import get_log
from replication.copy_lanes import ROUND_S, CopyJob, CopyLanes
from replication.copy_orders import CopyNotMade, CopyOrder, CopyOrders
from replication.node_client import NodeClient, NodeUnreachable
from replication.repair_facts import Facts, RepairFacts
from replication.repair_plan import PAUSES, Mend, RepairPlan, StormLimits, plan_repairs
from storage.catalogue import findings, repairs, suspects, volumes
from storage.catalogue.model import (
    Actor,
    CopyState,
    Lease,
    NodeFinding,
)
from storage.catalogue.repairs import ToldFinding
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.signing import SigningKey
from storage.sweep.model import DamageKind
from storage.volume.findings import Finding

log = get_log(__name__)

_PAGE = 1000
# Where planning takes long, a round does, too.
_ROUND_PER_PLANNING = 10.0
_SETTLED = "settled by the node itself"
_GONE = frozenset({DamageKind.OBJECT_MISSING})


@dataclass(frozen=True, slots=True)
class RepairLimits:
    """How much each node is mended at once, and when mending stops and calls."""

    at_once_max: int = 2
    storm: StormLimits = field(default_factory=StormLimits)


class Repair:
    """The keeper's hands. One instance for each keeper process."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        key: SigningKey,
        limits: RepairLimits,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self.orders = CopyOrders(clients, key)
        self._limits = limits
        self._lanes = CopyLanes(limits.at_once_max)
        self._now = now
        self._facts = RepairFacts(catalogue, clients, limits.storm, now)
        self._hopeless: frozenset[str] = frozenset()
        self._disagreements: frozenset[str] = frozenset()
        self.outcomes: Counter[str] = Counter()
        self.volumes_replaced = 0  # met since the process started

    async def learn(self, node: str, epoch: int = 0) -> int:
        """Record what `node` has found since we last asked; return how many findings are new.

        The node hears by that who leads. Raises WireRefusal when it cannot be asked, or knows of a
        later `epoch`.
        """
        learned = 0
        more = True
        before = await self._meet(node)
        while more:
            after = await self._catalogue.look(findings.last_sequence, node) - before
            page = await self._clients[node].findings(after, _PAGE, epoch)
            if page.findings:
                crash_point("keeper.findings-heard")
            told = [await self._told(node, before, found) for found in page.findings]
            learned += await self._note(told)
            more = page.more
        await self._settle(node, before)
        return learned

    async def mend_all(self, lease: Lease) -> RepairPlan:
        """Plan over all open findings, carry the plan out, and return it.

        What takes longer than a round goes on, and is mended in nobody's way.
        """
        under_way = self._lanes.under_way
        began_s = time.monotonic()
        for node, client in self._clients.items():
            if client.is_connected:
                await self._meet(node)  # so that no disk is filled that nobody confirmed
        facts = await self._facts.gather()
        plan = plan_repairs(facts.bad, facts.holdings, facts.weather, self._limits.storm)
        if plan.mends:
            crash_point("keeper.planned")
        await self._call_a_person(plan, facts, lease)
        planned_s = time.monotonic() - began_s
        jobs = (
            CopyJob(mend.target, mend.object_id, partial(self._mend, mend, lease))
            for mend in plan.mends
            if (mend.target, mend.object_id) not in under_way
        )
        await self._lanes.carry_out(jobs, max(ROUND_S, _ROUND_PER_PLANNING * planned_s))
        return plan

    async def close(self) -> None:
        """Wait for no mend any more."""
        await self._lanes.close()

    async def _call_a_person(self, plan: RepairPlan, facts: Facts, lease: Lease) -> None:
        """Put on record, once, what repair will not touch without a person."""
        actor, at = Actor.of_holder(lease.holder), facts.weather.now
        for node in sorted(plan.suspect_nodes - facts.weather.suspects):
            reason = "storm: more damage at once than a disk has that is merely old"
            await self._catalogue.do(suspects.name, node, reason, actor, at)
            crash_point("keeper.node-suspected")
            log.error("repair.storm", node=node)
        for object_id in set(plan.hopeless) - self._hopeless:
            log.error("repair.object.at_risk", object_id=object_id)
        for object_id in set(plan.disagreements) - self._disagreements:
            log.error("repair.catalogue_disagrees", object_id=object_id)
        self._hopeless = frozenset(plan.hopeless)
        self._disagreements = frozenset(plan.disagreements)

    async def _note(self, told: Sequence[ToldFinding]) -> int:
        """Record findings and, with them, that the copies are no longer good; how many are new.

        All at once: a plan that saw half of a storm would take it for old age.
        """
        at = to_text(self._now())
        new = await self._catalogue.do(repairs.record_all_found, told, at) if told else []
        if new:
            crash_point("keeper.finding-recorded")
        for found in new:
            log.warning(
                "repair.finding", node=found.node, object_id=found.object_id, kind=found.kind
            )
        return len(new)

    async def _told(self, node: str, before: int, listed: Finding) -> ToldFinding:
        found = NodeFinding(
            node, before + listed.sequence, listed.found_at, listed.object_id or None,
            listed.kind, listed.path, listed.detail, listed.evidence,
        )  # fmt: skip
        package = None if found.object_id is None else await self._facts.stored(found.object_id)
        state = CopyState.MISSING if found.kind in _GONE else CopyState.DAMAGED
        # What concerns no object is settled by `_settle`.
        mended_at = None if found.object_id is None else listed.mended_at
        return ToldFinding(found, None if package is None else package.id, state, mended_at)

    async def _meet(self, node: str) -> int:
        """Note which volume answers for `node`; how many findings its earlier ones had."""
        welcome = self._clients[node].welcome
        if welcome is None:
            raise NodeUnreachable(f"{node} is not connected")
        known = await self._catalogue.look(volumes.known, node)
        if known is None or known.node_uuid != welcome.node_uuid:
            actor, at = Actor(node, "greeting"), to_text(self._now())
            if await self._catalogue.do(volumes.meet, node, welcome.node_uuid, actor, at):
                self.volumes_replaced += 1
                log.error("repair.volume.replaced", node=node, node_uuid=welcome.node_uuid)
            known = await self._catalogue.look(volumes.known, node)
        crash_point("keeper.volume-met")
        assert known is not None, node
        return known.findings_before

    async def _settle(self, node: str, before: int) -> None:
        """Close what concerns no object once the node says that it is so no more."""
        for found in await self._catalogue.look(findings.open_of_volume, node):
            page = await self._clients[node].findings(found.sequence - before - 1, 1)
            for same in page.findings:
                if before + same.sequence == found.sequence and same.mended_at is not None:
                    at = to_text(self._now())
                    await self._catalogue.do(findings.close, node, found.sequence, _SETTLED, at)
                    crash_point("keeper.finding-settled")

    async def _mend(self, mend: Mend, lease: Lease) -> None:
        package = await self._facts.stored(mend.object_id)
        assert package is not None, mend.object_id
        order = CopyOrder(
            package.id, mend.object_id, mend.version, mend.inventory_sha256,
            mend.source, mend.target,
        )  # fmt: skip
        try:
            copy = await self.orders.carry_out(order, lease.epoch)
        except CopyNotMade as refusal:
            await self._failed(mend, str(refusal), lease)
            return
        actor = Actor.of_holder(lease.holder)
        await self._catalogue.do(
            repairs.record_mended, copy, mend.object_id, mend.source, actor, to_text(self._now())
        )
        crash_point("keeper.mend-recorded")
        self.outcomes["mended"] += 1
        log.info(
            "repair.copy.mended", node=mend.target, source=mend.source, object_id=mend.object_id
        )

    async def _failed(self, mend: Mend, reason: str, lease: Lease) -> None:
        self.outcomes["failed"] += 1
        log.warning(
            "repair.mend.failed", node=mend.target, source=mend.source,
            object_id=mend.object_id, reason=reason,
        )  # fmt: skip
        package = await self._facts.stored(mend.object_id)
        if package is not None:
            now = self._now()
            failed = repairs.FailedMend(
                package.id, mend.target, mend.object_id, mend.source, reason, mend.attempt,
                to_text(now + timedelta(seconds=PAUSES.after(mend.attempt))),
            )  # fmt: skip
            actor, at = Actor.of_holder(lease.holder), to_text(now)
            await self._catalogue.do(repairs.record_failed, failed, actor, at)
            crash_point("keeper.mend-failed")
