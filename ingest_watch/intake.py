"""The intake as a whole: takes what is ready from every source, a few packages at once.

DESIGN.md §4. Looks come from arrivals.py, whose turn it is from lanes.py, leading is transfer.py's;
this module claims, keeps claims alive, and takes over what a crash left behind.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest_watch.arrivals import Arrivals, LookOutcome, Ready
from ingest_watch.batch_turns import BatchTurns
from ingest_watch.lanes import Lane, Priority
from ingest_watch.transfer import BatchTorn, Led, TransferLead
from monitoring.log import get_log
from storage.catalogue import batches, transfer_lists, transfers
from storage.catalogue.errors import CatalogueUnavailable, ClaimLost, IllegalTransition
from storage.catalogue.model import Arrival, Claim, Step, Tenure, Transfer, TransferState
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.errors import LantaiError

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """Who claims, and for how long others believe that it is at work."""

    holder: str
    claim_s: float = 60.0  # unless renewed; after that another intake may take over
    batch_gone_after_s: float = 300.0  # since a part was taken of a batch staged elsewhere


class Intake:
    """Leads ready packages, each lane's as many at a time as `work` runs for it."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        arrivals: Mapping[Priority, Sequence[Arrivals]],
        lead: TransferLead,
        terms: ClaimTerms,
        now: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        """`arrivals`: the sources of each lane. `changed`: called when a transfer has an answer."""
        self._catalogue = catalogue
        self._arrivals = {each.source: each for lane in arrivals.values() for each in lane}
        self._lanes = {
            priority: Lane(each.source for each in lane) for priority, lane in arrivals.items()
        }
        self._lane_of = {
            each.source: self._lanes[priority]
            for priority, lane in arrivals.items()
            for each in lane
        }
        self._lead = lead
        self._places = lead.places
        self._turns = BatchTurns(lead.has_staged, time.monotonic, terms.batch_gone_after_s)
        self._terms = terms
        self._now = now
        self._changed = changed
        # Set when `resume` should be called at once, because a batch has gone on.
        self.batch_moved = asyncio.Event()
        self._leading: set[int] = set()
        self._claiming = 0
        self._has_resumed = False

    @property
    def leading(self) -> int:
        """How many transfers are being led now."""
        return len(self._leading)

    def sentence(self) -> str:
        """What it is at, in words."""
        waiting = f", {self._places.waiting} of them lack one copy" if self._places.waiting else ""
        return f"{self.leading} packages under way{waiting}"

    @property
    def is_idle(self) -> bool:
        """Whether nothing is ready, being claimed or being led."""
        is_waiting = not all(lane.is_empty for lane in self._lanes.values())
        return not (is_waiting or self._claiming or self._leading)

    async def look(self, source: str) -> LookOutcome:
        """Look at one source's drop folder; what is ready will be taken in its turn."""
        outcome = await self._arrivals[source].look()
        self._lane_of[source].offer(source, outcome.ready)
        return outcome

    async def resume(self) -> int:
        """Take over transfers whose leader is gone: after a start, and what people released.

        Batches whose parts have ended go on, and parts that wait are offered.
        """
        taken = 0
        self.batch_moved.clear()
        if await self._catalogue.do(batches.rejoin_finished, to_text(self._now())):
            crash_point("batch.rejoined")
        started, self._has_resumed = not self._has_resumed, True
        for transfer in await self._catalogue.look(transfer_lists.unfinished):
            if transfer.id in self._leading or transfer.source not in self._arrivals:
                continue
            if not started and self._is_ours(transfer):
                continue
            mine = await self._catalogue.do(
                transfers.take_over, transfer, self._tenure(), to_text(self._now())
            )
            if mine is not None:
                crash_point("intake.taken-over")
                self._leading.add(mine.id)
                self._lane_of[mine.source].resume(mine)
                taken += 1
        await self._offer_parts()
        return taken

    async def _offer_parts(self) -> None:
        waiting: dict[str, list[Ready]] = {}
        for part in self._turns.ours(await self._catalogue.look(batches.waiting_parts)):
            arrival = Arrival(
                part.source, part.name, part.name_raw, part.fingerprint, part.batch_id
            )
            waiting.setdefault(part.source, []).append(Ready(arrival, final=True))
        for source, parts in waiting.items():
            if source in self._lane_of:
                self._lane_of[source].offer_parts(source, parts)

    def _note_part(self, part: Transfer) -> None:
        """When no part waits for its turn, there may be more, or their batch may go on."""
        if not self._lane_of[part.source].has_parts(part.source):
            self.batch_moved.set()

    def _is_ours(self, transfer: Transfer) -> bool:
        """Whether this very process holds it, perhaps by a claim it does not yet know it got."""
        expires_at = transfer.claim_expires_at or ""
        return transfer.claim_holder == self._terms.holder and expires_at >= to_text(self._now())

    async def work(self, priority: Priority = Priority.DAILY) -> None:
        """Lead one package of this lane after the other, for ever. Run it once for each place."""
        lane = self._lanes[priority]
        async with asyncio.TaskGroup() as leading:
            while True:
                transfer, final = await self._next(lane)
                freed = self._places.take(transfer.id)
                leading.create_task(self._lead_one(transfer, final=final))
                await freed.wait()

    async def _lead_one(self, transfer: Transfer, *, final: bool) -> None:
        try:
            await self._lead_safely(transfer, final=final)
        finally:
            self._leading.discard(transfer.id)
            self._places.leave(transfer.id)
            self._changed()
            if transfer.batch_id is not None:
                self._note_part(transfer)

    async def _next(self, lane: Lane) -> tuple[Transfer, bool]:
        while True:
            item = await lane.next()
            if isinstance(item, Transfer):
                is_part = item.batch_id is not None
                return item, is_part or self._arrivals[item.source].settler.claims_are_final
            claimed = await self._claim(item)
            if claimed is not None:
                return claimed, item.final

    async def _claim(self, ready: Ready) -> Transfer | None:
        self._claiming += 1
        try:
            crash_point("intake.settled")
            claimed = await self._catalogue.do(
                transfers.claim, ready.arrival, self._tenure(), to_text(self._now())
            )
            if claimed is not None:
                crash_point("intake.claimed")
                self._leading.add(claimed.id)
            return claimed
        finally:
            self._claiming -= 1

    async def _lead_safely(self, transfer: Transfer, *, final: bool) -> None:
        """Lead under a claim that is kept alive; what goes wrong is put on record."""
        keeping = asyncio.create_task(self._keep(transfer.claim))
        try:
            match await self._lead.lead(transfer, final=final):
                case Led.UNPROVEN:
                    settler = self._arrivals[transfer.source].settler
                    settler.unproven(transfer.name_raw, transfer.fingerprint)
                case Led.DIVIDED:
                    self.batch_moved.set()
        except ClaimLost as lost:
            log.warning("intake.claim.lost", transfer=transfer.id, reason=str(lost))
        except (LantaiError, OSError, ExceptionGroup) as failure:
            await self._give_up(transfer, _cause(failure))
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _give_up(self, transfer: Transfer, cause: Exception) -> None:
        """Leave it to be taken over when its claim runs out, or to a person."""
        if isinstance(cause, ClaimLost | CatalogueUnavailable | BatchTorn):
            log.warning("intake.transfer.left", transfer=transfer.id, reason=str(cause))
        else:
            await self._fail(transfer, cause)

    async def _fail(self, transfer: Transfer, cause: Exception) -> None:
        """Our fault, not the package's: a person may have it tried again."""
        code = cause.code if isinstance(cause, LantaiError) else "intake-failed"
        reason = _nameless(cause)
        log.error("intake.transfer.failed", transfer=transfer.id, code=code, reason=reason)
        step = Step(TransferState.FAILED, message=str(cause)[:500], outcome_code=code)
        try:
            failed = await self._catalogue.do(
                transfers.move, transfer.claim, step, to_text(self._now())
            )
            crash_point("intake.failed")
            if failed.package_id is None:  # what nodes have heard of is finished from staging
                await self._lead.discard(transfer.id)
        except (ClaimLost, IllegalTransition, CatalogueUnavailable) as error:
            # Its claim runs out, and whoever takes it over begins where the catalogue says.
            log.error("intake.failure.unrecorded", transfer=transfer.id, reason=str(error))

    async def _keep(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self._terms.claim_s / 3)
            try:
                await self._catalogue.do(transfers.renew, claim, self._tenure().expires_at)
            except (ClaimLost, CatalogueUnavailable) as error:
                log.warning("intake.claim.not-kept", transfer=claim.transfer_id, reason=str(error))

    def _tenure(self) -> Tenure:
        expires_at = self._now() + timedelta(seconds=self._terms.claim_s)
        return Tenure(self._terms.holder, to_text(expires_at))


def _cause(failure: Exception) -> Exception:
    """The first real error inside groups of them."""
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def _nameless(cause: Exception) -> str:
    """What went wrong, without paths: files of a package may be called after people."""
    if isinstance(cause, OSError):
        return cause.strerror or type(cause).__name__
    return str(cause)
