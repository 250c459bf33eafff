"""Carry out repairs: learn what nodes found, order mends, record what came of them.

docs/wire/repair.md. What to do is repair_plan.py's to decide; bytes are judged by the target node
alone (mending.py). A finding is closed only by a copy that the node has proven anew.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring.log import get_log
from replication.messages import WireRefusal
from replication.node_client import MendOrder, NodeClient
from replication.peers import Peer
from replication.repair_plan import BadCopy, Holding, Mend, RepairPlan, plan_repairs
from replication.tickets import FORMAT, Ticket, issue
from storage.catalogue import copies, findings, packages, repairs
from storage.catalogue.model import (
    Actor,
    CataloguedFinding,
    Copy,
    CopyState,
    Lease,
    NodeFinding,
    Package,
    PackageState,
)
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.model import SignedAnswer
from storage.node_answer import NodeAnswerRefused, believe
from storage.signing import SigningKey, VerifyKey
from storage.sweep.model import DamageKind

log = get_log(__name__)

_PAGE = 1000
# A mend reads and writes a whole object, which may be a terabyte on slow disks.
_MEND_S_MAX = 24 * 3600.0
# Every other source is tried at once; then a mend that fails may not wear the disks down.
_ATTEMPTS_AT_ONCE = 3
_PAUSE_S_MIN = 15.0
_PAUSE_S_MAX = 3600.0
_GONE = frozenset({DamageKind.OBJECT_MISSING})


@dataclass(frozen=True, slots=True)
class RepairLimits:
    """How much is mended at once, and when mending stops and calls."""

    at_once_max: int = 2
    per_node_hour_max: int = 10


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
        self._key = key
        self._limits = limits
        self._now = now
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._not_before: dict[tuple[str, str], datetime] = {}
        self.outcomes: Counter[str] = Counter()

    async def learn(self, node: str) -> int:
        """Record what `node` has found since we last asked; return how many findings are new.

        Raises WireRefusal when the node cannot be asked.
        """
        learned = 0
        more = True
        while more:
            after = await self._catalogue.look(findings.last_sequence, node)
            page = await self._clients[node].findings(after, _PAGE)
            for found in page.findings:
                noted = NodeFinding(
                    node, found.sequence, found.found_at, found.object_id or None,
                    found.kind, found.path, found.detail, found.evidence,
                )  # fmt: skip
                learned += await self._note(noted)
            more = page.more
        return learned

    async def mend_all(self, lease: Lease) -> RepairPlan:
        """Plan over all open findings, carry the plan out, and return it."""
        found = await self._catalogue.look(findings.bad_copies, limit=_PAGE)
        bad = [self._bad_copy(each) for each in found]
        holdings = await self._holdings({copy.object_id for copy in bad})
        recent = await self._catalogue.look(
            repairs.mended_since, to_text(self._now() - timedelta(hours=1))
        )
        plan = plan_repairs(bad, holdings, recent, self._limits.per_node_hour_max)
        plan = replace(plan, mends=tuple(filter(self._is_due, plan.mends)))
        places = asyncio.Semaphore(self._limits.at_once_max)

        async def carry_out(mend: Mend) -> None:
            async with places:
                await self._mend(mend, lease)

        async with asyncio.TaskGroup() as mends:
            for mend in plan.mends:
                mends.create_task(carry_out(mend))
        return plan

    def _is_due(self, mend: Mend) -> bool:
        """Whether the pause after its last attempt, if that failed, is over."""
        not_before = self._not_before.get((mend.target, mend.object_id))
        return not_before is None or self._now() >= not_before

    def _bad_copy(self, found: CataloguedFinding) -> BadCopy:
        assert found.object_id is not None
        attempts = self._attempts[found.node, found.object_id]
        return BadCopy(found.node, found.object_id, attempts)

    async def _note(self, found: NodeFinding) -> bool:
        """Record a finding and, with it, that the copy is no longer good."""
        at = to_text(self._now())
        package = None if found.object_id is None else await self._stored(found.object_id)
        state = CopyState.MISSING if found.kind in _GONE else CopyState.DAMAGED
        number = None if package is None else package.id
        if not await self._catalogue.do(repairs.record_found, found, number, state, at):
            return False
        log.warning("repair.finding", node=found.node, object_id=found.object_id, kind=found.kind)
        if found.object_id is None:
            outcome = "moved to the node's quarantine"
            await self._catalogue.do(findings.close, found.node, found.sequence, outcome, at)
        return True

    async def _stored(self, object_id: str) -> Package | None:
        known = await self._catalogue.look(packages.versions_of_object, object_id)
        stored = [package for package in known if package.state is PackageState.STORED]
        return stored[-1] if stored else None

    async def _holdings(self, object_ids: set[str]) -> dict[str, Holding]:
        holdings = {}
        for object_id in object_ids:
            package = await self._stored(object_id)
            if package is None:
                continue
            held = await self._catalogue.look(copies.of_package, package.id)
            good = [copy.node for copy in held if copy.state is CopyState.COMMITTED]
            reachable = tuple(node for node in good if self._clients[node].is_connected)
            holdings[object_id] = Holding(
                object_id, package.version, package.inventory_sha256, reachable or tuple(good)
            )
        return holdings

    async def _mend(self, mend: Mend, lease: Lease) -> None:
        self._attempts[mend.target, mend.object_id] += 1
        target, source = self._clients[mend.target], self._clients[mend.source].peer
        ticket = issue(
            self._key,
            Ticket(
                FORMAT, mend.object_id, mend.version, mend.inventory_sha256,
                mend.source, mend.target, lease.epoch,
            ),
        )  # fmt: skip
        order = MendOrder(mend.object_id, mend.version, mend.inventory_sha256, lease.epoch, source)
        try:
            done = await target.mend(order, ticket, _MEND_S_MAX)
        except WireRefusal as refusal:
            await self._failed(mend, str(refusal), lease)
            return
        if done.answer is None:
            await self._failed(mend, done.outcome, lease)
            return
        try:
            await self._mended_by(mend, target.peer, done.answer, lease)
        except NodeAnswerRefused as refusal:
            await self._failed(mend, str(refusal), lease)

    async def _failed(self, mend: Mend, reason: str, lease: Lease) -> None:
        self.outcomes["failed"] += 1
        copy = (mend.target, mend.object_id)
        self._not_before[copy] = self._now() + timedelta(seconds=pause_s(self._attempts[copy]))
        log.warning(
            "repair.mend.failed", node=mend.target, source=mend.source,
            object_id=mend.object_id, reason=reason,
        )  # fmt: skip
        package = await self._stored(mend.object_id)
        if package is not None:
            failed = repairs.FailedMend(package.id, mend.target, mend.source, reason)
            actor, at = Actor.of_holder(lease.holder), to_text(self._now())
            await self._catalogue.do(repairs.record_failed, failed, actor, at)

    async def _mended_by(self, mend: Mend, peer: Peer, answer: SignedAnswer, lease: Lease) -> None:
        said = believe(answer, peer.name, VerifyKey.from_hex(peer.verify_key))
        if (said.object_id, said.inventory_sha256) != (mend.object_id, mend.inventory_sha256):
            raise NodeAnswerRefused(f"{peer.name} mended something else than was ordered")
        package = await self._stored(mend.object_id)
        assert package is not None, mend.object_id
        copy = Copy(
            package.id, peer.name, peer.domain, CopyState.COMMITTED,
            said.verify_mode, said.committed_at, said.committed_at, answer,
        )  # fmt: skip
        actor = Actor.of_holder(lease.holder)
        await self._catalogue.do(
            repairs.record_mended, copy, mend.object_id, mend.source, actor, to_text(self._now())
        )
        self._attempts.pop((mend.target, mend.object_id), None)
        self._not_before.pop((mend.target, mend.object_id), None)
        self.outcomes["mended"] += 1
        log.info(
            "repair.copy.mended", node=mend.target, source=mend.source, object_id=mend.object_id
        )


def pause_s(attempts: int) -> float:
    """How long a copy is left alone after so many attempts that failed."""
    beyond = attempts - _ATTEMPTS_AT_ONCE
    return 0.0 if beyond < 0 else min(_PAUSE_S_MAX, _PAUSE_S_MIN * 2.0 ** min(beyond, 10))
