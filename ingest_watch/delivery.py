"""After the verdict: answers into return folders, originals aside, staging emptied.

DESIGN.md §4. Works from the catalogue alone, so that a crash at any step is finished by the next
round: answers first, then the original moves, then the transfer is closed. Decides nothing.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest_watch import outbox
from ingest_watch.drop_folder import move_aside
from ingest_watch.settle import SettleRule
from monitoring.log import get_log
from storage.catalogue import answers, transfer_lists, transfers
from storage.catalogue.model import Answer, Transfer, TransferState
from storage.catalogue.writer import CatalogueWriter
from storage.model import SignedAnswer

log = get_log(__name__)

# How many answers one round takes from the outbox before it looks at the originals.
_ANSWERS_A_ROUND = 1000


@dataclass(frozen=True, slots=True)
class SourceFolders:
    """Where one sender's things lie."""

    name: str
    drop: Path
    returned: Path
    accepted: Path
    rule: SettleRule


class Delivery:
    """Tells senders what was decided, and moves what was stored out of their way."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        sources: Mapping[str, SourceFolders],
        staging: Path,
        now: Callable[[], str],
    ) -> None:
        self._catalogue = catalogue
        self._sources = sources
        self._staging = staging
        self._now = now

    async def round(self) -> int:
        """Deliver what is in the outbox, then move what was answered; return how many answers.

        A source whose folders cannot be written keeps its place and is tried in the next round.
        """
        delivered = await self._deliver_answers()
        for source in self._sources.values():
            await self._move_originals(source)
        return delivered

    async def _deliver_answers(self) -> int:
        waiting = await self._catalogue.look(answers.outbox, limit=_ANSWERS_A_ROUND)
        written = 0
        failed: set[str] = set()
        for answer in waiting:
            source = self._sources.get(answer.source)
            if source is None or source.name in failed:
                continue
            try:
                await asyncio.to_thread(_deliver, source, answer)
            except OSError as error:
                failed.add(source.name)
                log.error("delivery.return_folder.unwritable", source=source.name, error=str(error))
                continue
            await self._catalogue.do(answers.mark_written, answer.id, self._now())
            log.info("delivery.answer.written", transfer=answer.transfer_id, kind=answer.kind)
            written += 1
        return written

    async def _move_originals(self, source: SourceFolders) -> None:
        for transfer in await self._catalogue.look(transfer_lists.to_be_moved, source.name):
            if transfer.state is not TransferState.STORED:
                continue  # a rejected original stays where its sender can mend it
            try:
                await asyncio.to_thread(self._clear_away, source, transfer)
            except OSError as error:
                log.error("delivery.original.unmovable", source=source.name, error=str(error))
                return
            await self._catalogue.do(transfers.close, transfer.id, self._now())

    def _clear_away(self, source: SourceFolders, transfer: Transfer) -> None:
        name = transfer.name_raw
        move_aside(source.drop, name, source.accepted, source.rule.marker_beside(name))
        shutil.rmtree(self._staging / str(transfer.id), ignore_errors=True)


def _deliver(source: SourceFolders, answer: Answer) -> None:
    assert answer.body is not None, answer.id
    signed = SignedAnswer(answer.body, answer.signature)
    outbox.deliver(source.returned, answer.name, answer.kind, signed)
