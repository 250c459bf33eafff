"""One source's drop folder, look by look: what may be taken now, what has gone, what has changed.

DESIGN.md §4. Joins the scan (drop_folder.py), the decision (settle.py) and the record (catalogue);
what is taken is led by transfer.py. A rejected original stays where it is, and is looked at again
only when its sender has changed it.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from ingest_watch.drop_folder import DropFolder
from ingest_watch.findings import shown
from ingest_watch.settle import Quiet, Scan, Settled, Settler, Unavailable, Waiting
from monitoring.log import get_log
from storage.catalogue import transfers, verdicts
from storage.catalogue.model import Arrival, Transfer, TransferState
from storage.catalogue.writer import CatalogueWriter

log = get_log(__name__)

# The original is there and needs no look: somebody works on it, or a person must decide.
_NOT_LOOKED_AT = frozenset(TransferState) - {
    TransferState.WAITING,
    TransferState.REJECTED,
    TransferState.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Ready:
    """An entry that may be claimed. `final`: what fails now is rejected, not waited for."""

    arrival: Arrival
    final: bool


@dataclass(frozen=True, slots=True)
class LookOutcome:
    """What one look at the folder brought."""

    ready: tuple[Ready, ...]
    waiting: int
    unavailable: str = ""


class Arrivals:
    """Looks at one drop folder and keeps the record of what is there."""

    def __init__(
        self,
        source: str,
        folder: DropFolder,
        settler: Settler,
        catalogue: CatalogueWriter,
        now: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self.source = source
        self.settler = settler
        self._folder = folder
        self._catalogue = catalogue
        self._now = now
        self._clock = clock

    async def look(self) -> LookOutcome:
        """Scan once and decide. An unavailable folder changes nothing on record."""
        known = {
            transfer.name_raw: transfer
            for transfer in await self._catalogue.look(verdicts.open_of_source, self.source)
        }
        busy = {name for name, each in known.items() if each.state in _NOT_LOOKED_AT}
        scan = await asyncio.to_thread(self._folder.scan, busy)
        look = self.settler.look(scan, self._clock())
        if isinstance(scan, Unavailable):
            return LookOutcome((), 0, scan.reason)
        await self._note_gone(scan, known)
        ready: list[Ready] = []
        waiting = 0
        for outcome in look.outcomes:
            if await self._is_answered(known.get(outcome.observation.name), outcome):
                continue
            if isinstance(outcome, Waiting):
                waiting += 1
                await self._note_waiting(outcome, known)
            else:
                ready.append(self._ready(outcome))
        return LookOutcome(tuple(ready), waiting)

    async def _note_gone(self, scan: Scan, known: dict[bytes, Transfer]) -> None:
        for name, transfer in known.items():
            if name in scan.observations or name in scan.skipped:
                continue
            if transfer.state is TransferState.WAITING:
                await self._catalogue.do(transfers.withdraw, transfer.id, self._now())
            elif transfer.state is TransferState.REJECTED:
                await self._catalogue.do(transfers.close, transfer.id, self._now())

    async def _is_answered(
        self, transfer: Transfer | None, outcome: Waiting | Settled | Quiet
    ) -> bool:
        """Whether this very entry was rejected; if it has changed since, begin a new transfer."""
        if transfer is None or transfer.state is not TransferState.REJECTED:
            return False
        if outcome.observation.fingerprint in (None, transfer.fingerprint):
            return True
        await self._catalogue.do(transfers.close, transfer.id, self._now())
        return False

    async def _note_waiting(self, outcome: Waiting, known: dict[bytes, Transfer]) -> None:
        message = f"{outcome.reason}: {outcome.observation.trouble}".rstrip(": ")
        before = known.get(outcome.observation.name)
        if before is None or before.message != message:
            arrival = self._arrival(outcome)
            await self._catalogue.do(transfers.note_waiting, arrival, message, self._now())

    def _ready(self, outcome: Settled | Quiet) -> Ready:
        final = isinstance(outcome, Settled) or outcome.patience_over
        return Ready(self._arrival(outcome), final)

    def _arrival(self, outcome: Waiting | Settled | Quiet) -> Arrival:
        seen = outcome.observation
        name = shown(os.fsdecode(seen.name))
        return Arrival(self.source, name, seen.name, seen.fingerprint or "")
