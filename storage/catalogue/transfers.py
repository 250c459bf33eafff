"""Transfers: claiming drop entries and leading them through their life.

Every function takes a connection inside a transaction (engine.py) and may be combined with others
in the same one. A claim is an epoch: each step is one conditional UPDATE that does nothing when
another process holds a higher one. Which steps are legal is transitions.py's; looking transfers up
is transfer_lists.py's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

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
from storage.catalogue.statements import RowChange, columns_of, insert_new
from storage.catalogue.timestamps import is_over
from storage.catalogue.transitions import BY_A_PERSON, FINAL, WORKING, sources_of

_RESTS = FINAL | {
    TransferState.WAITING,
    TransferState.HELD,
    TransferState.FAILED,
    TransferState.DIVIDED,
    TransferState.AWAITING_REGISTRATION,
}

# Stages of one act, not acts: on record they would only make the ledger longer.
_STAGES = frozenset({TransferState.STAGING, TransferState.JUDGING, TransferState.WRITING})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the present state of a transfer is; None where it is not known."""

    bytes_done: int
    bytes_total: int | None
    bytes_per_second: int | None
    message: str = ""  # what it waits for, or nothing


_NO_PROGRESS = {"bytes_done": 0, "bytes_total": None, "bytes_per_second": None}

_C = transfers.c
_COLUMNS = columns_of(transfers, Transfer)
_CHANGE = RowChange(
    transfers,
    Transfer,
    {
        "id": _C.id == bindparam("by_id"),
        "epoch": _C.claim_epoch == bindparam("by_epoch"),
        "holder": _C.claim_holder == bindparam("by_holder"),
        "states": _C.state.in_(bindparam("by_states", expanding=True)),
        "open": _C.closed_at.is_(None),
        "expiry": _C.claim_expires_at == bindparam("by_expiry"),
    },
)
_BY_NUMBER: Select[Any] = select(*_COLUMNS).where(_C.id == bindparam("by_id"))
_BY_NAME: Select[Any] = select(*_COLUMNS).where(
    _C.source == bindparam("by_source"),
    _C.name_raw == bindparam("by_name_raw"),
    _C.closed_at.is_(None),
)


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
    return _change(connection, {"id": known.id}, {"message": message, "updated_at": at})


def claim(connection: Connection, arrival: Arrival, tenure: Tenure, at: str) -> Transfer | None:
    """Take a settled entry, or None when another process has it or it is past being taken.

    Of several processes that claim the same entry at once, exactly one gets it.
    """
    known = open_by_name(connection, arrival.source, arrival.name_raw)
    if known is None:
        known = _create(connection, arrival, TransferState.WAITING, "", at)
    if known is None or known.state is not TransferState.WAITING:
        return None
    fresh = {"fingerprint": arrival.fingerprint, "message": ""} | _NO_PROGRESS
    fresh |= {"state": TransferState.CLAIMED}
    states = [TransferState.WAITING]
    claimed = _take(connection, known, tenure, at, {"states": states}, fresh)
    if claimed is not None:
        _record(connection, claimed, Actor.of_holder(tenure.holder), at)
    return claimed


def take_over(connection: Connection, seen: Transfer, tenure: Tenure, at: str) -> Transfer | None:
    """Go on with a working transfer whose holder is gone: nobody, expired, or we ourselves
    before a restart. None when somebody was quicker or its holder is alive.

    The state stays: the caller resumes from it, or steps back to `claimed`.
    """
    until = seen.claim_expires_at
    expired = until is None or is_over(until, tenure.expires_at, at)
    if seen.claim_holder not in (None, tenure.holder) and not expired:
        return None
    unrenewed = {"expiry": until} if until else {}
    return _take(connection, seen, tenure, at, unrenewed | {"states": list(WORKING)}, {})


def renew(connection: Connection, claim: Claim, expires_at: str) -> None:
    """Keep a claim alive. Raises ClaimLost if it is no longer ours."""
    _change_claimed(connection, claim, {"claim_expires_at": expires_at})


def require(connection: Connection, claim: Claim) -> Transfer:
    """What is claimed, unless it is no longer ours: then ClaimLost is raised."""
    known = get(connection, claim.transfer_id)
    if (known.claim_epoch, known.claim_holder) != (claim.epoch, claim.holder):
        raise _why_not(connection, claim, None)
    return known


def progress(connection: Connection, claim: Claim, progress: Progress, at: str) -> None:
    """Note how far the present state is. Callers keep this to a few a second."""
    _change_claimed(connection, claim, asdict(progress) | {"updated_at": at})


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
    where = {**_held_by(claim), "states": list(sources_of(step.to))}
    moved = _update(connection, where, values)
    if moved is None:
        raise _why_not(connection, claim, step.to)
    if step.to not in _STAGES:
        _record(connection, moved, Actor.of_holder(claim.holder), at)
    return moved


def decide(connection: Connection, transfer_id: int, step: Step, actor: Actor, at: str) -> Transfer:
    """Release, reject, retry or register by a person's order: only as BY_A_PERSON has it.

    Nobody holds the transfer afterwards; intake takes it over (transfer_lists.unfinished).
    """
    known = get(connection, transfer_id)
    if step.to not in BY_A_PERSON.get(known.state, frozenset()):
        raise IllegalTransition(
            f"transfer {transfer_id} is {known.state}; it cannot become {step.to} by order"
        )
    nobody = {"claim_holder": None, "claim_expires_at": None, "claim_epoch": known.claim_epoch + 1}
    where = {"id": transfer_id, "epoch": known.claim_epoch, "states": [known.state]}
    moved = _change(connection, where, _values(step, at) | nobody)
    _record(connection, moved, actor, at)
    return moved


def withdraw(connection: Connection, transfer_id: int, at: str) -> bool:
    """Close a waiting transfer whose entry has gone. False if it is past waiting."""
    where = {"id": transfer_id, "states": [TransferState.WAITING], "open": None}
    values = {"state": TransferState.WITHDRAWN, "updated_at": at, "closed_at": at}
    return _update(connection, where, values) is not None


def close(connection: Connection, transfer_id: int, at: str) -> None:
    """Note that the original has left the drop folder, after the final answer. Idempotent."""
    where = {"id": transfer_id, "states": list(FINAL), "open": None}
    if _update(connection, where, {"closed_at": at, "updated_at": at}) is None:
        known = get(connection, transfer_id)
        if known.closed_at is None:
            raise IllegalTransition(f"transfer {transfer_id} is {known.state}: not to be closed")


def close_all(connection: Connection, transfer_ids: Iterable[int], at: str) -> None:
    """`close` each of them."""
    for transfer_id in transfer_ids:
        close(connection, transfer_id, at)


def get(connection: Connection, transfer_id: int) -> Transfer:
    """Raises NoSuchTransfer if there is none."""
    row = connection.execute(_BY_NUMBER, {"by_id": transfer_id}).one_or_none()
    if row is None:
        raise NoSuchTransfer(f"there is no transfer {transfer_id}")
    return Transfer(*row)


def get_locked(connection: Connection, transfer_id: int) -> Transfer:
    """As `get`; until this transaction ends nobody else changes it (SQLite has one writer)."""
    row = connection.execute(_BY_NUMBER.with_for_update(), {"by_id": transfer_id}).one()
    return Transfer(*row)


def open_by_name(connection: Connection, source: str, name_raw: bytes) -> Transfer | None:
    """The open transfer of this drop entry, if there is one."""
    name = {"by_source": source, "by_name_raw": name_raw}
    row = connection.execute(_BY_NAME, name).one_or_none()
    return None if row is None else Transfer(*row)


def _create(
    connection: Connection, arrival: Arrival, state: TransferState, message: str, at: str
) -> Transfer | None:
    """A new row, or None when another process has just made one for the same entry."""
    new = asdict(arrival) | {
        "state": state,
        "message": message,
        "bytes_done": 0,
        "claim_epoch": 0,
        "attempts": 0,
        "created_at": at,
        "updated_at": at,
    }
    row = insert_new(connection, transfers, Transfer, new)
    return None if row is None else Transfer(*row)


def _take(
    connection: Connection,
    seen: Transfer,
    tenure: Tenure,
    at: str,
    where: Mapping[str, Any],
    values: Mapping[str, Any],
) -> Transfer | None:
    """Raise the epoch, unless anybody has since `seen`."""
    claim = {
        "claim_holder": tenure.holder,
        "claim_expires_at": tenure.expires_at,
        "claim_epoch": seen.claim_epoch + 1,
        "attempts": seen.attempts + 1,
        "updated_at": at,
    }
    unchanged = {"id": seen.id, "epoch": seen.claim_epoch}
    return _update(connection, unchanged | dict(where), claim | dict(values))


def _values(step: Step, at: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": step.to,
        "message": step.message,
        "outcome_code": step.outcome_code,
        "updated_at": at,
    } | _NO_PROGRESS
    if step.facts is not None:
        values |= asdict(step.facts)
    return values


def _held_by(claim: Claim) -> dict[str, Any]:
    return {"id": claim.transfer_id, "epoch": claim.epoch, "holder": claim.holder}


def _update(
    connection: Connection, where: Mapping[str, Any], values: Mapping[str, Any]
) -> Transfer | None:
    row = _CHANGE.apply(connection, where, values)
    return None if row is None else Transfer(*row)


def _change(
    connection: Connection, where: Mapping[str, Any], values: Mapping[str, Any]
) -> Transfer:
    changed = _update(connection, where, values)
    assert changed is not None, "read in this transaction, gone in this transaction"
    return changed


def _change_claimed(connection: Connection, claim: Claim, values: Mapping[str, Any]) -> None:
    if _update(connection, _held_by(claim), values) is None:
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
