"""Put on record, while a transfer is worked on, how far it is and how fast it goes.

Issue 3, item 12: bytes done and total and the rate are stored facts, so that every console, metric
and command tells the same. Noted at most every two seconds, and only what is new; a note that fails
is left out, because nothing rests on it. How much is done is the caller's to say.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ingest_watch.progress import Done
from storage.catalogue import transfers
from storage.catalogue.errors import CatalogueUnavailable, ClaimLost
from storage.catalogue.model import Claim
from storage.catalogue.writer import CatalogueWriter

PAUSE_S = 2.0
# The share of the last pause in the rate: a stall shows within seconds, a hiccup does not.
_FRESH = 0.5
_WORDS_MAX = 500


class Pace:
    """How fast something goes, from what was done at each look. Pure."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None
        self._bytes_per_second: float | None = None

    def look(self, bytes_done: int, now_s: float) -> int | None:
        """The rate now; None after the first look, and when it began anew."""
        last, self._last = self._last, (now_s, bytes_done)
        if last is None or bytes_done < last[1] or now_s <= last[0]:
            self._bytes_per_second = None
            return None
        fresh = (bytes_done - last[1]) / (now_s - last[0])
        before = self._bytes_per_second
        rate = fresh if before is None else _FRESH * fresh + (1 - _FRESH) * before
        self._bytes_per_second = rate
        return round(rate)


class ProgressNotes:
    """Notes the progress of transfers; one for each intake process."""

    def __init__(
        self, catalogue: CatalogueWriter, now: Callable[[], str], pause_s: float = PAUSE_S
    ) -> None:
        self._catalogue = catalogue
        self._now = now
        self._pause_s = pause_s

    @asynccontextmanager
    async def noted(self, claim: Claim, done: Callable[[], Done | None]) -> AsyncIterator[None]:
        """Note what `done` says for as long as the context lasts. `done` must not wait."""
        noting = asyncio.create_task(self._note(claim, done))
        try:
            yield
        finally:
            noting.cancel()
            await asyncio.gather(noting, return_exceptions=True)

    async def _note(self, claim: Claim, done: Callable[[], Done | None]) -> None:
        pace = Pace()
        noted = None
        while True:
            await asyncio.sleep(self._pause_s)
            seen = done()
            if seen is None:
                continue
            rate = pace.look(seen.bytes_done, time.monotonic())
            progress = transfers.Progress(
                seen.bytes_done, seen.bytes_total, rate, seen.waits_for[:_WORDS_MAX]
            )
            if progress == noted:
                continue
            try:
                await self._catalogue.do(transfers.progress, claim, progress, self._now())
                noted = progress
            except ClaimLost:
                return
            except CatalogueUnavailable:
                continue
