"""Decide which copy moves next, to where and from where, and when a node's data may be removed.

docs/operations/membership.md. At most one copy of an object moves at a time, and not again within
min_part_hours unless it lacks a copy; what has fewest good copies goes first. Pure: values in,
moves out; moments are RFC 3339 text in UTC and compare as text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from replication.layout import Layout, Standing
from replication.membership import as_placed
from replication.peers import Peer
from replication.placement import TooFewDomains, place
from replication.source_choice import Pauses, chosen_source

# How long an object is left alone whose move failed.
PAUSES = Pauses(at_once_s=1.0, min_s=5.0, max_s=3600.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object of which too few copies stay."""

    object_id: str
    version: int
    inventory_sha256: str
    package_id: int
    leaving: str  # a node in whose place another shall hold it
    good: frozenset[str]  # nodes whose copy counts
    bad: frozenset[str]  # nodes that hold one which is damaged or missing
    attempts: int = 0  # that failed since the last success
    not_before: str = ""  # it rests until then


@dataclass(frozen=True, slots=True)
class MoveFacts:
    """What is known besides."""

    layout: Layout
    peers: tuple[Peer, ...]  # everybody who can be reached by configuration
    now: str
    answering: frozenset[str]
    resting: frozenset[str]  # suspect or away by plan: neither source nor target


@dataclass(frozen=True, slots=True)
class Move:
    """Make a copy on `target` from the one on `source`."""

    candidate: Candidate
    target: str
    source: str


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What to do now; the rest waits for a node, for its time, or for a person."""

    moves: tuple[Move, ...]
    waiting: int
    homeless: int = 0  # no node in another domain may take them


def plan_moves(candidates: Iterable[Candidate], facts: MoveFacts, at_once_max: int) -> MovePlan:
    """Plan one move for each object that may move now, the most endangered first."""
    by_object = {candidate.object_id: candidate for candidate in candidates}
    ranked = sorted(by_object.values(), key=lambda each: (len(each.good), each.package_id))
    moves: list[Move] = []
    waiting = homeless = 0
    for candidate in ranked:
        if len(moves) == at_once_max:
            break
        try:
            target = _target(candidate, facts)
        except TooFewDomains:
            homeless += 1
            continue
        source = _source(candidate, facts)
        if target is None or source is None or rests(candidate, facts):
            waiting += 1
        else:
            moves.append(Move(candidate, target, source))
    return MovePlan(tuple(moves), waiting, homeless)


def rests(candidate: Candidate, facts: MoveFacts) -> bool:
    """Whether the object is left alone for now: it moved lately, and lacks no copy; or it failed.

    Who has lost a copy does not wait for the one that was moved before.
    """
    if candidate.not_before <= facts.now:
        return False
    return candidate.attempts > 0 or len(candidate.good) >= facts.layout.copies


def _target(candidate: Candidate, facts: MoveFacts) -> str | None:
    """A node that shall hold the object and does not; None while none of them can take it."""
    up = facts.layout.in_state(Standing.UP)
    giving = facts.layout.in_state(Standing.READONLY) & candidate.good
    stays = (up & (candidate.good | candidate.bad)) | giving
    pool = as_placed(facts.layout, facts.peers, up | giving)
    chosen = place(candidate.object_id, pool, facts.layout.copies, stays)
    free = [peer.name for peer in chosen if peer.name not in stays and _is_there(peer.name, facts)]
    return free[0] if free else None


def _source(candidate: Candidate, facts: MoveFacts) -> str | None:
    able = [node for node in candidate.good if _is_there(node, facts)]
    return chosen_source(candidate.object_id, able, candidate.attempts)


def _is_there(node: str, facts: MoveFacts) -> bool:
    return node in facts.answering and node not in facts.resting


@dataclass(frozen=True, slots=True)
class Leaving:
    """How far a node that leaves is."""

    node: str
    waiting: int  # objects of it of which too few copies stay
    writing: int  # transfers under way that may have begun there before it was heard of
    unheard: tuple[str, ...]  # live nodes that have not signed for the layout


def why_not_removable(leaving: Leaving) -> list[str]:
    """What still forbids to remove a node's data, in words; nothing when it may go."""
    reasons = []
    if leaving.waiting:
        reasons.append(
            f"{leaving.waiting} objects do not have N good copies elsewhere yet"
            f" 尚有 {leaving.waiting} 个对象未迁移"
        )
    if leaving.writing:
        reasons.append(
            f"{leaving.writing} packages that were begun before are still being stored"
            f" 尚有 {leaving.writing} 个信息包正在写入"
        )
    if leaving.unheard:
        names = ", ".join(leaving.unheard)
        reasons.append(f"{names} has not signed for the layout 尚未确认布局: {names}")
    return reasons


def unheard(layout: Layout, signed: Mapping[str, int]) -> tuple[str, ...]:
    """Live nodes that have not signed for this layout. `signed`: node → version."""
    live = layout.in_state(Standing.UP, Standing.READONLY, Standing.DRAINING)
    return tuple(sorted(node for node in live if signed.get(node, 0) < layout.version))


def left_s(
    remaining: int, done_at_s: Sequence[float], now_s: float, window_s: float
) -> float | None:
    """Seconds until `remaining` are done at the pace of the last `window_s`; None if unknown.

    `done_at_s`: when each of those that are done was.
    """
    recent = [moment for moment in done_at_s if moment > now_s - window_s]
    if remaining == 0:
        return 0.0
    if len(recent) < 2:
        return None
    return remaining * (now_s - recent[0]) / len(recent)
