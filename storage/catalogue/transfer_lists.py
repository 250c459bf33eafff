"""Looking transfers up: for staff, for metrics, and for what must be resumed after a start.

Reads only. Lists are pages of at most `limit`, newest first, `before` the last number seen.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from storage.catalogue.model import Transfer, TransferState
from storage.catalogue.schema import answers, transfers
from storage.catalogue.transitions import WORKING

_OPEN = transfers.c.closed_at.is_(None)


def page(
    connection: Connection,
    *,
    states: Sequence[TransferState] = (),
    before: int | None = None,
    limit: int = 100,
) -> list[Transfer]:
    """Transfers newest first, in any of `states` (all, when empty)."""
    query = select(transfers).order_by(transfers.c.id.desc()).limit(limit)
    if states:
        query = query.where(transfers.c.state.in_(states))
    if before is not None:
        query = query.where(transfers.c.id < before)
    return _transfers(connection, query)


def unfinished(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[Transfer]:
    """Working transfers, oldest first: what transfers.take_over may resume."""
    query = select(transfers).where(_OPEN, transfers.c.state.in_(WORKING))
    query = query.where(transfers.c.id > after).order_by(transfers.c.id).limit(limit)
    return _transfers(connection, query)


def to_be_moved(connection: Connection, source: str, limit: int = 1000) -> list[Transfer]:
    """Stored, the receipt lies in the return folder, the original still in the drop folder.

    Before this moment nothing of the sender's is touched. Parts of a batch are among them, rejected
    ones too: they have no original of their own that their sender could mend.
    """
    owed = select(answers.c.id).where(
        answers.c.transfer_id == transfers.c.id, answers.c.written_at.is_(None)
    )
    is_part = transfers.c.batch_id.is_not(None)
    is_over = (transfers.c.state == TransferState.STORED) | (
        (transfers.c.state == TransferState.REJECTED) & is_part
    )
    query = select(transfers).where(_OPEN, is_over, transfers.c.source == source)
    query = query.where(~owed.exists()).order_by(transfers.c.id).limit(limit)
    return _transfers(connection, query)


def closed_among(connection: Connection, numbers: Collection[int]) -> list[int]:
    """Which of these transfers are closed: nothing remains to be done for them."""
    closed = select(transfers.c.id).where(transfers.c.closed_at.is_not(None))
    return list(connection.scalars(closed.where(transfers.c.id.in_(numbers))))


def counts_of_open(connection: Connection) -> dict[TransferState, int]:
    """How many open transfers are in each state; every state is there, 0 included.

    Closed ones are counted by tallies.py: counting a hundred million rows is no metric.
    """
    query = select(transfers.c.state, func.count()).where(_OPEN).group_by(transfers.c.state)
    counts = dict.fromkeys(TransferState, 0)
    for state, count in connection.execute(query):
        counts[state] = count
    return counts


def held_by_source(connection: Connection, code_prefix: str) -> dict[str, int]:
    """How many transfers of each source are held for a reason whose code begins so."""
    query = (
        select(transfers.c.source, func.count())
        .where(
            _OPEN,
            transfers.c.state == TransferState.HELD,
            transfers.c.outcome_code.startswith(code_prefix, autoescape=True),
        )
        .group_by(transfers.c.source)
    )
    return {row.source: row[1] for row in connection.execute(query)}


def seconds_left(transfer: Transfer) -> int | None:
    """How long the present state will take at its pace; None when that is not known."""
    if transfer.bytes_total is None or not transfer.bytes_per_second:
        return None
    left_bytes = max(0, transfer.bytes_total - transfer.bytes_done)
    return -(-left_bytes // transfer.bytes_per_second)


def _transfers(connection: Connection, query: Select[Any]) -> list[Transfer]:
    return [Transfer(**row) for row in connection.execute(query).mappings()]
