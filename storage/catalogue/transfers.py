"""Transfers: claiming drop entries and leading them through their life.

Every function takes a connection inside a transaction (engine.py) and may be combined with others
in the same one. A claim is an epoch: each step is one conditional UPDATE that does nothing when
another process holds a higher one. Which steps are legal is transitions.py's; looking transfers up
is transfer_lists.py's.
"""

from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from storage.catalogue import events, tallies
from storage.catalogue.errors import ClaimLost, IllegalTransition, NoSuchTransfer
from storage.catalogue.model import (
    Actor,
    Arrival,
    Claim,
    NewEvent,
    Step,
    Tenure,
    Transfer,
    TransferState,
)
from storage.catalogue.schema import transfers
from storage.catalogue.transitions import BY_A_PERSON, FINAL, WORKING, sources_of

_RESTS = FINAL | {TransferState.WAITING, TransferState.HELD, TransferState.FAILED}

# Stages of one act, not acts: on record they would only make the ledger longer.
_STAGES = frozenset({TransferState.STAGING, TransferState.JUDGING, TransferState.WRITING})


def note_waiting(connection: Connection, arrival: Arrival, message: str, at: str) -> Transfer:
    """Put on record that an entry is there and why it is not taken yet. Idempotent.

    An entry that is past waiting is returned as it is.
    """
    known = open_by_name(connection, arrival.source, arrival.name_raw)
    if known is None:
        created = _create(connection, arrival, TransferState.WAITING, message, at)
        known = created or open_by_name(connection, arrival.source, arrival.name_raw)
        assert known is not None, arrival.name
        return known
    if known.state is not TransferState.WAITING or known.message == message:
        return known
    return _change(connection, [transfers.c.id == known.id], message=message, updated_at=at)


def claim(connection: Connection, arrival: Arrival, tenure: Tenure, at: str) -> Transfer | None:
    """Take a settled entry, or None when another process has it or it is past being taken.

    Of several processes that claim the same entry at once, exactly one gets it.
    """
    known = open_by_name(connection, arrival.source, arrival.name_raw)
    if known is None:
        known = _create(connection, arrival, TransferState.WAITING, "", at)
    if known is None or known.state is not TransferState.WAITING:
        return None
    claimed = _take(
        connection,
        known,
        tenure,
        at,
        transfers.c.state == TransferState.WAITING,
        state=TransferState.CLAIMED,
        fingerprint=arrival.fingerprint,
        message="",
        bytes_done=0,
        bytes_total=None,
    )
    if claimed is not None:
        _record(connection, claimed, Actor.of_holder(tenure.holder), at)
    return claimed


def take_over(connection: Connection, seen: Transfer, tenure: Tenure, at: str) -> Transfer | None:
    """Go on with a working transfer whose holder is gone: nobody, expired, or we ourselves
    before a restart. None when somebody was quicker or its holder is alive.

    The state stays: the caller resumes from it, or steps back to `claimed`.
    """
    free = or_(
        transfers.c.claim_holder.is_(None),
        transfers.c.claim_holder == tenure.holder,
        transfers.c.claim_expires_at < at,
    )
    return _take(
        connection,
        seen,
        tenure,
        at,
        and_(free, transfers.c.state.in_(WORKING)),
    )


def renew(connection: Connection, claim: Claim, expires_at: str) -> None:
    """Keep a claim alive. Raises ClaimLost if it is no longer ours."""
    _change_claimed(connection, claim, claim_expires_at=expires_at)


def require(connection: Connection, claim: Claim) -> Transfer:
    """What is claimed, unless it is no longer ours: then ClaimLost is raised."""
    known = get(connection, claim.transfer_id)
    if (known.claim_epoch, known.claim_holder) != (claim.epoch, claim.holder):
        raise _why_not(connection, claim, None)
    return known


def progress(
    connection: Connection, claim: Claim, bytes_done: int, bytes_total: int | None, at: str
) -> None:
    """Note how far the present state is. Callers keep this to a few a second."""
    _change_claimed(
        connection, claim, bytes_done=bytes_done, bytes_total=bytes_total, updated_at=at
    )


def move(
    connection: Connection,
    claim: Claim,
    step: Step,
    at: str,
    *,
    package_id: int | None = None,
) -> Transfer:
    """Take one step under a claim; what is an act of its own is put on record.

    Raises NoSuchTransfer, ClaimLost or IllegalTransition, and then nothing has changed.
    """
    values = _values(step, at)
    if package_id is not None:
        values["package_id"] = package_id
    if step.to in _RESTS:
        values |= {"claim_holder": None, "claim_expires_at": None}
    where = [*_held_by(claim), transfers.c.state.in_(sources_of(step.to))]
    moved = _update(connection, where, **values)
    if moved is None:
        raise _why_not(connection, claim, step.to)
    if step.to not in _STAGES:
        _record(connection, moved, Actor.of_holder(claim.holder), at)
    return moved


def decide(connection: Connection, transfer_id: int, step: Step, actor: Actor, at: str) -> Transfer:
    """Release, reject or retry by a person's order: only from `held` and `failed`.

    Nobody holds the transfer afterwards; intake takes it over (transfer_lists.unfinished).
    """
    known = get(connection, transfer_id)
    if step.to not in BY_A_PERSON.get(known.state, frozenset()):
        raise IllegalTransition(
            f"transfer {transfer_id} is {known.state}; it cannot become {step.to} by order"
        )
    moved = _change(
        connection,
        [transfers.c.id == transfer_id, transfers.c.state == known.state],
        claim_holder=None,
        claim_expires_at=None,
        claim_epoch=transfers.c.claim_epoch + 1,
        **_values(step, at),
    )
    _record(connection, moved, actor, at)
    return moved


def withdraw(connection: Connection, transfer_id: int, at: str) -> bool:
    """Close a waiting transfer whose entry has gone. False if it is past waiting."""
    where = [transfers.c.id == transfer_id, transfers.c.state == TransferState.WAITING]
    where.append(transfers.c.closed_at.is_(None))
    gone = _update(connection, where, state=TransferState.WITHDRAWN, updated_at=at, closed_at=at)
    return gone is not None


def close(connection: Connection, transfer_id: int, at: str) -> None:
    """Note that the original has left the drop folder, after the final answer. Idempotent."""
    final = [transfers.c.id == transfer_id, transfers.c.state.in_(FINAL)]
    open_ = transfers.c.closed_at.is_(None)
    if _update(connection, [*final, open_], closed_at=at, updated_at=at) is None:
        known = get(connection, transfer_id)
        if known.closed_at is None:
            raise IllegalTransition(f"transfer {transfer_id} is {known.state}: not to be closed")


def get(connection: Connection, transfer_id: int) -> Transfer:
    """Raises NoSuchTransfer if there is none."""
    row = connection.execute(select(transfers).where(transfers.c.id == transfer_id)).mappings()
    found = row.one_or_none()
    if found is None:
        raise NoSuchTransfer(f"there is no transfer {transfer_id}")
    return Transfer(**found)


def open_by_name(connection: Connection, source: str, name_raw: bytes) -> Transfer | None:
    """The open transfer of this drop entry, if there is one."""
    query = select(transfers).where(
        transfers.c.source == source,
        transfers.c.name_raw == name_raw,
        transfers.c.closed_at.is_(None),
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Transfer(**row)


def _create(
    connection: Connection, arrival: Arrival, state: TransferState, message: str, at: str
) -> Transfer | None:
    """A new row, or None when another process has just made one for the same entry."""
    new = insert(transfers).values(
        source=arrival.source,
        name=arrival.name,
        name_raw=arrival.name_raw,
        fingerprint=arrival.fingerprint,
        state=state,
        message=message,
        bytes_done=0,
        claim_epoch=0,
        attempts=0,
        created_at=at,
        updated_at=at,
    )
    try:
        with connection.begin_nested():
            row = connection.execute(new.returning(*transfers.c)).mappings().one()
    except IntegrityError:
        return None
    return Transfer(**row)


def _take(
    connection: Connection,
    seen: Transfer,
    tenure: Tenure,
    at: str,
    where: Any,
    **values: Any,
) -> Transfer | None:
    """Raise the epoch, unless anybody has since `seen`."""
    return _update(
        connection,
        [transfers.c.id == seen.id, transfers.c.claim_epoch == seen.claim_epoch, where],
        claim_holder=tenure.holder,
        claim_expires_at=tenure.expires_at,
        claim_epoch=seen.claim_epoch + 1,
        attempts=transfers.c.attempts + 1,
        updated_at=at,
        **values,
    )


def _values(step: Step, at: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": step.to,
        "message": step.message,
        "outcome_code": step.outcome_code,
        "bytes_done": 0,
        "bytes_total": None,
        "updated_at": at,
    }
    if step.facts is not None:
        facts = step.facts
        values |= {
            "identifier": facts.identifier,
            "identity": facts.identity,
            "object_id": facts.object_id,
            "file_count": facts.file_count,
            "content_bytes": facts.content_bytes,
        }
    return values


def _held_by(claim: Claim) -> list[Any]:
    return [
        transfers.c.id == claim.transfer_id,
        transfers.c.claim_epoch == claim.epoch,
        transfers.c.claim_holder == claim.holder,
    ]


def _update(connection: Connection, where: list[Any], **values: Any) -> Transfer | None:
    statement = update(transfers).where(*where).values(**values).returning(*transfers.c)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Transfer(**row)


def _change(connection: Connection, where: list[Any], **values: Any) -> Transfer:
    changed = _update(connection, where, **values)
    assert changed is not None, "read in this transaction, gone in this transaction"
    return changed


def _change_claimed(connection: Connection, claim: Claim, **values: Any) -> None:
    if _update(connection, _held_by(claim), **values) is None:
        raise _why_not(connection, claim, None)


def _why_not(connection: Connection, claim: Claim, to: TransferState | None) -> Exception:
    known = get(connection, claim.transfer_id)
    if to is None or (known.claim_epoch, known.claim_holder) != (claim.epoch, claim.holder):
        return ClaimLost(
            f"transfer {claim.transfer_id} is no longer held by {claim.holder} under epoch "
            f"{claim.epoch}: it is {known.state}, held by {known.claim_holder or 'nobody'} "
            f"under epoch {known.claim_epoch}"
        )
    return IllegalTransition(f"transfer {known.id} is {known.state}; it cannot become {to}")


def _record(connection: Connection, moved: Transfer, actor: Actor, at: str) -> None:
    if moved.state is TransferState.REJECTED:
        tallies.add_rejected(connection, moved.source, at)
    events.append(
        connection,
        NewEvent(
            act=f"transfer.{moved.state}",
            outcome=moved.outcome_code or "done",
            transfer_id=moved.id,
            package_id=moved.package_id,
        ),
        actor,
        at,
    )
