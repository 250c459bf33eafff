"""The keeper's hands in membership: make layouts, tell them, let proven nodes in.

docs/operations/membership.md, docs/wire/layout.md. Which layout is acceptable is membership.py's
to say; carrying out a person's word is node_orders.py's.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from monitoring.log import get_log
from replication.layout import (
    Layout,
    LayoutRefused,
    Member,
    SignedLayout,
    Standing,
    from_wire,
    read_ack,
    read_layout,
    sign_layout,
)
from replication.layout_watch import newest_layout
from replication.membership import Signatory, first_layout, proven, restated
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.returned_nodes import ReturnedNodes
from storage.catalogue import layouts, moves
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.signing import AnyOf, SigningKey, VerifyKey

log = get_log(__name__)

_KEEPER = "keeper"


class LayoutKeeping:
    """One for each keeper process; acts only while that one leads."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        key: SigningKey,
        copies: int,
        now: Callable[[], datetime],
        others: Sequence[VerifyKey] = (),
    ) -> None:
        """`others`: of other keepers, or this one's before it was changed; all count alike."""
        self._catalogue = catalogue
        self._clients = clients
        self._key = key
        self._known = AnyOf((key.verify_key, *others))
        self.copies = copies
        self._now = now
        self._held: SignedLayout | None = None
        self._returned = ReturnedNodes(catalogue, clients, now)
        self.delays: dict[str, str] = {}  # node → why it has not signed, or is not let in

    async def layout(self) -> Layout | None:
        """The layout that holds, as the catalogue has it; None before the first."""
        kept = await self._catalogue.look(layouts.newest)
        if kept is None:
            return None
        if self._held is None or self._held.layout.version != kept.version:
            try:
                self._held = read_layout(kept.payload, kept.signature, self._known)
            except LayoutRefused:  # by a key that is not known any more: `round` signs it anew
                self._held = None
                return await newest_layout(self._catalogue)
        return self._held.layout

    async def make(self, layout: Layout, node: str, actor: Actor) -> Layout:
        """Sign a layout and put it on record; `node` is whom it is about, or empty.

        Raises LayoutRefused if another came first.
        """
        return await self._keep(sign_layout(layout, self._key), node, actor)

    async def _keep(self, signed: SignedLayout, node: str, actor: Actor) -> Layout:
        layout = signed.layout
        kept = layouts.KeptLayout(layout.version, signed.payload, signed.signature, layout.made_at)
        member = layout.member(node)
        state = "first" if member is None else member.state.value
        event = NewEvent(layouts.LAYOUT_MADE, state, node=node or None, detail=_detail(layout))
        if not await self._catalogue.do(layouts.add, kept, event, actor):
            raise LayoutRefused("another layout was made at the same moment: try again 请重试")
        self._held = signed
        log.info("layout.made", version=layout.version, node=node, state=state)
        return layout

    async def round(self, holder: str) -> str:
        """Make what is missing, tell who has not heard, let in who is proven; a sentence."""
        actor = Actor.of_holder(holder)
        layout = await self.layout() or await self._first(actor)
        if layout is None:
            return "Waiting for the nodes, to make the first layout"
        if self._held is None:
            by = Signatory(
                _KEEPER, to_text(self._now()), "signed with the keeper's new key 换钥重签"
            )
            layout = await self.make(restated(layout, by), "", actor)
        for member in layout.members:
            if member.state is Standing.LOST:
                await self._give_up(member.name)
            else:
                await self._tell(member)
        for member in layout.members:
            if not member.verified and await self._is_proven(member):
                by = Signatory(_KEEPER, to_text(self._now()), "proven 已核验")
                layout = await self.make(proven(layout, member.name, by), member.name, actor)
        signed = await self._catalogue.look(layouts.rows)
        heard = sum(row.layout_version == layout.version for row in signed.values())
        return f"Layout {layout.version}, signed for by {heard} of {len(layout.members)} nodes"

    # Below: the steps of a round.

    async def _first(self, actor: Actor) -> Layout | None:
        """Take up the layout that the nodes have, or make number 1 from the configuration."""
        answered, best = 0, None
        for node, client in self._clients.items():
            if not client.is_connected:
                continue
            try:
                _, kept = await client.layout()
                found = from_wire(kept, self._known) if kept else None
            except (WireRefusal, LayoutRefused) as refusal:
                self.delays[node] = str(refusal)
                continue
            answered += 1
            if found and (best is None or found.layout.version > best.layout.version):
                best = found
        if best is None and 2 * answered <= len(self._clients):
            return None
        by = Signatory(_KEEPER, to_text(self._now()), "made from the configuration 据配置生成")
        if best is None:
            peers = [client.peer for client in self._clients.values()]
            return await self.make(first_layout(peers, self.copies, by), "", actor)
        return await self._keep(best, "", actor)

    async def _tell(self, member: Member) -> None:
        """Have a node sign for the layout, unless its volume has."""
        client, held = self._clients.get(member.name), self._held
        welcome = None if client is None else client.welcome  # it may be lost at any await below
        if client is None or welcome is None or held is None or not client.is_connected:
            self.delays[member.name] = "does not answer 无应答"
            return
        row = (await self._catalogue.look(layouts.rows)).get(member.name)
        uuid, version = welcome.node_uuid, held.layout.version
        if row is not None and (row.layout_version, row.node_uuid) == (version, uuid):
            self.delays.pop(member.name, None)
            return
        try:
            _, raw = await client.layout(held.to_wire())
            ack = read_ack(raw, VerifyKey.from_hex(member.verify_key))
        except (WireRefusal, LayoutRefused) as refusal:
            self._delayed(member.name, str(refusal))
            return
        said = ack.node, ack.node_uuid, ack.version, ack.layout_sha256
        if said != (member.name, uuid, version, held.sha256):
            self._delayed(member.name, "it signed for something else 签署内容不符")
            return
        self.delays.pop(member.name, None)
        at = to_text(self._now())
        await self._catalogue.do(layouts.acknowledge, member.name, version, uuid, at)

    async def _is_proven(self, member: Member) -> bool:
        if member.name in self.delays:
            return False
        try:
            if member.state is Standing.JOINING:
                return await self._may_join(member)
            if member.state is Standing.READONLY:
                return await self._returned.is_verified(member.name)
        except WireRefusal as refusal:
            self._delayed(member.name, str(refusal))
        return False

    async def _may_join(self, member: Member) -> bool:
        """It has signed with its own key; it must also be where it should be, and empty."""
        client = self._clients[member.name]
        welcome = client.welcome
        if welcome is None or (welcome.node, welcome.domain) != (member.name, member.domain):
            self._delayed(member.name, "it greets as another, or from another domain 身份不符")
            return False
        objects = (await client.status()).objects
        if objects:
            self._delayed(member.name, f"it holds {objects} objects; a new node is empty 非空节点")
            return False
        return True

    async def _give_up(self, node: str) -> None:
        """Count nothing there; again after a keeper died between the layout and this."""
        lost = await self._catalogue.look(moves.still_counts, node)
        if lost:
            at = to_text(self._now())
            copies = await self._catalogue.do(moves.give_up, node, at)
            log.warning("layout.node.lost", node=node, copies=copies)
        await self._catalogue.do(layouts.came_back, node, None)

    def _delayed(self, node: str, reason: str) -> None:
        if self.delays.get(node) != reason:
            log.warning("layout.node.delayed", node=node, reason=reason)
        self.delays[node] = reason


def _detail(layout: Layout) -> str:
    members = {"version": layout.version, "reason": layout.reason}
    return json.dumps(members, ensure_ascii=False)
