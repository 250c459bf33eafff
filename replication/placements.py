"""Who takes an object at this moment: the nodes of the layout that holds, or of the configuration.

docs/operations/membership.md. A layout is heeded as soon as it is known, also by what is being
stored already. Chooses by placement.py; asks nobody.
"""

import asyncio
from collections.abc import Collection, Sequence

from replication.layout import Layout
from replication.membership import takers
from replication.peers import Peer
from replication.placement import place


class Placements:
    """One for each process that stores; used on one event loop."""

    def __init__(self, peers: Sequence[Peer], copies: int) -> None:
        """`peers`: every node that can be reached. Until a layout is heeded all of them take."""
        self.peers = tuple(peers)
        self.copies = copies
        self._layout: Layout | None = None
        self._changed = asyncio.Event()

    @property
    def version(self) -> int:
        """Of the layout that is heeded; 0 before the first."""
        return 0 if self._layout is None else self._layout.version

    def heed(self, layout: Layout) -> None:
        """Go by this layout from now on; an older one is passed over."""
        if layout.version > self.version:
            self._layout = layout
            self._changed.set()
            self._changed = asyncio.Event()

    def choose(
        self, object_id: str, holders: Collection[str] = (), proven: Collection[str] = ()
    ) -> tuple[Peer, ...]:
        """The N nodes for a version of an object. Raises TooFewDomains.

        `holders` have the version before it, `proven` have it already; neither is asked for more
        than it may take.
        """
        layout = self._layout
        taking = self.peers if layout is None else takers(layout, self.peers, holders)
        return place(object_id, taking, self.copies, {*holders, *proven})

    async def changed(self, version: int) -> None:
        """Return once another layout is heeded than this version."""
        while self.version == version:
            await self._changed.wait()
