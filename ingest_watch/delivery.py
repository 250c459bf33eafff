"""After the verdict: answers into return folders, originals aside, staging emptied.

DESIGN.md §4. Works from the catalogue alone, so that a crash at any step is finished by the next
round: answers first, then the original moves, then the transfer is closed. Decides nothing.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest_watch import outbox
from ingest_watch.answer_files import Place, place_of
from ingest_watch.desks import Serves
from ingest_watch.drop_folder import DropFolder, FolderAway, move_aside
from ingest_watch.folder_identity import expect_still_mounted
from monitoring.log import get_log
from storage.catalogue import answers, transfer_lists, transfers
from storage.catalogue.model import Answer, Transfer
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point

log = get_log(__name__)

_PAGE = 1000
# So many answers, or originals, share the folder's syncs and a commit; all are held meanwhile.
_BATCH = 64
# A source whose answers fail so often in one round has a return folder that cannot be written.
_FAILURES_MAX = 10


@dataclass(frozen=True, slots=True)
class SourceFolders:
    """Where one sender's things lie."""

    name: str
    drop: DropFolder
    returned: Path
    accepted: Path
    platform_receipts: bool = False
    return_mark: Path | None = None  # says that the return folder is a mount point


@dataclass(slots=True)
class Failures:
    """What could not be written in one round."""

    by_source: Counter[str] = field(default_factory=Counter)
    names: set[tuple[str, bytes]] = field(default_factory=set)

    def note(self, answer: Answer) -> None:
        """`answer` could not be written."""
        self.by_source[answer.source] += 1
        self.names.add((answer.source, answer.name_raw))

    def stand_before(self, answer: Answer) -> bool:
        """Whether it must wait: nothing is told of a name before what was said earlier."""
        named = (answer.source, answer.name_raw) in self.names
        return named or self.by_source[answer.source] >= _FAILURES_MAX


class Delivery:
    """Tells senders what was decided, and moves what was stored out of their way."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        sources: Mapping[str, SourceFolders],
        staging: Path,
        now: Callable[[], str],
        serves: Serves,
    ) -> None:
        self._catalogue = catalogue
        self._sources = sources
        self._staging = staging
        self._now = now
        self._serves = serves

    async def round(self) -> int:
        """Deliver what is in the outbox, then move what was answered; return how many answers.

        What cannot be written or moved is tried again in the next round, and is in nobody's way.
        """
        served = [each for each in self._sources.values() if await self._serves(each.name)]
        delivered = await self._deliver_answers(served)
        for source in served:
            await self._move_originals(source)
        return delivered

    async def _deliver_answers(self, served: Sequence[SourceFolders]) -> int:
        written, after, more = 0, 0, True
        failures = Failures()
        while more:
            waiting = await self._catalogue.look(answers.outbox, after=after, limit=_PAGE)
            more = len(waiting) == _PAGE
            after = waiting[-1].id if waiting else after
            for source in served:
                mine = [answer for answer in waiting if answer.source == source.name]
                for batch in _batches(mine):
                    written += await self._deliver_batch(source, batch, failures)
        return written

    async def _deliver_batch(
        self, source: SourceFolders, batch: Sequence[Answer], failures: Failures
    ) -> int:
        """Write them together; if that fails, each by itself, so that one is in nobody's way."""
        batch = [answer for answer in batch if not failures.stand_before(answer)]
        if not batch:
            return 0
        told = await self._catalogue.look(
            answers.signatures, {answer.transfer_id for answer in batch}
        )
        returning = outbox.Returning(source.returned, source.platform_receipts)
        whole = [await self._with_body(answer) for answer in batch]
        if not await self._serves(source.name):
            return 0  # this process was away: another intake may have told more by now
        try:
            if source.return_mark is not None:
                await asyncio.to_thread(expect_still_mounted, source.returned, source.return_mark)
            await asyncio.to_thread(outbox.deliver, returning, whole, told)
        except OSError as error:
            if len(batch) > 1:
                return sum(
                    [await self._deliver_batch(source, [answer], failures) for answer in batch]
                )
            failures.note(batch[0])
            log.error(
                "delivery.answer.unwritable", source=source.name, transfer=batch[0].transfer_id,
                error=_why(error),
            )  # fmt: skip
            return 0
        crash_point("delivery.written")
        written = [answer.id for answer in batch]
        again = await self._catalogue.do(answers.note_delivered, written, self._now())
        crash_point("delivery.marked")
        if again:
            log.warning("delivery.written.twice", source=source.name, put_back=again)
        for answer in batch:
            log.info("delivery.answer.written", transfer=answer.transfer_id, kind=answer.kind)
        return len(batch)

    async def _with_body(self, answer: Answer) -> Answer:
        if answer.body is not None:
            return answer
        return replace(answer, body=await self._catalogue.look(answers.body_of, answer.id))

    async def _move_originals(self, source: SourceFolders) -> None:
        # A rejected original is not among them: it stays where its sender can mend it.
        stored = await self._catalogue.look(transfer_lists.to_be_moved, source.name)
        for begun in range(0, len(stored), _BATCH):
            batch = stored[begun : begun + _BATCH]
            moved = await asyncio.to_thread(self._clear_away_all, source, batch)
            await self._catalogue.do(transfers.close_all, moved, self._now())
            if moved:
                crash_point("delivery.closed")

    def _clear_away_all(self, source: SourceFolders, batch: Sequence[Transfer]) -> list[int]:
        """Return the transfers whose originals are out of the way."""
        moved = []
        for transfer in batch:
            try:
                self._clear_away(source, transfer)
            except OSError as error:
                log.error(
                    "delivery.original.unmovable", source=source.name, transfer=transfer.id,
                    error=_why(error),
                )  # fmt: skip
            else:
                moved.append(transfer.id)
        return moved

    def _clear_away(self, source: SourceFolders, transfer: Transfer) -> None:
        if transfer.batch_id is None:
            self._move_original(source, transfer)
        crash_point("delivery.original-moved")
        shutil.rmtree(self._staging / str(transfer.id), ignore_errors=True)
        crash_point("delivery.staging-removed")

    def _move_original(self, source: SourceFolders, transfer: Transfer) -> None:
        name, drop = transfer.name_raw, source.drop
        present = drop.fingerprint(name)
        if present in (None, transfer.fingerprint):
            marker = drop.rule.marker_beside(name)
            moved = move_aside(drop.folder, name, source.accepted, marker)
            if moved is None and present is not None:
                raise FolderAway(f"{drop.folder} went away before {transfer.name} was moved")
        else:
            # The sender has put something else there since: it is the next transfer, not this one.
            log.info("delivery.original.replaced", source=source.name, transfer=transfer.id)


def _batches(waiting: Sequence[Answer]) -> Iterator[list[Answer]]:
    """Answers to be written together, in order: few, and of each name one transfer's only.

    Of long ones, whose bodies are not here yet, there is one in a batch.
    """
    batch: list[Answer] = []
    owners: dict[Place, int] = {}
    for answer in waiting:
        owner = owners.setdefault(place_of(answer.name), answer.transfer_id)
        is_full = len(batch) == _BATCH or (answer.body is None and batch)
        if is_full or owner != answer.transfer_id:
            yield batch
            batch, owners = [], {place_of(answer.name): answer.transfer_id}
        batch.append(answer)
    if batch:
        yield batch


def _why(error: OSError) -> str:
    """What failed, without the path: a package's name may name people, and this is logged."""
    return error.strerror or type(error).__name__
