"""Whose package is next: sources take turns within a lane, and each lane has places of its own.

Digitised holdings (存量数字化) come in terabytes and can wait; a day's cases cannot. So bulk
sources have a lane of their own, and however much lies ready there, none of the daily lane's places
is taken. Within a lane one sender with a million packages gets no more turns than its neighbour
(attack catalogue A52). Claims nothing and leads nothing.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from enum import StrEnum

from ingest_watch.arrivals import Ready
from storage.catalogue.model import Transfer


class Priority(StrEnum):
    """Which lane a source's packages go through."""

    DAILY = "daily"
    BACKLOG = "backlog"


class Lane:
    """What is ready from some sources, one after the other."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._ready: dict[str, deque[Ready]] = {source: deque() for source in sources}
        self._turn = deque(self._ready)
        self._parts: dict[str, deque[Ready]] = {source: deque() for source in self._ready}
        self._resumed: deque[Transfer] = deque()
        self._work = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a place."""
        return not (self._resumed or any(self._ready.values()) or any(self._parts.values()))

    def offer(self, source: str, ready: Iterable[Ready]) -> None:
        """What is ready now from `source`, in place of what was ready before."""
        self._ready[source] = deque(ready)
        self._work.set()

    def offer_parts(self, source: str, parts: Iterable[Ready]) -> None:
        """Parts of batches of `source` that wait: they go before its new entries."""
        self._parts[source] = deque(parts)
        self._work.set()

    def has_parts(self, source: str) -> bool:
        """Whether parts of batches of `source` wait for a place."""
        return bool(self._parts[source])

    def resume(self, transfer: Transfer) -> None:
        """A transfer that is ours already: it goes before everything that is ready."""
        self._resumed.append(transfer)
        self._work.set()

    async def next(self) -> Transfer | Ready:
        """What is to be led next; waits until there is something."""
        while True:
            item = self._resumed.popleft() if self._resumed else self._next_ready()
            if item is not None:
                return item
            self._work.clear()
            await self._work.wait()

    def _next_ready(self) -> Ready | None:
        for _ in range(len(self._turn)):
            self._turn.rotate(-1)
            source = self._turn[-1]
            waiting = self._parts[source] or self._ready[source]
            if waiting:
                return waiting.popleft()
        return None
