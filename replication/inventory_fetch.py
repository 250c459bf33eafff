"""Fetch one version's inventory from a node, proven by its digest before anybody uses it.

docs/formats/package.md, "Versions": what the next version is built on. Goes from holder to holder
until one gives the signed bytes; holds one piece in memory. Mends nothing and reports nothing: the
sweep finds what is wrong with a copy.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar

from replication.copies import FileReads
from storage.errors import LantaiError, Refusal, VerificationFailed
from storage.model import BLOCK_BYTES, ObservedDigest
from storage.ocfl.inventory import INVENTORY_NAME
from storage.view.holdings import HeldVersion
from storage.volume.order import INVENTORY_BYTES_MAX

_ANSWER_S = 20.0


class InventoryAway(Refusal):
    """No node gave the inventory as it was signed; asking again later may help."""

    code: ClassVar[str] = "inventory-away"


class InventoryFetch:
    """Reads from any of `nodes`."""

    def __init__(self, nodes: Mapping[str, FileReads], answer_s: float = _ANSWER_S) -> None:
        self._nodes = nodes
        self._answer_s = answer_s

    async def fetch(self, held: HeldVersion, target: Path) -> None:
        """Write the inventory to the new file `target`. Raises InventoryAway."""
        failures = []
        for name in held.holders:
            if name not in self._nodes:
                continue
            try:
                await self._fetch_from(self._nodes[name], held, target)
            except (LantaiError, OSError, TimeoutError) as error:
                failures.append(f"{name}: {str(error) or repr(error)}")
                await asyncio.to_thread(target.unlink, missing_ok=True)
            else:
                return
        raise InventoryAway(
            f"the inventory of version {held.version} of {held.object_id!r} comes from no node as "
            f"it was signed: {'; '.join(failures) or 'none of them is known here'}"
        )

    async def _fetch_from(self, node: FileReads, held: HeldVersion, target: Path) -> None:
        digest = hashlib.sha256()
        with target.open("xb") as stream:
            async for piece in self._pieces(node, held):
                digest.update(piece)
                await asyncio.to_thread(stream.write, piece)
        if not ObservedDigest(digest.hexdigest()).is_that_of(held.inventory_sha256):
            raise VerificationFailed("the inventory as sent is not the one that was signed")

    async def _pieces(self, node: FileReads, held: HeldVersion) -> AsyncIterator[bytes]:
        path = f"v{held.version}/{INVENTORY_NAME}"
        for offset in range(0, INVENTORY_BYTES_MAX, BLOCK_BYTES):
            async with asyncio.timeout(self._answer_s):
                piece = await node.read(held.object_id, path, offset, BLOCK_BYTES)
            yield piece
            if len(piece) < BLOCK_BYTES:
                return
        raise VerificationFailed("the node sends an inventory without end")
