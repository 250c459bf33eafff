"""What the api answers when a person salvages a file of which no copy is good as a whole.

docs/operations/control.md, verbs `salvage-blocks` and `salvage-block`. Reads only: the file is put
together on the asking side, and nothing goes back to a node.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from daemon.control import Request
from replication.salvage import Salvage, blocks_of
from storage.view.reader import ViewFile

# So many blocks, from every node, are read within the time that a control socket waits.
_BLOCKS_MAX = 16

FindFile = Callable[[str, int, str], Awaitable[ViewFile]]
FindAway = Callable[[], Awaitable[frozenset[str]]]


class SalvageVerbs:
    """Joins the nodes to the control socket."""

    def __init__(self, salvage: Salvage, find: FindFile, away: FindAway) -> None:
        """`find` gives a file by object id, version (0: newest) and path; `away` the nodes that
        are away by plan."""
        self._salvage = salvage
        self._find = find
        self._away = away

    def verbs(self) -> dict[str, Callable[[Request], Any]]:
        """Verb → what answers it."""
        return {"salvage-blocks": self.blocks, "salvage-block": self.block}

    async def blocks(self, request: Request) -> dict[str, Any]:
        """What each node has of some blocks of one file."""
        file = await self._file(request)
        first = request.number("first", 0)
        count = min(request.number("count", _BLOCKS_MAX), _BLOCKS_MAX)
        judged = await self._salvage.blocks(file, first, count, await self._away())
        total = blocks_of(file.entry.size_bytes)
        return {
            "version": file.held.version,
            "size_bytes": file.entry.size_bytes,
            "sha256": file.entry.sha256,
            "blocks_total": total,
            "blocks": [{"index": each.index, "verdicts": dict(each.verdicts)} for each in judged],
            "more": first + len(judged) < total,
        }

    async def block(self, request: Request) -> dict[str, Any]:
        """One block as it was signed, and from which node it is."""
        file = await self._file(request)
        found = await self._salvage.block(file, request.number("index"))
        return {"node": found.node, "data_base64": base64.b64encode(found.data).decode()}

    async def _file(self, request: Request) -> ViewFile:
        return await self._find(
            request.text("object_id"), request.number("version", 0), request.text("path")
        )
