"""After the verdict: answers into return folders, originals aside, staging emptied.

DESIGN.md §4. Works from the catalogue alone, so that a crash at any step is finished by the next
round: answers first, then the original moves, then the transfer is closed. Decides nothing.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest_watch import outbox
from ingest_watch.drop_folder import move_aside, present_fingerprint
from ingest_watch.settle import SettleRule
from monitoring.log import get_log
from storage.catalogue import answers, transfer_lists, transfers
from storage.catalogue.model import Answer, Transfer
from storage.catalogue.writer import CatalogueWriter
from storage.model import SignedAnswer

log = get_log(__name__)

_PAGE = 1000
# A source whose answers fail so often in one round has a return folder that cannot be written.
_FAILURES_MAX = 10


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

        What cannot be written or moved is tried again in the next round, and is in nobody's way.
        """
        delivered = await self._deliver_answers()
        for source in self._sources.values():
            await self._move_originals(source)
        return delivered

    async def _deliver_answers(self) -> int:
        written, after, more = 0, 0, True
        failures: Counter[str] = Counter()
        while more:
            waiting = await self._catalogue.look(answers.outbox, after=after, limit=_PAGE)
            more = len(waiting) == _PAGE
            for answer in waiting:
                after = answer.id
                source = self._sources.get(answer.source)
                if source is not None and failures[source.name] < _FAILURES_MAX:
                    done = await self._deliver_one(source, answer)
                    written += done
                    failures[source.name] += not done
        return written

    async def _deliver_one(self, source: SourceFolders, answer: Answer) -> bool:
        try:
            await asyncio.to_thread(_deliver, source, answer)
        except OSError as error:
            log.error(
                "delivery.answer.unwritable", source=source.name, transfer=answer.transfer_id,
                error=str(error),
            )  # fmt: skip
            return False
        await self._catalogue.do(answers.mark_written, answer.id, self._now())
        log.info("delivery.answer.written", transfer=answer.transfer_id, kind=answer.kind)
        return True

    async def _move_originals(self, source: SourceFolders) -> None:
        for transfer in await self._catalogue.look(transfer_lists.to_be_moved, source.name):
            # A rejected original is not among them: it stays where its sender can mend it.
            try:
                await asyncio.to_thread(self._clear_away, source, transfer)
            except OSError as error:
                log.error(
                    "delivery.original.unmovable", source=source.name, transfer=transfer.id,
                    error=str(error),
                )  # fmt: skip
                continue
            await self._catalogue.do(transfers.close, transfer.id, self._now())

    def _clear_away(self, source: SourceFolders, transfer: Transfer) -> None:
        name = transfer.name_raw
        if present_fingerprint(source.drop, name) in (None, transfer.fingerprint):
            move_aside(source.drop, name, source.accepted, source.rule.marker_beside(name))
        else:
            # The sender has put something else there since: it is the next transfer, not this one.
            log.info("delivery.original.replaced", source=source.name, transfer=transfer.id)
        shutil.rmtree(self._staging / str(transfer.id), ignore_errors=True)


def _deliver(source: SourceFolders, answer: Answer) -> None:
    assert answer.body is not None, answer.id
    signed = SignedAnswer(answer.body, answer.signature)
    outbox.deliver(source.returned, answer.name, answer.kind, signed)
