"""What becomes of one copy that a comparison found to differ: asked again, judged, put on record.

docs/operations/comparison.md. A difference is a doubt until the node was asked anew. A copy that
does not count never counts again by what a node lists: only by what it reads.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from monitoring.log import get_log
from replication.forgotten import Fate, ForgottenCopies
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue import copies, findings, repairs, suspects
from storage.catalogue.copies import CopyStanding
from storage.catalogue.model import Actor, CopyState, NodeFinding, Package
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.hash_tree.leaf import Leaf, LeafState
from storage.node_answer import NodeAnswerRefused, read_node_answer
from storage.sweep.model import DamageKind

log = get_log(__name__)

# A node may have to read terabytes for one answer.
_RECHECK_S_MAX = 24 * 3600.0
# docs/wire/audit.md, `rechecked`.
_INTACT = "intact"
_NOT_JUDGED = "not-judged"


class Doubts:
    """Looks into one copy at a time. One instance for each keeper process."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        actor: Actor,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._actor = actor
        self._now = now
        self._forgotten = ForgottenCopies(catalogue, clients, now)

    async def look_into(
        self, package: Package, node: str, standing: CopyStanding, leaf: Leaf | None
    ) -> Fate:
        """`leaf`: what the node lists of this object; `standing`: what the catalogue has of it."""
        is_right = leaf is not None and leaf.inventory_sha256 == package.inventory_sha256
        is_damaged = leaf is not None and leaf.state is LeafState.DAMAGED
        counts = standing.state is CopyState.COMMITTED
        if is_right and is_damaged and counts:
            return await self._note_damage(package, node, standing)
        if is_right and not is_damaged and not counts:
            fate = await self._read_again(package, node)
            if fate is not Fate.LOST:
                return fate
        if standing.is_counted_on and not (is_right and counts):
            return await self._forgotten.doubt(package, node, self._actor)
        return Fate.KEPT

    async def _note_damage(self, package: Package, node: str, standing: CopyStanding) -> Fate:
        """By its own record the copy is bad, and its finding was not heard of.

        So after an older image of its disk was put back, whose numbers were on record already.
        """
        at = to_text(self._now())
        found = NodeFinding(
            node, 0, at, package.object_id, DamageKind.ALTERED, "",
            "the node says that its copy is damaged; its own finding was not heard", "",
        )  # fmt: skip
        doubted, bad = repairs.DoubtedCopy(package.id, standing), CopyState.DAMAGED
        actor = self._actor
        if not await self._catalogue.do(repairs.record_by_keeper, found, doubted, bad, actor, at):
            return Fate.KEPT  # heard meanwhile
        log.error("repair.copy.damage-unheard", node=node, object_id=package.object_id)
        return Fate.DAMAGED

    async def _read_again(self, package: Package, node: str) -> Fate:
        """Have the node read a copy that it lists and that does not count.

        LOST where nothing that it reads could make it count: another disk signed for it.
        """
        client = self._clients[node]
        if not await self._is_signed_by(package, node, client):
            return Fate.LOST
        if node in {each.node for each in await self._catalogue.look(suspects.all_of)}:
            return Fate.KEPT  # nothing it says counts until a person trusts it
        object_id = package.object_id
        newest = await self._catalogue.look(findings.newest_of_copy, node, object_id)
        try:
            said = await client.recheck(object_id, _RECHECK_S_MAX)
        except WireRefusal:
            return Fate.UNHEARD
        if said.outcome == _NOT_JUDGED:
            return Fate.UNHEARD
        if (said.outcome, said.inventory_sha256) != (_INTACT, package.inventory_sha256):
            return Fate.KEPT  # its own finding tells the rest
        actor, at = self._actor, to_text(self._now())
        if not await self._catalogue.do(repairs.record_verified, package, node, newest, actor, at):
            return Fate.KEPT  # it found more while it read
        log.info("repair.copy.verified", node=node, object_id=object_id)
        return Fate.VERIFIED

    async def _is_signed_by(self, package: Package, node: str, client: NodeClient) -> bool:
        welcome = client.welcome
        for copy in await self._catalogue.look(copies.of_package, package.id):
            if copy.node == node and welcome is not None:
                try:
                    return read_node_answer(copy.answer.payload).node_uuid == welcome.node_uuid
                except NodeAnswerRefused:
                    return False
        return False
