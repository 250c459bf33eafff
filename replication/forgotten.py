"""Put on record that a node no longer keeps an object that it signed for.

docs/operations/repair.md, "Forgotten copies". A listing (comparison.py) or an audit raises the
doubt; here every holder is asked again, now, so that an object stored meanwhile is no false alarm.
Mends nothing: a copy on record as missing is mended as every other (repair_plan.py).
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum

from monitoring.log import get_log
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue import copies, packages, repairs, volumes
from storage.catalogue.model import Actor, CopyState, NodeFinding, Package, PackageState
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.sweep.model import DamageKind

log = get_log(__name__)


class Fate(StrEnum):
    """What came of a doubt."""

    KEPT = "kept"  # the node has it after all, or is not counted on
    LOST = "lost"  # another holder has it: on record as missing
    DAMAGED = "damaged"  # by the node's own word, which was not heard before: on record
    VERIFIED = "verified"  # it did not count; its node read it whole and found it intact
    UNHEARD = "unheard"  # somebody who must be heard does not answer: nothing is known
    ALONE = "alone"  # no holder has it: the catalogue may be what is wrong, nothing is touched


def judge(node: str, said: Mapping[str, str | None], right: Collection[str]) -> Fate:
    """What the doubt about `node` comes to, by what each holder says that it keeps.

    `said`: an inventory's digest, empty for nothing, None for no answer. `right`: the digests that
    the catalogue stands for. A loss needs a witness, or it would be the catalogue against all.
    """
    own = said[node]
    if own is None:
        return Fate.UNHEARD
    if own in right:
        return Fate.KEPT
    if any(digest in right for digest in said.values()):
        return Fate.LOST
    return Fate.UNHEARD if None in said.values() else Fate.ALONE


class ForgottenCopies:
    """Looks into one doubt at a time. One instance for each that doubts."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._now = now

    async def doubt(self, package: Package, node: str, actor: Actor) -> Fate:
        """Whether `node` has lost the newest stored version of an object; if so, note it."""
        volume = await self._catalogue.look(volumes.known, node)
        if self._is_another(node, volume):
            return Fate.UNHEARD  # until the keeper has met its new disk: repair.py
        known = await self._catalogue.look(packages.versions_of_object, package.object_id)
        stored = [each for each in known if each.state is PackageState.STORED]
        if not stored or stored[-1].id != package.id:
            return Fate.KEPT  # another version has come since, and is looked at in its own time
        held = await self._catalogue.look(copies.standings, [package.id])
        standing = held.get(package.id, {})
        if node not in standing or not standing[node].is_counted_on:
            return Fate.KEPT
        holders = [each for each, copy in standing.items() if copy.state is CopyState.COMMITTED]
        # Not among them: its disk was replaced, and it signs anew for each object.
        since = volume.since if volume is not None and node not in holders else ""
        answers = await asyncio.gather(*(self._ask(each, package.object_id) for each in holders))
        said = {node: "", **dict(zip(holders, answers, strict=True))}
        # A version that is being written stands on some nodes before the catalogue has it stored.
        right = {each.inventory_sha256 for each in known if each.version >= package.version}
        fate = judge(node, said, right)
        if fate is Fate.LOST:
            doubted = repairs.DoubtedCopy(package.id, standing[node])
            found = _finding(package, node, said, since or to_text(self._now()))
            return fate if await self._note(found, doubted, actor) else Fate.KEPT
        return fate

    def _is_another(self, node: str, known: volumes.KnownVolume | None) -> bool:
        client = self._clients.get(node)
        welcome = None if client is None else client.welcome
        if known is None or welcome is None:
            return False
        return welcome.node_uuid != known.node_uuid

    async def _ask(self, node: str, object_id: str) -> str | None:
        client = self._clients.get(node)
        if client is None or not client.is_connected:
            return None
        try:
            kept = await client.stat(object_id)
        except WireRefusal:
            return None
        return "" if kept is None else kept.inventory_sha256

    async def _note(self, found: NodeFinding, doubted: repairs.DoubtedCopy, actor: Actor) -> bool:
        """False when something became of the copy while its holders were asked."""
        missing, at = CopyState.MISSING, to_text(self._now())
        new = await self._catalogue.do(repairs.record_by_keeper, found, doubted, missing, actor, at)
        if new:
            crash_point("keeper.copy-missed")
            log.error(
                "repair.copy.forgotten",
                node=found.node,
                object_id=found.object_id,
                reason=found.detail,
            )
        return new


def _finding(
    package: Package, node: str, said: Mapping[str, str | None], found_at: str
) -> NodeFinding:
    """That a copy is missing. Of a replaced disk it is found when that was met.

    So a person's word on that disk covers it.
    """
    evidence = {
        "expected_sha256": package.inventory_sha256,
        "said": {each: digest or "nothing" for each, digest in said.items() if digest is not None},
    }
    return NodeFinding(
        node, 0, found_at, package.object_id, DamageKind.OBJECT_MISSING, "",
        f"the node signed for {package.inventory_sha256} and says that it keeps "
        f"{said[node] or 'nothing'}",
        json.dumps(evidence),
    )  # fmt: skip
