"""How many packages are led at once: who takes a place, and when it is free for the next.

A package holds its place until it lacks one copy only. Then it waits for one node, and a node that
is slow, full or away holds nobody else up. Those that wait are bounded, too, by their number here
and by the room on the staging disk (room.py): when so many wait, they keep their places.
"""

import asyncio


class Places:
    """The places of one intake process."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._freed: dict[int, asyncio.Event] = {}
        self._waiting: set[int] = set()

    @property
    def waiting(self) -> int:
        """How many packages wait for their last copy and hold no place."""
        return len(self._waiting)

    def take(self, transfer_id: int) -> asyncio.Event:
        """A place for this transfer; the event is set when the place is free again."""
        freed = self._freed[transfer_id] = asyncio.Event()
        return freed

    def lacks_one_copy(self, transfer_id: int) -> None:
        """It waits for one node only: free its place, if not too many wait already."""
        freed = self._freed.get(transfer_id)
        if freed is not None and len(self._waiting) < self._waiting_max:
            self._waiting.add(transfer_id)
            freed.set()

    def leave(self, transfer_id: int) -> None:
        """It is over, however it ended."""
        self._waiting.discard(transfer_id)
        freed = self._freed.pop(transfer_id, None)
        if freed is not None:
            freed.set()
