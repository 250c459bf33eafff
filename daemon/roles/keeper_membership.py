"""The keeper's parts and verbs about who belongs: layouts told, copies moved, `lantai node …`.

docs/operations/membership.md. Decisions are replication/membership.py's and moves.py's.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from daemon.config import Keeper as KeeperSettings
from daemon.control import ControlRefused, Request, Verb
from daemon.lifecycle import Part
from daemon.roles.openings import utc_now
from monitoring.membership_metrics import MembershipMetrics
from monitoring.metrics import Totals
from replication.keeper import Keeper
from replication.layout import Layout, Member, Standing
from replication.layout_keeping import LayoutKeeping
from replication.moves import Leaving, left_s, unheard, why_not_removable
from replication.moving import Mover
from replication.node_client import NodeClient
from replication.node_orders import STATES, NodeOrders
from replication.repair import Repair
from storage.catalogue import layouts, moves, orders, volumes
from storage.catalogue.model import Actor, Order, OrderState
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter

_REASON_MAX = 500
_ORDER_S_MAX = 25.0
_ORDER_POLL_S = 0.1
# Counting all that a leaving node holds takes long in a large archive; it rests so many times that.
_RESTS_AFTER_COUNT = 10
_RESTS_WHEN_OVER = 100
_PACE_WINDOW_S = 600.0


@dataclass(frozen=True, slots=True)
class MembershipTools:
    """What the parts work with."""

    catalogue: CatalogueWriter
    clients: dict[str, NodeClient]
    keeper: Keeper
    keeping: LayoutKeeping
    repair: Repair
    mover: Mover


@dataclass(slots=True)
class _Progress:
    """What was counted last of each leaving node, and when it may be counted again."""

    counted: dict[str, Leaving] = field(default_factory=dict)
    due_s: float = 0.0


class KeeperMembership:
    """Two parts of the keeper, and what people say and ask about nodes."""

    def __init__(
        self, settings: KeeperSettings, tools: MembershipTools, metrics: MembershipMetrics
    ) -> None:
        self._settings = settings
        self._catalogue = tools.catalogue
        self._clients = tools.clients
        self._keeper = tools.keeper
        self._keeping = tools.keeping
        self._mover = tools.mover
        self._made_at_s = tools.repair.orders.made_at_s
        self._orders = NodeOrders(tools.catalogue, tools.keeping, tools.mover, tools.clients)
        self._metrics = metrics
        self._totals = Totals()
        self._progress = _Progress()
        self._ordered = asyncio.Event()

    def parts(self) -> tuple[Part, ...]:
        """What runs for ever."""
        return (Part("membership", self._keep), Part("moving", self._move))

    def verbs(self) -> dict[str, Verb]:
        """Verb → what answers it."""
        said = {verb.replace(".", "-"): self._order_of(verb) for verb in STATES}
        return said | {"nodes": self._list, "node-show": self._show}

    # The parts.

    async def _keep(self, part: Part) -> None:
        while True:
            said = "Standing by"
            if (lease := self._keeper.lease) is not None:
                with part.patient("Telling the nodes who belongs"):
                    await self._orders.carry_out_all(lease, to_text(utc_now()))
                    said = await self._keeping.round(lease.holder)
            part.beat(said)
            await part.pause(min(5, self._settings.cycle_s), self._ordered)

    async def _move(self, part: Part) -> None:
        while True:
            said, busy = "Standing by", False
            layout = await self._keeping.layout()
            if (lease := self._keeper.lease) is not None and layout is not None:
                with part.patient("Moving copies"):
                    moved = await self._mover.round(layout, lease)
                    await self._measure(layout)
                said, busy = moved.sentence(), moved.done > 0
            part.beat(said)
            await part.pause(0.05 if busy else min(2, self._settings.cycle_s))

    async def _measure(self, layout: Layout) -> None:
        """Set the figures; count what leaving nodes still hold where that is due."""
        metrics, progress = self._metrics, self._progress
        leaving = layout.in_state(Standing.DRAINING, Standing.LOST)
        began_s = time.monotonic()
        if began_s >= progress.due_s or leaving != progress.counted.keys():
            progress.counted = {
                node: await self._mover.leaving(layout, node) for node in sorted(leaving)
            }
            took_s = time.monotonic() - began_s
            is_over = not any(leaving.waiting for leaving in progress.counted.values())
            rests = _RESTS_WHEN_OVER if is_over else _RESTS_AFTER_COUNT
            progress.due_s = began_s + max(2.0, rests * took_s)
        rows = await self._catalogue.look(layouts.rows)
        signed = {node: row.layout_version for node, row in rows.items()}
        metrics.layout_version.set(layout.version)
        metrics.layout_unheard.set(len(unheard(layout, signed)))
        metrics.set_standings({each.name: each.state.value for each in layout.members})
        for member in layout.members:
            known = progress.counted.get(member.name)
            metrics.moves_waiting.labels(member.name).set(0 if known is None else known.waiting)
            may_go = known is not None and not why_not_removable(known)
            metrics.node_removable.labels(member.name).set(may_go)
        for (outcome, node), total in self._mover.outcomes.items():
            self._totals.raise_to(metrics.moves, total, outcome, node)

    # What people ask.

    async def _list(self, _request: Request) -> dict[str, Any]:
        layout = await self._layout()
        rows = await self._catalogue.look(layouts.rows)
        filling = await self._catalogue.look(moves.to_fill)
        listed = [
            self._members(each, rows.get(each.name)) | {"to_fill": filling.get(each.name, 0)}
            for each in layout.members
        ]
        others = sorted(set(self._clients) - {each.name for each in layout.members})
        return {
            "layout": layout.version,
            "copies": layout.copies,
            "made_at": layout.made_at,
            "made_by": layout.made_by,
            "reason": layout.reason,
            "nodes": listed,
            "not_added": others,
        }

    async def _show(self, request: Request) -> dict[str, Any]:
        layout, node = await self._layout(), request.text("node")
        member = layout.member(node)
        if member is None:
            raise ControlRefused(f"{node!r} is not in layout {layout.version} 不在成员布局中")
        rows = await self._catalogue.look(layouts.rows)
        known = await self._catalogue.look(volumes.known, node)
        filling = (await self._catalogue.look(moves.to_fill)).get(node, 0)
        shown = self._members(member, rows.get(node)) | {
            "layout": layout.version,
            "node_uuid": "never-met" if known is None else known.node_uuid,
            "to_fill": filling,
            "to_fill_left_s": self._left_s(filling, self._made_at_s.get(node, ())),
            "failing": [
                f"{row.object_id}: {row.reason}"
                for row in await self._catalogue.look(moves.failing)
                if row.leaving == node
            ],
        }
        if member.state in (Standing.DRAINING, Standing.LOST):
            shown |= self._leaving(await self._mover.leaving(layout, node))
        return shown

    def _leaving(self, leaving: Leaving) -> dict[str, Any]:
        reasons = why_not_removable(leaving)
        done_at_s = self._mover.done_at_s.get(leaving.node, ())
        return {
            "to_move": leaving.waiting,
            "to_move_left_s": self._left_s(leaving.waiting, done_at_s),
            "removable": not reasons,
            "not_removable": reasons,
        }

    def _left_s(self, remaining: int, done_at_s: Iterable[float]) -> float | None:
        return left_s(remaining, tuple(done_at_s), time.monotonic(), _PACE_WINDOW_S)

    def _members(self, member: Member, row: layouts.MemberRow | None) -> dict[str, Any]:
        client = self._clients.get(member.name)
        return {
            "node": member.name,
            "domain": member.domain,
            "weight": member.weight,
            "state": member.state.value,
            "verified": member.verified,
            "answers": client is not None and client.is_connected,
            "signed_layout": 0 if row is None else row.layout_version,
            "delay": self._keeping.delays.get(member.name, ""),
        }

    async def _layout(self) -> Layout:
        layout = await self._keeping.layout()
        if layout is None:
            raise ControlRefused(
                "there is no layout yet: more than half of the nodes must answer the keeper first"
                " 尚无成员布局"
            )
        return layout

    # What people order.

    def _order_of(self, verb: str) -> Callable[[Request], Awaitable[dict[str, Any]]]:
        async def order(request: Request) -> dict[str, Any]:
            reason = request.text("reason").strip()
            if not 0 < len(reason) <= _REASON_MAX:
                raise ControlRefused(f"a reason has 1 to {_REASON_MAX} characters 须写明理由")
            arguments = {"node": request.text("node"), "reason": reason}
            if verb == "node.lost":
                arguments["uuid"] = request.text("uuid")
            text = json.dumps(arguments, ensure_ascii=False)
            actor = Actor(request.caller.user_name, "control socket")
            at = to_text(utc_now())
            placed: Order = await self._catalogue.do(orders.place, verb, text, actor, at)
            return await self._outcome(placed)

        return order

    async def _outcome(self, placed: Order) -> dict[str, Any]:
        """What came of an order, once the keeper that leads has carried it out."""
        self._ordered.set()
        deadline_s = time.monotonic() + _ORDER_S_MAX
        while time.monotonic() < deadline_s:
            order: Order = await self._catalogue.look(orders.get, placed.id)
            if order.state is OrderState.FAILED:
                raise ControlRefused(order.result)
            if order.state is OrderState.DONE:
                return {"order": order.id, "state": "done", "result": order.result}
            await asyncio.sleep(_ORDER_POLL_S)
        return {
            "order": placed.id,
            "state": "waiting",
            "result": "ordered; the keeper that leads has not come to it yet 已下达，等待执行",
        }
