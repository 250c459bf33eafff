"""Decide which copies to mend, from which source, and when to stop and call a person.

docs/operations/repair.md. Automatic repair stops when many copies go bad at once, or when the
catalogue stands alone against the nodes, because then the judge may be what is broken. Pure:
values in, a plan out; moments are RFC 3339 text in UTC and compare as text. repair.py carries out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from replication.source_choice import Pauses, chosen_source
from storage.catalogue.timestamps import to_text

# How long a copy is left alone whose mend failed.
PAUSES = Pauses(at_once_s=0.0, min_s=15.0, max_s=6 * 3600.0)


@dataclass(frozen=True, slots=True)
class BadCopy:
    """One copy that is known to be damaged or missing."""

    node: str
    object_id: str
    found_at: str = ""  # when it was first found; empty: before anything else
    attempts: int = 0  # mends tried so far; each one asks another source
    not_before: str = ""  # no further try before this moment


@dataclass(frozen=True, slots=True)
class Holding:
    """One object as the catalogue signed it, and what is known of its copies.

    A node that is unreachable or away by plan may well have a good copy, but is no source; and
    what it does not say is no damage either.
    """

    object_id: str
    version: int
    inventory_sha256: str
    good_nodes: tuple[str, ...]  # whose copy is not known to be bad, reachable or not
    sources: tuple[str, ...]  # of those, the ones that answer now
    # Node → digest of the inventory that it keeps by its own record, of those that answered.
    testimony: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StormLimits:
    """How much damage is mended without a person. 0 switches a rule off."""

    objects_per_node_hour_max: int = 10
    share_per_node_hour_max: float = 0.0  # of the objects a node keeps
    nodes_per_hour_max: int = 0  # on so many nodes within an hour; 1: two nodes are a storm


@dataclass(frozen=True, slots=True)
class Weather:
    """What the storm guard knows besides the damage itself."""

    now: str
    hour_ago: str
    mended: Mapping[str, int] = field(default_factory=dict)  # node → objects, in the last hour
    objects: Mapping[str, int] = field(default_factory=dict)  # node → how many it keeps
    suspects: frozenset[str] = frozenset()  # from before; only a person releases them
    released_at: Mapping[str, str] = field(default_factory=dict)  # older damage does not count
    # By plan, lost or not proven: neither mended nor read from, and not doubted.
    away: frozenset[str] = frozenset()
    readonly: frozenset[str] = frozenset()  # read from, and not written to


@dataclass(frozen=True, slots=True)
class Mend:
    """Replace the copy on `target` by the one on `source`."""

    target: str
    source: str
    object_id: str
    version: int
    inventory_sha256: str
    attempt: int = 1  # which try this is


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What to do now, and what only a person may decide."""

    mends: tuple[Mend, ...] = ()
    suspect_nodes: frozenset[str] = frozenset()  # neither mended nor used as a source
    hopeless: tuple[str, ...] = ()  # object ids without any good copy: AT_RISK, nothing is touched
    disagreements: tuple[str, ...] = ()  # all nodes agree, and not with the catalogue
    waiting: int = 0  # bad copies that no source answers for, or whose next try is not due


def plan_repairs(
    bad_copies: Iterable[BadCopy],
    holdings: Mapping[str, Holding],
    weather: Weather,
    limits: StormLimits,
) -> RepairPlan:
    """Plan one mend for each bad copy that may be mended without a person.

    An object that the catalogue does not know as stored is left alone.
    """
    copies = sorted(set(bad_copies), key=lambda copy: (copy.object_id, copy.node))
    known = [copy for copy in copies if copy.object_id in holdings]
    bad = {(copy.node, copy.object_id) for copy in copies}
    suspects = weather.suspects | _storming(copies, weather, limits)
    resting = suspects | weather.away
    disputed = {name for name, holding in holdings.items() if stands_alone(holding)}
    mends: list[Mend] = []
    hopeless: set[str] = set()
    waiting = 0
    for copy in known:
        holding = holdings[copy.object_id]
        if holding.object_id in disputed:
            continue
        good = [node for node in holding.good_nodes if (node, copy.object_id) not in bad]
        sources = [node for node in good if _may_give(node, holding, resting)]
        if not good:
            hopeless.add(copy.object_id)
        elif (
            copy.node in resting | weather.readonly or not sources or copy.not_before > weather.now
        ):
            waiting += 1
        else:
            mends.append(_mend(copy, holding, sources))
    return RepairPlan(
        tuple(mends),
        frozenset(suspects),
        tuple(sorted(hopeless)),
        tuple(sorted(disputed)),
        waiting,
    )


def stands_alone(holding: Holding) -> bool:
    """Whether every node that was asked keeps the same inventory, and the catalogue another."""
    said = set(holding.testimony.values())
    return len(said) == 1 and holding.inventory_sha256 not in said


def next_try_at(noted: str, now: datetime) -> str:
    """When a copy may be tried again, by what was noted when the last try failed.

    No pause is that long: a later moment comes from a clock that was set back since.
    """
    return noted if noted <= to_text(now + timedelta(seconds=PAUSES.max_s)) else ""


def _storming(copies: Sequence[BadCopy], weather: Weather, limits: StormLimits) -> frozenset[str]:
    """Nodes with more damage than a disk has that is merely old."""
    waiting: dict[str, set[str]] = defaultdict(set)
    recent: set[str] = set()
    for copy in copies:
        if copy.found_at >= weather.released_at.get(copy.node, ""):
            waiting[copy.node].add(copy.object_id)
            if copy.found_at >= weather.hour_ago:
                recent.add(copy.node)
    counts = {
        node: len(waiting[node]) + weather.mended.get(node, 0)
        for node in set(waiting) | set(weather.mended)
    }
    storming = {
        node for node, count in counts.items() if _is_too_much(node, count, weather, limits)
    }
    hit = recent | {node for node, count in weather.mended.items() if count > 0}
    if 0 < limits.nodes_per_hour_max < len(hit):
        storming |= hit
    return frozenset(storming)


def _is_too_much(node: str, count: int, weather: Weather, limits: StormLimits) -> bool:
    if 0 < limits.objects_per_node_hour_max < count:
        return True
    share, objects = limits.share_per_node_hour_max, weather.objects.get(node, 0)
    return share > 0 and objects > 0 and count > max(1, share * objects)


def _may_give(node: str, holding: Holding, resting: frozenset[str]) -> bool:
    if node in resting or node not in holding.sources:
        return False
    return holding.testimony.get(node, holding.inventory_sha256) == holding.inventory_sha256


def _mend(copy: BadCopy, holding: Holding, sources: Sequence[str]) -> Mend:
    assert copy.node not in sources, "a bad copy is no source"
    source = chosen_source(copy.object_id, sources, copy.attempts)
    assert source is not None, "a mend is planned where there is a source"
    return Mend(
        target=copy.node,
        source=source,
        object_id=holding.object_id,
        version=holding.version,
        inventory_sha256=holding.inventory_sha256,
        attempt=copy.attempts + 1,
    )
