"""Batches: one drop entry that holds many packages, each a transfer of its own.

A government-service batch is one entry and a thousand cases (办件). The batch rests in `divided`
while its parts are taken, judged, stored and answered like any other transfer, and goes on when all
have come to their end. Functions take a connection inside a transaction, as in transfers.py.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, exists, select, update

from storage.catalogue import transfers as lives
from storage.catalogue.model import Arrival, Claim, Step, Transfer, TransferState
from storage.catalogue.schema import transfers
from storage.catalogue.transitions import DECIDED

_PART = transfers.alias("part")


def divide(connection: Connection, claim: Claim, parts: Iterable[Arrival], at: str) -> Transfer:
    """Put the parts on record as waiting, and let the batch rest. Idempotent: none is made twice.

    Raises ClaimLost, and IllegalTransition if the batch is not accepted.
    """
    known = {part.name_raw for part in parts_of(connection, claim.transfer_id)}
    divided = lives.move(connection, claim, Step(TransferState.DIVIDED), at)
    for part in parts:
        if part.name_raw not in known:
            lives.note_waiting(connection, part, "", at)
    return divided


def parts_of(connection: Connection, batch_id: int) -> list[Transfer]:
    """Every part of a batch, in the order of their names."""
    query = select(transfers).where(transfers.c.batch_id == batch_id)
    rows = connection.execute(query.order_by(transfers.c.name_raw)).mappings()
    return [Transfer(**row) for row in rows]


def waiting_parts(connection: Connection, limit: int = 1000) -> list[Transfer]:
    """Parts that nobody has taken yet, of batches that are divided; oldest first."""
    batch = transfers.alias("batch")
    divided = exists().where(
        batch.c.id == transfers.c.batch_id, batch.c.state == TransferState.DIVIDED
    )
    query = select(transfers).where(
        transfers.c.closed_at.is_(None),
        transfers.c.state == TransferState.WAITING,
        transfers.c.batch_id.is_not(None),
        divided,
    )
    rows = connection.execute(query.order_by(transfers.c.id).limit(limit)).mappings()
    return [Transfer(**row) for row in rows]


def rejoin_finished(connection: Connection, at: str) -> int:
    """Let every batch go on whose parts have all come to their end; return how many there were."""
    unfinished = exists().where(_PART.c.batch_id == transfers.c.id, _PART.c.state.not_in(DECIDED))
    return _rejoin(connection, ~unfinished, at)


def rejoin(connection: Connection, batch_id: int, at: str) -> bool:
    """Have a divided batch opened again, because a part's bytes are no longer there."""
    return _rejoin(connection, transfers.c.id == batch_id, at) > 0


def _rejoin(connection: Connection, which: ColumnElement[bool], at: str) -> int:
    """Nobody holds the batch afterwards: intake takes it over (transfer_lists.unfinished)."""
    statement = (
        update(transfers)
        .where(transfers.c.state == TransferState.DIVIDED, which)
        .values(state=TransferState.ACCEPTED, updated_at=at)
    )
    return int(connection.execute(statement).rowcount)
