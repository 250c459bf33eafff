"""Carry out a person's word about a node: add, drain, readonly, up, lost.

docs/operations/membership.md. Says no with the reason where the archive would be less safe
(membership.py), and puts every word on record with the layout that it led to.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from replication.layout import Layout, LayoutRefused, Standing
from replication.layout_keeping import LayoutKeeping
from replication.membership import Signatory, added, moved, reconfigured, restated
from replication.moving import Mover
from replication.node_client import NodeClient
from storage.catalogue import orders, volumes
from storage.catalogue.model import Actor, Lease, Order, OrderState
from storage.catalogue.writer import CatalogueWriter

# Verb of an order → the state that it leads to.
STATES = {
    "node.add": Standing.JOINING,
    "node.up": Standing.UP,
    "node.readonly": Standing.READONLY,
    "node.drain": Standing.DRAINING,
    "node.lost": Standing.LOST,
}


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said."""

    node: str
    state: Standing
    reason: str
    node_uuid: str = ""  # typed with `lost`

    @classmethod
    def of_order(cls, order: Order) -> "Word":
        """Raises LayoutRefused where the order is none of ours."""
        state = STATES.get(order.verb)
        members = json.loads(order.arguments or "{}")
        node, reason = members.get("node"), members.get("reason")
        if state is None or not node or not reason:
            raise LayoutRefused(f"{order.verb} with {order.arguments!r} is no order about a node")
        return cls(node, state, reason, members.get("uuid", ""))


class NodeOrders:
    """Takes the orders of duty `node`, one after the other."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        keeping: LayoutKeeping,
        mover: Mover,
        clients: Mapping[str, NodeClient],
    ) -> None:
        self._catalogue = catalogue
        self._keeping = keeping
        self._mover = mover
        self._clients = clients

    async def carry_out_all(self, lease: Lease, at: str) -> int:
        """Every order that waits, or that a keeper before us began; how many there were."""
        under_way = await self._catalogue.look(orders.running, orders.NODES)
        done = 0
        while order := under_way.pop(0) if under_way else await self._next(lease, at):
            try:
                said = await self._carry_out(order, at)
                state = OrderState.DONE
            except LayoutRefused as refusal:
                said, state = str(refusal), OrderState.FAILED
            await self._catalogue.do(orders.finish, order.id, state, said, at)
            done += 1
        return done

    async def _next(self, lease: Lease, at: str) -> Order | None:
        return await self._catalogue.do(orders.start_next, lease.holder, at, orders.NODES)

    async def _carry_out(self, order: Order, at: str) -> str:
        word = Word.of_order(order)
        layout = await self._keeping.layout()
        if layout is None:
            raise LayoutRefused("there is no layout yet: the nodes must answer first 尚无布局")
        by = Signatory(order.requested_by, at, word.reason)
        peers = [client.peer for client in self._clients.values()]
        asked = reconfigured(layout, self._keeping.copies, peers)
        member = layout.member(word.node)
        if member is None or member.state is not word.state:
            made = await self._changed(asked, word, by)
        elif asked != layout:
            made = restated(asked, by)
        else:
            return f"layout {layout.version}: {word.node} is {word.state} already 已是此状态"
        actor = Actor(order.requested_by, order.requested_from)
        await self._keeping.make(made, word.node, actor)
        return f"layout {made.version}: {word.node} is {word.state}"

    async def _changed(self, layout: Layout, word: Word, by: Signatory) -> Layout:
        if word.state is Standing.JOINING:
            client = self._clients.get(word.node)
            if client is None:
                raise LayoutRefused(
                    f"{word.node} is not in the keeper's [[peers]]: configure it on every host,"
                    " restart the roles, then add it 请先在各主机配置该节点"
                )
            return added(layout, client.peer, by)
        if word.state is Standing.LOST:
            await self._require_uuid(word)
        unfinished = await self._mover.unfinished(layout)
        return moved(layout, word.node, word.state, by, unfinished)

    async def _require_uuid(self, word: Word) -> None:
        known = await self._catalogue.look(volumes.known, word.node)
        uuid = "never-met" if known is None else known.node_uuid
        if word.node_uuid != uuid:
            raise LayoutRefused(
                f"that is not the uuid of the volume that {word.node} had last: copy it from"
                f" `lantai node show {word.node}` 卷标识不符"
            )
