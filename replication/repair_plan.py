"""Decide which copies to mend, from which source, and when to stop and call a person.

knowledge: storm guards stop automatic repair when many copies go bad at once, because then the
judge may be what is broken. Pure: values in, a plan out; keeper.py carries it out.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadCopy:
    """One copy that a sweep found damaged or missing."""

    node: str
    object_id: str
    attempts: int = 0  # mends tried so far; each one asks another source


@dataclass(frozen=True, slots=True)
class Holding:
    """One object as the catalogue signed it, and the nodes whose copy is not known to be bad."""

    object_id: str
    version: int
    inventory_sha256: str
    good_nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mend:
    """Replace the copy on `target` by the one on `source`."""

    target: str
    source: str
    object_id: str
    version: int
    inventory_sha256: str


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What to do now, and what only a person may decide."""

    mends: tuple[Mend, ...]
    suspect_nodes: frozenset[str]  # the storm guard stopped mending on these
    hopeless: tuple[str, ...]  # object ids without any good copy: nothing is touched


def plan_repairs(
    bad_copies: Iterable[BadCopy],
    holdings: Mapping[str, Holding],
    mended_last_hour: Mapping[str, int],
    mends_per_node_hour_max: int,
) -> RepairPlan:
    """Plan one mend for each bad copy that may be mended without a person.

    A node whose bad copies now and mends within the hour together exceed the limit is suspect: it
    is neither mended nor used as a source. A copy of an object that the catalogue does not know as
    stored is left alone.
    """
    copies = sorted(set(bad_copies), key=lambda copy: (copy.object_id, copy.node))
    suspects = _suspects(copies, mended_last_hour, mends_per_node_hour_max)
    mends: list[Mend] = []
    hopeless: set[str] = set()
    for copy in copies:
        holding = holdings.get(copy.object_id)
        if holding is None:
            continue
        sources = [node for node in holding.good_nodes if node not in suspects | {copy.node}]
        if not [node for node in holding.good_nodes if node != copy.node]:
            hopeless.add(copy.object_id)
        elif sources and copy.node not in suspects:
            mends.append(_mend(copy, holding, sources))
    return RepairPlan(tuple(mends), frozenset(suspects), tuple(sorted(hopeless)))


def _suspects(
    copies: Sequence[BadCopy], mended_last_hour: Mapping[str, int], limit: int
) -> set[str]:
    waiting = Counter(copy.node for copy in copies)
    nodes = set(waiting) | set(mended_last_hour)
    return {node for node in nodes if waiting[node] + mended_last_hour.get(node, 0) > limit}


def _mend(copy: BadCopy, holding: Holding, sources: Sequence[str]) -> Mend:
    ranked = sorted(sources, key=lambda node: _rank(node, copy.object_id))
    return Mend(
        target=copy.node,
        source=ranked[copy.attempts % len(ranked)],
        object_id=holding.object_id,
        version=holding.version,
        inventory_sha256=holding.inventory_sha256,
    )


def _rank(node: str, object_id: str) -> bytes:
    """Spread sources evenly over the nodes."""
    return hashlib.sha256(f"{object_id}\0{node}".encode()).digest()
