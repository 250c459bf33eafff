"""What a person decides: let a transfer pass, send it back, try it again, register it.

DESIGN.md §4 (held); docs/decisions/0014 (register). Every decision is on record with
who made it and why, and the sender is told in the same transaction. Carrying on afterwards is
intake.py's, which takes the transfer over.
"""

from collections.abc import Callable

from ingest_watch import answers as statements
from ingest_watch.answers import Reason, TransferFacts
from ingest_watch.signing_desk import SigningDesk
from storage.catalogue import answers, custody, transfers, verdicts
from storage.catalogue.model import Actor, AnswerKind, NewAnswer, Step, Transfer, TransferState
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point

REJECTED_BY_PERSON = "rejected-by-person"


class Decisions:
    """Carries out what people order. Raises NoSuchTransfer, IllegalTransition, NotaryRefused."""

    def __init__(
        self, archive: str, catalogue: CatalogueWriter, desk: SigningDesk, now: Callable[[], str]
    ) -> None:
        self._archive = archive
        self._catalogue = catalogue
        self._desk = desk
        self._now = now

    async def release(self, number: int, reason: str, actor: Actor) -> Transfer:
        """Let a held transfer pass: what no check could settle is settled by `actor`."""
        step = Step(TransferState.ACCEPTED, message=reason)
        released = await self._order(number, step, None, actor)
        crash_point("decisions.released")
        return released

    async def reject(self, number: int, reason: str, actor: Actor) -> Transfer:
        """Send a held or failed transfer back, and tell its sender why."""
        transfer = await self._catalogue.look(transfers.get, number)
        checks = await self._checks(number)
        why = Reason(REJECTED_BY_PERSON, None, reason, reason)
        body = statements.rejected(self._facts(transfer), checks, [why])
        answer = await self._desk.signed(AnswerKind.REJECTED, body)
        crash_point("decisions.reject-signed")
        step = Step(TransferState.REJECTED, message=reason, outcome_code=REJECTED_BY_PERSON)
        rejected = await self._order(number, step, answer, actor)
        crash_point("decisions.rejected")
        return rejected

    async def retry(self, number: int, reason: str, actor: Actor) -> Transfer:
        """Try a failed transfer again: from its start, or from where nodes have heard of it."""
        transfer = await self._catalogue.look(transfers.get, number)
        begun = transfer.package_id is not None
        step = Step(TransferState.WRITING if begun else TransferState.WAITING, message=reason)
        retried = await self._order(number, step, None, actor)
        crash_point("decisions.retried")
        return retried

    async def register(self, number: int, reason: str, actor: Actor) -> Transfer:
        """Confirm that both sides have signed the form: custody passes, the receipt may go."""
        registered = await self._catalogue.do(custody.register, number, reason, actor, self._now())
        crash_point("decisions.registered")
        return registered

    async def _order(
        self, number: int, step: Step, answer: NewAnswer | None, actor: Actor
    ) -> Transfer:
        return await self._catalogue.do(verdicts.order, number, step, answer, actor, self._now())

    async def _checks(self, number: int) -> list[bytes]:
        """The checks that the sender was told when the transfer was held."""
        held = await self._catalogue.look(answers.find, number, AnswerKind.HELD)
        if held is None or held.body is None:
            return []
        return [bytes(check) for check in statements.read_answer(held.body).checks]

    def _facts(self, transfer: Transfer) -> TransferFacts:
        return TransferFacts(
            archive=self._archive,
            source=transfer.source,
            name=transfer.name,
            transfer=str(transfer.id),
            at=self._now(),
            identifier=transfer.identifier,
            identity=transfer.identity,
            object_id=transfer.object_id,
            file_count=transfer.file_count,
            content_bytes=transfer.content_bytes,
        )
