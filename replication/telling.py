"""Tell every node what the ledger has that it was not told yet.

docs/formats/chronicle.md. After the fact and in the background: no receipt waits for it. A node
that is away is told later, from where it is; the node itself says where that is. A node that was
told more than the catalogue knows, or otherwise, is told nothing: the catalogue is not the one of
before, and a person must look (docs/operations/catalogue-lost.md).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from monitoring.log import get_log
from replication import chronicle_client
from replication.messages import WireRefusal
from replication.node_client import NodeClient
from storage.catalogue import chronicle
from storage.catalogue.chronicle import Horizon, Sliced, Standing
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.chronicle.page import Position

log = get_log(__name__)

# Then others have their turn, and what was told is noted.
_PAGES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Told:
    """What one round over the nodes brought."""

    standings: Mapping[str, Standing]  # of those that answered
    untold_events: int  # that no majority knows yet

    @property
    def refused(self) -> dict[str, Standing]:
        """Nodes that know a past that this catalogue does not have."""
        return {
            node: standing
            for node, standing in self.standings.items()
            if standing is not Standing.LEVEL
        }

    def sentence(self) -> str:
        """One line an operator can read for each round."""
        if self.refused:
            return f"The catalogue is not the one that {', '.join(sorted(self.refused))} was told"
        return f"{self.untold_events} events that a majority of the nodes does not know yet"


class Teller:
    """One for each keeper process."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        clients: Mapping[str, NodeClient],
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._clients = clients
        self._now = now
        self._upto = Horizon(0, 0)
        self._refused: dict[str, str] = {}  # why a node takes nothing, said once
        self._noted: dict[str, Position] = {}
        self._sliced: dict[str, tuple[Position, Sliced]] = {}  # where each node is in long answers

    async def round(self) -> Told:
        """Bring every node that answers as far as the ledger is now, or a good piece nearer."""
        if await self._catalogue.look(chronicle.ends) != self._upto:
            self._upto = await self._catalogue.do(chronicle.horizon)
        upto = self._upto
        found = await asyncio.gather(*(self._tell(node, upto) for node in self._clients))
        standings = {
            node: standing
            for node, standing in zip(self._clients, found, strict=True)
            if standing is not None
        }
        left = await self._catalogue.look(chronicle.untold, list(self._clients))
        return Told(standings, left)

    async def _tell(self, node: str, upto: Horizon) -> Standing | None:
        """How the catalogue stands to this node; None when it does not answer."""
        client = self._clients[node]
        if not client.is_connected:
            return None
        try:
            standing, reached = await stands(self._catalogue, client)
            if standing is Standing.LEVEL:
                reached = await self._tell_from(client, reached, upto)
                await self._note(node, reached)
        except WireRefusal as refusal:
            if self._refused.get(node) != str(refusal):
                log.warning("keeper.telling.refused", node=node, reason=str(refusal))
            self._refused[node] = str(refusal)
            return None
        self._refused.pop(node, None)
        return standing

    async def _note(self, node: str, reached: Position) -> None:
        if self._noted.get(node) != reached:
            at = to_text(self._now())
            await self._catalogue.do(chronicle.note_told, node, reached, at)
            self._noted[node] = reached

    async def _tell_from(self, client: NodeClient, reached: Position, upto: Horizon) -> Position:
        begun, sliced = self._sliced.pop(client.peer.name, (None, Sliced()))
        if begun != reached:
            sliced = Sliced()
        for _ in range(_PAGES_AT_ONCE):
            made = await self._catalogue.look(chronicle.next_page, reached, upto, sliced)
            if made is None:
                break
            page, sliced = made
            reached = await chronicle_client.tell(client, page)
            if reached != page.upto:
                return reached  # another keeper told it meanwhile: the next round asks again
        self._sliced[client.peer.name] = (reached, sliced)
        return reached


async def stands(catalogue: CatalogueWriter, client: NodeClient) -> tuple[Standing, Position]:
    """Hold the catalogue against what one node was told. Raises WireRefusal."""
    reached = await chronicle_client.recall(client)
    welcome = client.welcome
    epoch = 1 if welcome is None else welcome.epoch
    return await catalogue.look(chronicle.standing, reached, epoch), reached
