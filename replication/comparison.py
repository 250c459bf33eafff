"""Hold the catalogue against what every node says it keeps, by their hash trees.

docs/wire/tree.md, docs/operations/comparison.md. Proves that sets and digests agree, never that
bits do: that is the sweep's and the audit's. Only partitions that differ are gone through
(partition_walk.py), and those that differ as they did last time not again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitoring.log import get_log
from replication.descent import Descent
from replication.doubts import Doubts
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from replication.partition_walk import PAGE, PartitionWalk, Walked
from storage.catalogue import suspects, tree_sums
from storage.catalogue.writer import CatalogueWriter
from storage.hash_tree.branch import Subtree

log = get_log(__name__)

_SHOWN_MAX = 1000
_CHANGES_AT_ONCE = 2000
# The catalogue's own sums are counted anew, a few with each comparison: all of them in a day.
_RECOUNTED_PARTITIONS = 32


@dataclass(frozen=True, slots=True)
class Effort:
    """What a comparison took."""

    nodes: int = 0  # whose trees were heard
    partitions: int = 0  # that differ on any of them
    walked: int = 0  # of these, gone through now; the others differ as they did last time
    messages: int = 0  # asked of the nodes, for trees and leaves
    is_settled: bool = True  # nothing stayed in doubt that another look soon may settle


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where catalogue and nodes differ; at most a thousand object ids of each kind."""

    disagreements: tuple[str, ...]  # no node keeps what the catalogue says
    unknown: tuple[str, ...]  # on at least two nodes, and in no row of the catalogue
    away: tuple[str, ...]  # nodes that did not answer, or of which something stayed in doubt
    forgotten: int = 0  # copies that their nodes no longer keep; each is on record as missing
    damaged: int = 0  # copies bad by their nodes' own word, not heard before; on record now
    verified: int = 0  # copies that did not count, were read again, and count
    effort: Effort = field(default=Effort(), compare=False)

    @property
    def catalogue_is_alone(self) -> tuple[str, ...]:
        """What a person must look at: in both cases nothing is touched."""
        return self.disagreements + self.unknown


# How a node and the catalogue differ in a partition: both digests.
_Difference = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Heard:
    """One node's tree, as far as it was descended."""

    node: str
    differing: Mapping[int, _Difference]
    messages: int


@dataclass(frozen=True, slots=True)
class _Sides:
    """How all sides of a partition are at a moment: while they stay so, nothing new is found."""

    differences: Mapping[str, _Difference]  # by node
    nodes: frozenset[str]  # that were heard
    suspects: frozenset[str]  # whose word does not count


class Comparing:
    """Compares again and again. One instance for each keeper process."""

    def __init__(self, catalogue: CatalogueWriter, doubts: Doubts, page: int = PAGE) -> None:
        self._catalogue = catalogue
        self._doubts = doubts
        self._page = page
        # Partitions that were gone through, and how all sides were then.
        self._seen: dict[int, tuple[_Sides, Walked]] = {}
        self._recounted = 0

    async def compare(self, clients: Mapping[str, NodeClient]) -> Comparison:
        """One comparison with these nodes. One that stops answering is left out from there on."""
        await self._bring_sums_up(clients)
        named = await self._catalogue.look(suspects.all_of)
        suspected = frozenset(suspect.node for suspect in named)
        answers = await asyncio.gather(*(self._hear(*each) for each in clients.items()))
        trees = [tree for tree in answers if tree is not None]
        heard = {tree.node: clients[tree.node] for tree in trees}
        differing: dict[int, dict[str, _Difference]] = defaultdict(dict)
        for tree in trees:
            for partition, difference in tree.differing.items():
                differing[partition][tree.node] = difference
        self._seen = {number: seen for number, seen in self._seen.items() if number in differing}
        fresh = [
            await self._walk(partition, _Sides(differences, frozenset(heard), suspected), heard)
            for partition, differences in sorted(differing.items())
        ]
        walked = [each for each in fresh if each is not None]
        unheard = [node for node in clients if node not in heard]
        effort = Effort(
            len(trees),
            len(differing),
            len(walked),
            sum(tree.messages for tree in trees) + sum(each.messages for each in walked),
            not any(each.unheard for each in walked),
        )
        return self._summary(walked, unheard, effort)

    async def _bring_sums_up(self, nodes: Iterable[str]) -> None:
        """Take in what changed, and count a few sums anew against what nobody foresaw."""
        due = await self._catalogue.look(tree_sums.occupied, self._recounted, _RECOUNTED_PARTITIONS)
        for partition in due:
            for node in nodes:
                if await self._catalogue.do(tree_sums.recount, node, partition):
                    log.error("comparison.sum.corrected", node=node, partition=partition)
            self._recounted = partition + 1
        while await self._catalogue.do(tree_sums.take_in, _CHANGES_AT_ONCE) == _CHANGES_AT_ONCE:
            pass

    async def _hear(self, node: str, client: NodeClient) -> _Heard | None:
        """Descend one node's tree; None if it does not answer."""
        if not client.is_connected:
            return None  # nobody waits for it: it is compared when it greets
        own: list[Subtree] = await self._catalogue.look(tree_sums.partitions, node)
        descent = Descent(own)
        try:
            while descent.wanted:
                asked = list(descent.wanted)
                answers = await asyncio.gather(*(client.tree(*place) for place in asked))
                for place, children in zip(asked, answers, strict=True):
                    descent.hear(place, children)
        except WireRefusal as refusal:
            log.warning("comparison.node.silent", node=node, reason=str(refusal))
            return None
        differing = {
            number: (other.digest, own[number].digest)
            for number, other in descent.differing.items()
        }
        return _Heard(node, differing, descent.asked)

    async def _walk(
        self, partition: int, sides: _Sides, heard: Mapping[str, NodeClient]
    ) -> Walked | None:
        """Go through a partition; None if all sides are as they were when that was done last."""
        if partition in self._seen and self._seen[partition][0] == sides:
            return None
        walk = PartitionWalk(
            self._catalogue,
            self._doubts,
            partition,
            {node: heard[node] for node in sides.differences},
            sides.nodes - sides.differences.keys(),
        )
        walked = await walk.run(self._page)
        self._seen.pop(partition, None)
        if not walked.unheard:
            self._seen[partition] = sides, walked
        return walked

    def _summary(self, walked: list[Walked], unheard: list[str], effort: Effort) -> Comparison:
        """What is found now, and what was found before where nothing has changed since."""
        known = [walked for _, (_, walked) in sorted(self._seen.items())]
        known += [each for each in walked if each.unheard]
        disagreements = (name for each in known for name in each.disagreements)
        unknown = (name for each in known for name in each.unknown)
        away = [*unheard, *(node for each in walked for node in each.unheard)]
        return Comparison(
            tuple(sorted(disagreements)[:_SHOWN_MAX]),
            tuple(sorted(unknown)[:_SHOWN_MAX]),
            tuple(dict.fromkeys(away)),
            sum(each.forgotten for each in walked),
            sum(each.damaged for each in walked),
            sum(each.verified for each in walked),
            effort,
        )
