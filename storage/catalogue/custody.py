"""Custody that passes at the signed registration, and not before (DA/T 93-2022, 登记).

A stored package waits in `awaiting-registration` until a person confirms that both sides have
signed its form (电子档案移交与接收登记表). Its receipt is on record all the while, as signed, and
the outbox withholds it (answers.py); nothing is made anew. docs/decisions/0014.
"""

from sqlalchemy import Connection, or_, select

from storage.catalogue import packages, transfers
from storage.catalogue.errors import IllegalTransition
from storage.catalogue.model import Actor, Step, Transfer, TransferState
from storage.catalogue.schema import transfers as table
from storage.catalogue.transitions import FINAL

_AWAITED = TransferState.AWAITING_REGISTRATION


def register(
    connection: Connection, transfer_id: int, reason: str, actor: Actor, at: str
) -> Transfer:
    """Confirm the registration of what awaits it: the receipt may go to its sender.

    With a batch its parts are registered, and with each package its duplicates that wait.
    Raises NoSuchTransfer, or IllegalTransition for what awaits none or waits for another.
    """
    _require_form_of_its_own(connection, transfers.get(connection, transfer_id))
    step = Step(TransferState.STORED, message=reason)
    registered = transfers.decide(connection, transfer_id, step, actor, at)
    # Again until there are none: a duplicate may have come to wait since the last look.
    while covered := _covered(connection, transfer_id):
        for each in covered:
            transfers.decide(connection, each, step, actor, at)
    return registered


def _require_form_of_its_own(connection: Connection, transfer: Transfer) -> None:
    if transfer.state is not _AWAITED:
        raise IllegalTransition(
            f"transfer {transfer.id} is {transfer.state}: it does not await a registration"
        )
    if transfer.batch_id is not None:
        batch = transfers.get(connection, transfer.batch_id)
        if batch.state not in FINAL:
            raise IllegalTransition(
                f"transfer {transfer.id} is a part of {batch.id}, which people sign for as a whole:"
                f" register {batch.id}, once that awaits it"
            )
    assert transfer.package_id is not None, "its copies are proven"
    first = packages.get(connection, transfer.package_id).transfer_id
    if first != transfer.id and transfers.get(connection, first).state is _AWAITED:
        raise IllegalTransition(
            f"transfer {transfer.id} is the same package as {first}, whose form is signed:"
            f" register {first}"
        )


def _covered(connection: Connection, transfer_id: int) -> list[int]:
    """What waits for the same form: the parts of a batch, and duplicates of what it is for."""
    signed_for = select(table.c.package_id).where(
        or_(table.c.id == transfer_id, table.c.batch_id == transfer_id)
    )
    waiting = select(table.c.id).where(
        table.c.closed_at.is_(None), table.c.state == _AWAITED, table.c.package_id.in_(signed_for)
    )
    return list(connection.execute(waiting.order_by(table.c.id)).scalars())
