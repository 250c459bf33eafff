"""What is still good of one file, block by block and copy by copy, against signed block roots.

docs/operations/repair.md, "Salvage"; docs/formats/package.md, "Block roots". For a person, when no
copy of an object is good as a whole: says which block is right on which node, and gives right
blocks from whichever has them. Never writes to a node, and mends nothing.
"""

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass

from replication.copies import NodeReads, damage_of
from replication.fetch import fetch_block, fetch_leaves, fetch_small
from storage.blocks import LEAF_BYTES, block_count
from storage.errors import LantaiError, VerificationFailed
from storage.model import BLOCK_BYTES
from storage.ocfl.inventory import content_path
from storage.sweep.model import Verdict
from storage.view.reader import ViewFile

_ANSWER_S = 20.0


class BlockLost(VerificationFailed):
    """No node that answers has this block as it was signed."""

    code = "block-lost"


class BlocksUnknown(VerificationFailed):
    """No node has a block list with the signed root, so no block can be judged by itself."""

    code = "blocks-unknown"


@dataclass(frozen=True, slots=True)
class BlockVerdicts:
    """What each node has of one block."""

    index: int
    verdicts: Mapping[str, Verdict]

    @property
    def good_nodes(self) -> tuple[str, ...]:
        """Where it is as it was signed."""
        return tuple(node for node, verdict in self.verdicts.items() if verdict is Verdict.INTACT)


@dataclass(frozen=True, slots=True)
class SalvagedBlock:
    """One block as it was signed, and where it was found."""

    data: bytes
    node: str


def blocks_of(size_bytes: int) -> int:
    """How many blocks are judged of a file: one for every file of at most 1 MiB."""
    return max(1, block_count(size_bytes))


class Salvage:
    """Judges and reads single blocks of files on all nodes."""

    def __init__(self, nodes: Mapping[str, NodeReads], answer_s: float = _ANSWER_S) -> None:
        self._nodes = nodes
        self._answer_s = answer_s
        self._leaves: tuple[tuple[str, int], bytes] | None = None  # of the file asked for last

    async def blocks(
        self, file: ViewFile, first: int, count: int, away: Set[str] = frozenset()
    ) -> list[BlockVerdicts]:
        """Verdicts on `count` blocks from `first` on. Raises BlocksUnknown.

        Nodes that are `away` by plan are not waited for.
        """
        leaves = await self._leaves_of(file)
        last = min(first + count, blocks_of(file.entry.size_bytes))
        holders = self._holders(file)
        asked = [node for node in holders if node not in away]
        judged = []
        for index in range(first, last):
            found = await asyncio.gather(
                *(self._judge(node, file, index, leaves) for node in asked)
            )
            verdicts = dict.fromkeys(holders, Verdict.AWAY) | dict(zip(asked, found, strict=True))
            judged.append(BlockVerdicts(index, verdicts))
        return judged

    async def block(self, file: ViewFile, index: int) -> SalvagedBlock:
        """The block as signed, from the first node that has it. Raises BlockLost."""
        leaves = await self._leaves_of(file)
        for node in self._holders(file):
            try:
                return SalvagedBlock(await self._fetch(node, file, index, leaves), node)
            except (LantaiError, OSError, TimeoutError):
                continue
        raise BlockLost(f"block {index} of {file.entry.path} is on no node as it was signed")

    def _holders(self, file: ViewFile) -> list[str]:
        return sorted(node for node in file.held.holders if node in self._nodes)

    async def _judge(self, node: str, file: ViewFile, index: int, leaves: bytes) -> Verdict:
        try:
            await self._fetch(node, file, index, leaves)
        except (LantaiError, OSError, TimeoutError) as error:
            damage = damage_of(error, file.entry.path)
            return Verdict.UNREACHABLE if damage is None else Verdict(damage.kind)
        return Verdict.INTACT

    async def _fetch(self, node: str, file: ViewFile, index: int, leaves: bytes) -> bytes:
        entry, held = file.entry, file.held
        path = content_path(entry.path, f"v{held.version}")
        async with asyncio.timeout(self._answer_s):
            reads = self._nodes[node]
            if entry.block_root is None:
                return await fetch_small(
                    reads, held.object_id, path, entry.sha256, entry.size_bytes
                )
            length = min(BLOCK_BYTES, entry.size_bytes - index * BLOCK_BYTES)
            return await fetch_block(reads, held.object_id, path, index, length, leaves)

    async def _leaves_of(self, file: ViewFile) -> bytes:
        """The signed leaves, from whichever node has them; empty for a file of one block."""
        entry, held = file.entry, file.held
        if entry.block_root is None:
            return b""
        key = entry.block_root, entry.size_bytes
        if self._leaves is not None and self._leaves[0] == key:
            return self._leaves[1]
        path = content_path(entry.path, f"v{held.version}")
        for node in self._holders(file):
            try:
                async with asyncio.timeout(self._answer_s):
                    leaves = await fetch_leaves(
                        self._nodes[node], held.object_id, path, entry.block_root, entry.size_bytes
                    )
            except (LantaiError, OSError, TimeoutError):
                continue
            assert len(leaves) == block_count(entry.size_bytes) * LEAF_BYTES
            self._leaves = key, leaves
            return leaves
        raise BlocksUnknown(
            f"no node has a block list of {entry.path} with the signed root; see each node's "
            "folder `blocks/`, and quarantine"
        )
