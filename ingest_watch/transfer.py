"""Lead one transfer from its claim to its final answer.

DESIGN.md §4. Each step is on record before the next begins, and every step may be repeated: after
a crash a transfer is taken over where the catalogue says it stands, and ends with the same object
and the same answers. Opens no package (prepare.py does, in a worker process) and signs nothing.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path

from ingest_watch import answers as statements
from ingest_watch.answers import PartOutcome, Reason, TransferFacts
from ingest_watch.batch import Batches, part_job
from ingest_watch.drop_folder import DropFolder
from ingest_watch.keeping import Keeping
from ingest_watch.places import Places
from ingest_watch.preparation import (
    Acceptable,
    Changed,
    Job,
    NoRoom,
    Preparation,
    Profile,
    Unacceptable,
    Undecided,
)
from ingest_watch.progress import read_progress
from ingest_watch.progress_notes import ProgressNotes
from ingest_watch.signing_desk import SigningDesk
from monitoring.log import get_log
from storage.catalogue import answers, transfers, verdicts
from storage.catalogue.model import (
    AnswerKind,
    Claim,
    Facts,
    NewAnswer,
    Step,
    Transfer,
    TransferState,
)
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.errors import Refusal

log = get_log(__name__)

# A transfer in one of these was judged acceptable before: its verdict stands.
_ACCEPTED = frozenset({TransferState.ACCEPTED, TransferState.WRITING})


class OriginalLost(Refusal):
    """An accepted package must be prepared again, and its original is not there as it was."""

    code = "original-lost"


class BatchTorn(Refusal):
    """An accepted part must be prepared again, and its batch's staged copy is not whole.

    It is taken over again when its claim has run out; the batch is staged anew meanwhile.
    """

    code = "batch-torn"


class Led(Enum):
    """How far a transfer was led."""

    DONE = auto()
    UNPROVEN = auto()  # as it is now it is not whole: it waits until it changes
    LATER = auto()  # it could not be tried: it waits for the next look
    DIVIDED = auto()  # a batch: its parts are transfers of their own now, and it waits for them


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """What intake must know of one source."""

    drop: DropFolder
    profile: Profile
    unit: str | None = None  # what the registration form calls the sender
    awaits_registration: bool = False  # custody passes when the form is signed


@dataclass(frozen=True, slots=True)
class IntakeTools:
    """What leading a transfer needs; one set for each intake process."""

    archive: str
    staging: Path
    senders: Mapping[str, SenderSettings]
    catalogue: CatalogueWriter
    desk: SigningDesk
    keeping: Keeping
    prepare: Callable[[Job], Awaitable[Preparation]]
    take_up: Callable[[Job], Awaitable[Preparation]]
    now: Callable[[], str]
    places: Places


class TransferLead:
    """Leads transfers; holds no state of its own between them."""

    def __init__(self, tools: IntakeTools) -> None:
        self._tools = tools
        self.places = tools.places
        self._catalogue = tools.catalogue
        self._batches = Batches(tools.catalogue, tools.now)
        self._notes = ProgressNotes(tools.catalogue, tools.now)

    async def lead(self, transfer: Transfer, *, final: bool) -> Led:
        """Do everything that is left to do.

        `final` says that what does not pass now is rejected, and not waited for.
        Raises ClaimLost when another process has taken the transfer over, Refusals, OSError.
        """
        if transfer.state in _ACCEPTED:
            return await self._finish(transfer)
        return await self._judge(transfer, final=final)

    def has_staged(self, transfer_id: int) -> bool:
        """Whether its copy, or what a crash left of one, lies on this host."""
        return self._work(transfer_id).is_dir()

    async def discard(self, transfer_id: int) -> None:
        """Remove the staged copy: nothing will be stored from it."""
        await asyncio.to_thread(shutil.rmtree, self._work(transfer_id), ignore_errors=True)

    async def _judge(self, transfer: Transfer, *, final: bool) -> Led:
        await self._catalogue.do(verdicts.begin_again, transfer.claim, self._tools.now())
        crash_point("intake.staging")
        reason = await self._why_not_now(transfer)
        if reason:
            await self._wait(transfer.claim, reason)
            return Led.LATER
        led = Led.DONE
        match await self._prepared(transfer):
            case Acceptable() as package:
                return await self._accept(transfer, package)
            case Unacceptable() as package if final:
                await self._reject(transfer, package)
            case Unacceptable() as package:
                led = Led.UNPROVEN
                await self._wait(transfer.claim, f"not whole yet: {_codes(package.reasons)}")
            case Undecided() as package:
                await self._hold(transfer, package)
            case Changed(reason) | NoRoom(reason):
                led = Led.LATER
                await self._wait(transfer.claim, reason)
                if transfer.batch_id is not None:
                    await self._batches.open_again(transfer.batch_id)
        await self.discard(transfer.id)
        return led

    async def _prepared(self, transfer: Transfer) -> Preparation:
        done = partial(read_progress, self._work(transfer.id))
        async with self._notes.noted(transfer.claim, done):
            prepared = await self._tools.prepare(self._job(transfer))
        crash_point("intake.prepared")
        return prepared

    async def _why_not_now(self, transfer: Transfer) -> str:
        """Empty when it is as it settled: its sender may have gone on while it waited its turn."""
        if transfer.batch_id is not None:
            return ""  # it lies in our own staging; prepare.py compares its bytes
        drop = self._tools.senders[transfer.source].drop
        try:
            present = await asyncio.to_thread(drop.fingerprint, transfer.name_raw)
        except OSError as error:
            return f"it cannot be read now: {error}"
        return "" if present == transfer.fingerprint else "it changed after it had settled"

    async def _finish(self, transfer: Transfer) -> Led:
        """Go on with what was accepted before: from the staged copy, as long as there is one."""
        match await self._tools.take_up(self._job(transfer)):
            case Acceptable() as package:
                crash_point("intake.taken-up")
                return await self._accept(transfer, package)
            case Unacceptable() as package if transfer.state is TransferState.ACCEPTED:
                await self._reject(transfer, package)
                await self.discard(transfer.id)
            case Changed(reason) if transfer.batch_id is not None:
                await self._batches.open_again(transfer.batch_id)
                raise BatchTorn(f"{reason}; its batch is opened again")
            case Changed(reason) | NoRoom(reason):
                raise OriginalLost(f"{reason}; have it tried again: lantai transfers retry")
            case _:
                raise OriginalLost("the original is no longer the package that was accepted")
        return Led.DONE

    def _work(self, transfer_id: int) -> Path:
        return self._tools.staging / str(transfer_id)

    def _job(self, transfer: Transfer) -> Job:
        sender = self._tools.senders[transfer.source]
        job = Job(
            archive=self._tools.archive,
            source=transfer.source,
            name_raw=transfer.name_raw,
            name=transfer.name,
            drop=sender.drop.folder,
            work=self._work(transfer.id),
            received_at=transfer.created_at[: len("2026-11-22T08:00:00")] + "Z",
            profile=sender.profile,
            accepted=transfer.state in _ACCEPTED,
        )
        if transfer.batch_id is None:
            return job
        return part_job(job, transfer, self._work(transfer.batch_id))

    async def _accept(self, transfer: Transfer, package: Acceptable) -> Led:
        taken = await self._tools.keeping.same_or_taken(package)
        if taken is not None:
            await self._refuse(transfer, package, taken)
            return Led.DONE
        body = statements.received(self._facts(transfer, package.facts), package.checks)
        answer = await self._answer(transfer, AnswerKind.RECEIVED, body)
        crash_point("intake.received-signed")
        if transfer.state is not TransferState.WRITING:
            step = Step(TransferState.ACCEPTED, facts=package.facts)
            await self._catalogue.do(
                verdicts.decide, transfer.claim, step, answer, self._tools.now()
            )
        crash_point("intake.accepted")
        parts = await self._batches.outcomes(transfer, package)
        if parts is None:
            await self._batches.divide(transfer, package)
            return Led.DIVIDED
        facts_of = partial(self._facts, parts=tuple(parts))
        kept = await self._tools.keeping.keep(transfer, package, facts_of)
        if kept is not None:
            await self._refuse(transfer, package, kept)
        return Led.DONE

    async def _refuse(self, transfer: Transfer, package: Acceptable, reason: Reason) -> None:
        """Reject what passed every check and still cannot be kept."""
        await self._reject(transfer, Unacceptable(package.facts, package.checks, (reason,)))
        await self.discard(transfer.id)

    async def _reject(self, transfer: Transfer, package: Unacceptable) -> None:
        facts = self._facts(transfer, package.facts)
        body = statements.rejected(facts, package.checks, package.reasons)
        answer = await self._answer(transfer, AnswerKind.REJECTED, body)
        crash_point("intake.rejected-signed")
        step = Step(
            TransferState.REJECTED,
            message=package.reasons[0].message,
            outcome_code=package.reasons[0].code[:64],
            facts=package.facts,
        )
        await self._catalogue.do(verdicts.decide, transfer.claim, step, answer, self._tools.now())
        crash_point("intake.rejected")
        log.info("intake.transfer.rejected", transfer=transfer.id, codes=_codes(package.reasons))

    async def _hold(self, transfer: Transfer, package: Undecided) -> None:
        facts = self._facts(transfer, package.facts)
        body = statements.held(facts, package.checks, package.reasons)
        answer = await self._answer(transfer, AnswerKind.HELD, body)
        crash_point("intake.held-signed")
        step = Step(
            TransferState.HELD,
            message="a person must judge what no check could 待人工判定",
            outcome_code=package.reasons[0].code[:64],
            facts=package.facts,
        )
        await self._catalogue.do(verdicts.decide, transfer.claim, step, answer, self._tools.now())
        crash_point("intake.held")
        log.warning("intake.transfer.held", transfer=transfer.id, codes=_codes(package.reasons))

    async def _wait(self, claim: Claim, message: str) -> None:
        step = Step(TransferState.WAITING, message=message)
        await self._catalogue.do(transfers.move, claim, step, self._tools.now())
        crash_point("intake.put-back")

    async def _answer(self, transfer: Transfer, kind: AnswerKind, body: bytes) -> NewAnswer:
        """The answer of this kind that was given before, or this one, signed."""
        given = None
        if transfer.attempts > 1:
            given = await self._catalogue.look(answers.find, transfer.id, kind)
        if given is not None:
            return NewAnswer(kind, given.body, given.body_sha256, given.signature)
        return await self._tools.desk.signed(kind, body)

    def _facts(
        self, transfer: Transfer, facts: Facts, parts: tuple[PartOutcome, ...] = ()
    ) -> TransferFacts:
        sender = self._tools.senders[transfer.source]
        return TransferFacts(
            archive=self._tools.archive,
            source=transfer.source,
            name=transfer.name,
            transfer=str(transfer.id),
            at=self._tools.now(),
            identifier=facts.identifier,
            identity=facts.identity,
            object_id=facts.object_id,
            file_count=facts.file_count,
            content_bytes=facts.content_bytes,
            matter=facts.matter,
            record_class=facts.record_class,
            retention=facts.retention,
            unit=sender.unit,
            parts=parts,
            awaits_registration=sender.awaits_registration,
        )


def _codes(reasons: tuple[Reason, ...]) -> str:
    return ", ".join(sorted({reason.code for reason in reasons}))
