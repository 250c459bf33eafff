"""What a verdict changes, in one transaction each: the transfer's step and the sender's answer.

There is never a state without its answer, nor an answer without its state (DESIGN.md §4).
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from storage.catalogue import answers, transfers
from storage.catalogue.errors import IllegalTransition
from storage.catalogue.model import Actor, Claim, NewAnswer, Step, Transfer, TransferState
from storage.catalogue.schema import transfers as table


def decide(
    connection: Connection, claim: Claim, step: Step, answer: NewAnswer | None, at: str
) -> Transfer:
    """Take the step that a verdict means, over `judging` if need be, and give its answer.

    Idempotent for a transfer that was resumed: what was decided before is not decided again.
    """
    known = transfers.require(connection, claim)
    if known.state is TransferState.STAGING:
        known = transfers.move(connection, claim, Step(TransferState.JUDGING), at)
    if known.state is not step.to:
        known = transfers.move(connection, claim, step, at)
    if answer is not None:
        answers.give(connection, claim.transfer_id, answer, at)
    return known


def order(
    connection: Connection,
    transfer_id: int,
    step: Step,
    answer: NewAnswer | None,
    actor: Actor,
    at: str,
) -> Transfer:
    """Take the step that a person ordered, and give the answer that it means for the sender.

    Raises IllegalTransition, also for rejecting what nodes may hold already: that is finished.
    """
    known = transfers.get(connection, transfer_id)
    if step.to is TransferState.REJECTED and known.package_id is not None:
        raise IllegalTransition(
            f"transfer {transfer_id} was accepted and is on its way to the nodes: have it tried "
            "again (lantai transfers retry)"
        )
    decided = transfers.decide(connection, transfer_id, step, actor, at)
    if answer is not None:
        answers.give(connection, transfer_id, answer, at)
    return decided


def begin_again(connection: Connection, claim: Claim, at: str) -> Transfer:
    """Lead a transfer that is claimed, or was interrupted before its verdict, into `staging`."""
    known = transfers.require(connection, claim)
    if known.state in (TransferState.STAGING, TransferState.JUDGING):
        transfers.move(connection, claim, Step(TransferState.CLAIMED), at)
    return transfers.move(connection, claim, Step(TransferState.STAGING), at)


def open_of_source(connection: Connection, source: str) -> Sequence[Transfer]:
    """Every transfer of `source` whose original may still lie in its drop folder."""
    query = select(table).where(
        table.c.source == source, table.c.closed_at.is_(None), table.c.batch_id.is_(None)
    )
    rows = connection.execute(query.order_by(table.c.id)).mappings()
    return [Transfer(**row) for row in rows]
