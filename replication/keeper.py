"""The keeper: hold the lease, hear the nodes, mend what rotted, carry out orders.

DESIGN.md §3. One keeper acts at a time: the epoch of its lease goes with every order to a node, so
that one which was frozen and wakes up can do no harm. Reads and writes no package itself.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.log import get_log
from replication.comparison import Comparing, Comparison
from replication.doubts import Doubts
from replication.layout_watch import newest_layout
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.repair import Repair
from replication.repair_plan import RepairPlan
from replication.sweep_actions import Action, SweepAction, SweepOrderRefused
from replication.unasked import AWAY, unasked
from storage.catalogue import leases, orders
from storage.catalogue.model import Actor, Lease, Order, OrderState, Tenure
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.sweep.model import SweepStatus

log = get_log(__name__)

# Verbs of orders, and what each has the sweeps do.
SWEEP_ORDERS: dict[str, Action] = {
    "sweep.start": "start",
    "sweep.pause": "pause",
    "sweep.resume": "resume",
}
_DONE = "done"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one round over the nodes brought."""

    new_findings: int
    silent: tuple[str, ...]  # nodes that did not answer and should
    away: tuple[str, ...]  # nodes that are away by plan, or do not belong
    orders: int  # carried out

    def sentence(self) -> str:
        """One line an operator can read for each round."""
        silent = f", no answer from {', '.join(self.silent)}" if self.silent else ""
        away = f", not asked: {', '.join(self.away)}" if self.away else ""
        return f"Leading: {self.new_findings} new findings, {self.orders} orders{silent}{away}"


def plan_sentence(plan: RepairPlan) -> str:
    """One line on what is mended and what waits for a person."""
    parts = [f"{len(plan.mends)} mends carried out"]
    if plan.suspect_nodes:
        parts.append(f"stopped mending on {', '.join(sorted(plan.suspect_nodes))}: call a person")
    if plan.hopeless:
        parts.append(f"AT_RISK: {len(plan.hopeless)} objects without a good copy: call a person")
    if plan.disagreements:
        count = len(plan.disagreements)
        parts.append(f"catalogue-disagrees: {count} objects differ from all nodes: call a person")
    return ", ".join(parts)


class Keeper:
    """Leads when it holds the lease; does nothing otherwise."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        repair: Repair,
        holder: str,
        lease_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._repair = repair
        self._holder = holder
        self._lease_s = lease_s
        self._now = now
        doubts = Doubts(catalogue, clients, Actor.of_holder(holder), now)
        self._comparing = Comparing(catalogue, doubts)
        self._lease: Lease | None = None
        self._called_for: frozenset[str] = frozenset()  # by the last comparison

    @property
    def lease(self) -> Lease | None:
        """The lease as it was last taken or renewed, or None while another leads."""
        return self._lease

    @property
    def leads(self) -> bool:
        """Whether this keeper held the lease when it last asked."""
        return self._lease is not None

    async def hold_lease(self) -> bool:
        """Take or renew the lease; call well within `lease_s`. False while another leads."""
        now = self._now()
        expires_at = to_text(now + timedelta(seconds=self._lease_s))
        if self._lease is not None:
            self._lease = await self._catalogue.do(leases.renew, self._lease, expires_at)
        if self._lease is None:
            tenure = Tenure(self._holder, expires_at)
            self._lease = await self._catalogue.do(
                leases.acquire, leases.KEEPER, tenure, to_text(now)
            )
        if self._lease is not None:
            crash_point("keeper.lease-held")
        return self._lease is not None

    async def hear(self) -> Heard | None:
        """Record what the nodes have found and carry out orders; None while another leads."""
        if self._lease is None:
            return None
        away = await self._away()
        asked = [node for node in self._clients if node not in away]
        learned = await asyncio.gather(*map(self._learn, asked))
        silent = tuple(node for node, new in zip(asked, learned, strict=True) if new is None)
        new_findings = sum(new or 0 for new in learned)
        return Heard(new_findings, silent, tuple(sorted(away)), await self._carry_out_orders())

    async def mend(self) -> RepairPlan | None:
        """One round of mending what may be mended. None while another leads."""
        return None if self._lease is None else await self._repair.mend_all(self._lease)

    async def compare(self) -> Comparison | None:
        """Hold the catalogue against all nodes; None while another leads."""
        if self._lease is None:
            return None
        asked = await self.asked()
        # What a node has found itself is no difference once it is on record here, too.
        await asyncio.gather(*map(self._learn, asked))
        found = await self._comparing.compare(asked)
        crash_point("keeper.compared")
        for object_id in set(found.catalogue_is_alone) - self._called_for:
            log.error("repair.catalogue_disagrees", object_id=object_id)
        self._called_for = frozenset(found.catalogue_is_alone)
        return found

    async def asked(self) -> dict[str, NodeClient]:
        """The nodes that belong and are not away by plan."""
        away = await self._away()
        return {name: client for name, client in self._clients.items() if name not in away}

    async def sweep_status(self) -> dict[str, SweepStatus | str]:
        """How each node's sweep goes, or why it does not say."""

        away = await self._away()

        async def ask(node: str) -> SweepStatus | str:
            if node in away:
                return away[node]
            try:
                return await self._clients[node].sweep()
            except WireRefusal as refusal:
                return str(refusal)

        answers = await asyncio.gather(*map(ask, self._clients))
        return dict(zip(self._clients, answers, strict=True))

    async def release(self) -> None:
        """Let a standby lead at once."""
        if self._lease is not None:
            at = to_text(self._now() - timedelta(seconds=1))
            await self._catalogue.do(leases.release, self._lease, at)
            self._lease = None

    async def _away(self) -> dict[str, str]:
        """Nodes of which nothing is asked and nothing missed, and why."""
        layout = await newest_layout(self._catalogue)
        return await unasked(self._catalogue, layout, self._clients, to_text(self._now()))

    async def _learn(self, node: str) -> int | None:
        try:
            return await self._repair.learn(node, self._lease.epoch if self._lease else 0)
        except WireRefusal as refusal:
            log.warning("keeper.node.silent", node=node, reason=str(refusal))
            return None

    async def _carry_out_orders(self) -> int:
        # Those that are running were begun by a keeper that ended: any order may be repeated.
        under_way = await self._catalogue.look(orders.running, orders.ALL_OTHERS)
        done = 0
        while order := under_way.pop() if under_way else await self._next_order():
            crash_point("keeper.order-begun")
            state, result = await self._carry_out(order)
            crash_point("keeper.order-carried-out")
            at = to_text(self._now())
            await self._catalogue.do(orders.finish, order.id, state, result, at)
            crash_point("keeper.order-finished")
            done += 1
        return done

    async def _next_order(self) -> Order | None:
        at = to_text(self._now())
        return await self._catalogue.do(orders.start_next, self._holder, at, orders.ALL_OTHERS)

    async def _carry_out(self, order: Order) -> tuple[OrderState, str]:
        action = SWEEP_ORDERS.get(order.verb)
        if action is None:
            return OrderState.FAILED, f"unknown order {order.verb!r}"
        arguments = json.loads(order.arguments or "{}")
        try:
            wanted = SweepAction.from_members(action, arguments)
        except SweepOrderRefused as refusal:
            return OrderState.FAILED, str(refusal)
        away = {} if "node" in arguments else await self._away()
        nodes = [arguments["node"]] if "node" in arguments else list(self._clients)
        asked = [node for node in nodes if node not in away]
        said = await asyncio.gather(*(self._sweep(node, wanted) for node in asked))
        outcomes = dict.fromkeys(nodes, AWAY) | dict(zip(asked, said, strict=True))
        all_done = set(outcomes.values()) <= {_DONE, AWAY}
        state = OrderState.DONE if all_done else OrderState.FAILED
        return state, json.dumps(outcomes, ensure_ascii=False)

    async def _sweep(self, node: str, wanted: SweepAction) -> str:
        client = self._clients.get(node)
        if client is None:
            return "no such node"
        try:
            await client.sweep(wanted)
        except WireRefusal as refusal:
            return str(refusal)
        return _DONE
