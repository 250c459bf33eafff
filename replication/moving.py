"""Carry out moves: find what a leaving or lost node leaves behind, copy it, record the new copy.

docs/operations/membership.md, docs/wire/repair.md. What moves next is moves.py's to decide; the
target pulls and judges the bytes itself. Removes nothing anywhere.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from monitoring.log import get_log
from replication.copy_lanes import CopyJob, CopyLanes
from replication.copy_orders import PACE_REMEMBERED, CopyNotMade, CopyOrder, CopyOrders
from replication.layout import Layout, Standing
from replication.membership import unproven
from replication.moves import (
    PAUSES,
    Candidate,
    Leaving,
    Move,
    MoveFacts,
    plan_moves,
    unheard,
)
from replication.node_client import NodeClient
from replication.unasked import unasked
from storage.catalogue import layouts, moves, suspects
from storage.catalogue.model import Actor, CopyState, Lease
from storage.catalogue.moves import HeldObject, MadeCopy, Staying
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter

log = get_log(__name__)

_PAGE = 200
# A look that finds nothing has read all that a node held: it rests so many times as long.
_RESTS_AFTER_LOOK = 100.0
_REST_S_MAX = 600.0
# The order in which nodes are emptied: what nothing can be read from first.
_EMPTIED = (Standing.LOST, Standing.READONLY, Standing.DRAINING)


@dataclass(frozen=True, slots=True)
class MoveLimits:
    """[keeper] as moving is told it."""

    at_once_max: int = 2  # to each node
    min_part_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Moved:
    """What one round came to."""

    done: int
    failed: int
    waiting: int  # looked at and not movable now
    homeless: int  # no node in another domain may take them

    def sentence(self) -> str:
        """One line an operator can read."""
        lacking = f", {self.homeless} have no node to go to: add one" if self.homeless else ""
        return f"{self.done} copies moved, {self.failed} failed, {self.waiting} wait{lacking}"


class Mover:
    """The keeper's hands when nodes leave. One instance for each keeper process."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        orders: CopyOrders,
        limits: MoveLimits,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._orders = orders
        self._limits = limits
        self._lanes = CopyLanes(limits.at_once_max)
        self._now = now
        self._reached: dict[str, int] = {}  # node → package behind which the next page begins
        self._emptied: dict[str, tuple[int, float]] = {}  # node → by which layout, rests until
        self.outcomes: Counter[tuple[str, str]] = Counter()  # (done or failed, leaving node)
        # Leaving node → when each copy was made, by the monotonic clock.
        self.done_at_s: dict[str, deque[float]] = {}

    async def round(self, layout: Layout, lease: Lease) -> Moved:
        """Look for what may move and move it; what takes longer than a round goes on."""
        moving = {object_id for _, object_id in self._lanes.under_way}
        await self._catalogue.do(moves.forget_rested, to_text(self._now()))
        candidates = await self._candidates(layout)
        free = [each for each in candidates if each.object_id not in moving]
        plan = plan_moves(free, await self._facts(layout), _PAGE)
        before = self._ended()
        await self._lanes.carry_out(
            CopyJob(move.target, move.candidate.object_id, partial(self._move, move, lease))
            for move in plan.moves
        )
        ended = self._ended() - before
        return Moved(ended["done"], ended["failed"], plan.waiting, plan.homeless)

    async def close(self) -> None:
        """Wait for no move any more."""
        await self._lanes.close()

    async def leaving(self, layout: Layout, node: str) -> Leaving:
        """How far a node is that leaves. Counts all of its objects: not to be asked too often."""
        waiting = await self._catalogue.look(moves.waiting, node, staying(layout))
        rows = await self._catalogue.look(layouts.rows)
        signed = {name: row.layout_version for name, row in rows.items()}
        last = max((row.transfers_before for row in rows.values()), default=0)
        writing = await self._catalogue.look(moves.begun_before, last)
        return Leaving(node, waiting, writing, unheard(layout, signed))

    async def unfinished(self, layout: Layout) -> frozenset[str]:
        """Nodes that leave and whose copies do not all lie elsewhere yet."""
        leaving = sorted(layout.in_state(Standing.DRAINING, Standing.LOST))
        stay = staying(layout)
        waits = [await self._catalogue.look(moves.is_waiting, node, stay) for node in leaving]
        return frozenset(node for node, waiting in zip(leaving, waits, strict=True) if waiting)

    # Below: one round.

    def _ended(self) -> Counter[str]:
        """Moves since the start, by how they ended."""
        ended: Counter[str] = Counter()
        for (outcome, _), count in self.outcomes.items():
            ended[outcome] += count
        return ended

    async def _candidates(self, layout: Layout) -> list[Candidate]:
        stay = staying(layout)
        found: dict[str, tuple[HeldObject, str]] = {}
        for state in _EMPTIED:
            for node in sorted(layout.in_state(state)):
                page = await self._page(layout, node)
                found |= {held.package.object_id: (held, node) for held in page}
        if found:
            for held in await self._catalogue.look(moves.endangered, stay, _PAGE):
                found.setdefault(held.package.object_id, (held, _gone(held, layout)))
        known = await self._catalogue.look(moves.known, list(found))
        # No rest is that long: a later moment comes from a clock that was set back since.
        rest_max = timedelta(hours=max(1.0, self._limits.min_part_hours))
        until = to_text(self._now() + rest_max)
        believed = {name: row for name, row in known.items() if row.not_before <= until}
        return [_candidate(held, node, believed, layout) for held, node in found.values()]

    async def _page(self, layout: Layout, node: str) -> list[HeldObject]:
        """The next objects of a node; where a whole look found none, nothing for a while."""
        began_s = time.monotonic()
        version, until_s = self._emptied.get(node, (0, 0.0))
        if version == layout.version and began_s < until_s:
            return []
        after = self._reached.get(node, 0)
        page: list[HeldObject] = await self._catalogue.look(
            moves.to_move, node, staying(layout), after, _PAGE
        )
        self._reached[node] = page[-1].package.id if len(page) == _PAGE else 0
        if not page and after == 0:
            ended_s = time.monotonic()
            rest_s = min(_REST_S_MAX, _RESTS_AFTER_LOOK * (ended_s - began_s))
            self._emptied[node] = layout.version, ended_s + rest_s
        return page

    async def _facts(self, layout: Layout) -> MoveFacts:
        at = to_text(self._now())
        resting = {suspect.node for suspect in await self._catalogue.look(suspects.all_of)}
        resting |= set(await unasked(self._catalogue, layout, self._clients, at)) | unproven(layout)
        answering = {node for node, client in self._clients.items() if client.is_connected}
        peers = tuple(client.peer for client in self._clients.values())
        return MoveFacts(layout, peers, at, frozenset(answering), frozenset(resting))

    async def _move(self, move: Move, lease: Lease) -> None:
        what = move.candidate
        await self._catalogue.do(moves.begin, what.object_id, move.target, what.leaving)
        order = CopyOrder(
            what.package_id, what.object_id, what.version, what.inventory_sha256,
            move.source, move.target,
        )  # fmt: skip
        try:
            copy = await self._orders.carry_out(order, lease.epoch)
        except CopyNotMade as refusal:
            await self._failed(move, str(refusal))
            return
        rest = timedelta(hours=self._limits.min_part_hours)
        made = MadeCopy(copy, what.object_id, move.source, what.leaving)
        at, actor = self._now(), Actor.of_holder(lease.holder)
        await self._catalogue.do(moves.finish, made, to_text(at + rest), actor, to_text(at))
        self.outcomes["done", what.leaving] += 1
        pace = self.done_at_s.setdefault(what.leaving, deque(maxlen=PACE_REMEMBERED))
        pace.append(time.monotonic())
        log.info(
            "move.copy.made", node=move.target, source=move.source, leaving=what.leaving,
            object_id=what.object_id,
        )  # fmt: skip

    async def _failed(self, move: Move, reason: str) -> None:
        what = move.candidate
        self.outcomes["failed", what.leaving] += 1
        log.warning(
            "move.copy.failed", node=move.target, source=move.source, leaving=what.leaving,
            object_id=what.object_id, reason=reason,
        )  # fmt: skip
        pause = timedelta(seconds=PAUSES.after(what.attempts + 1))
        again = to_text(self._now() + pause)
        await self._catalogue.do(moves.fail, what.object_id, reason, again)


def staying(layout: Layout) -> Staying:
    """Whose copies need nobody in their place."""
    giving = layout.in_state(Standing.READONLY) - unproven(layout)
    return Staying(layout.in_state(Standing.UP), giving)


def _candidate(
    held: HeldObject, leaving: str, known: Mapping[str, moves.MoveRow], layout: Layout
) -> Candidate:
    package, last = held.package, known.get(held.package.object_id)
    lost = layout.in_state(Standing.LOST)
    good = {node for node, state in held.states if state is CopyState.COMMITTED} - lost
    return Candidate(
        package.object_id,
        package.version,
        package.inventory_sha256,
        package.id,
        leaving,
        frozenset(good),
        frozenset(node for node, _ in held.states if node not in good),
        0 if last is None else last.attempts,
        "" if last is None else last.not_before,
    )


def _gone(held: HeldObject, layout: Layout) -> str:
    """Some node of the object that does not stay."""
    up = layout.in_state(Standing.UP)
    return next((node for node, _ in held.states if node not in up), held.states[0][0])
