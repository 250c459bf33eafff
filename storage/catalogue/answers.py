"""The outbox: what senders are told, kept as signed, written to their return folders from here.

docs/formats/answers.md. An answer is given in the transaction of what it says, and never changes.
Signing is the notary's affair, writing files ingest_watch's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO

from sqlalchemy import Connection, Select, bindparam, func, insert, literal, select, update

from storage.catalogue.errors import AnswerConflict
from storage.catalogue.model import Answer, AnswerKind, NewAnswer, TransferState
from storage.catalogue.schema import answer_pieces, answers, transfers
from storage.catalogue.statements import insert_new

# A longer body is kept in pieces: SQLite holds a value three times while it is written, and writes
# the whole row again when another column changes.
ROW_BYTES_MAX = 64 * 1024
PIECE_BYTES = 1024 * 1024

_COLUMNS = (*answers.c, transfers.c.source, transfers.c.name, transfers.c.name_raw)
_JOINED = select(*_COLUMNS).join(transfers, transfers.c.id == answers.c.transfer_id)

_OF_KIND = (
    answers.c.transfer_id == bindparam("by_transfer_id"),
    answers.c.kind == bindparam("by_kind"),
)
_BY_KIND = _JOINED.where(*_OF_KIND)
_DIGEST = select(answers.c.body_sha256).where(*_OF_KIND)
_PIECES = (
    select(answer_pieces.c.piece)
    .where(answer_pieces.c.answer_id == bindparam("by_answer_id"))
    .order_by(answer_pieces.c.number)
)


@dataclass(frozen=True, slots=True)
class _Given:
    """What is asked back of a new row."""

    id: int


def give(connection: Connection, transfer_id: int, answer: NewAnswer, at: str) -> None:
    """Put an answer into the outbox. Idempotent: the first one of its kind stays as it is.

    Raises AnswerConflict if there is one with another body.
    """
    body = answer.body
    is_long = body is not None and len(body) > ROW_BYTES_MAX
    new = _insert(connection, transfer_id, replace(answer, body=None) if is_long else answer, at)
    if new is not None and is_long and body is not None:
        for number, begun in enumerate(range(0, len(body), PIECE_BYTES)):
            piece = body[begun : begun + PIECE_BYTES]
            values = {"answer_id": new, "number": number, "piece": piece}
            connection.execute(insert(answer_pieces), values)


def repeat_stored(connection: Connection, first_id: int, transfer_id: int, at: str) -> None:
    """Give `transfer_id` the stored receipt of the transfer `first_id`, byte for byte."""
    first = _find_row(connection, first_id, AnswerKind.STORED)
    assert first is not None, f"transfer {first_id} is stored without a receipt"
    same = NewAnswer(AnswerKind.STORED, first.body, first.body_sha256, first.signature)
    new = _insert(connection, transfer_id, same, at)
    if new is not None:
        columns = (literal(new), answer_pieces.c.number, answer_pieces.c.piece)
        pieces = select(*columns).where(answer_pieces.c.answer_id == first.id)
        connection.execute(
            insert(answer_pieces).from_select(["answer_id", "number", "piece"], pieces)
        )


def body_of(connection: Connection, answer_id: int) -> bytes | None:
    """The body of an answer that has it in pieces; None where there are none."""
    pieces = connection.execute(_PIECES, {"by_answer_id": answer_id})
    body = BytesIO()
    for piece in pieces.scalars():
        body.write(piece)
    return body.getvalue() or None


def outbox(connection: Connection, *, after: int = 0, limit: int = 100) -> list[Answer]:
    """Answers not yet in their return folders, oldest first; long ones without their bodies.

    A stored receipt is withheld as long as its transfer awaits its registration.
    """
    withheld = (answers.c.kind == AnswerKind.STORED) & (
        transfers.c.state == TransferState.AWAITING_REGISTRATION
    )
    query = _JOINED.where(answers.c.written_at.is_(None), answers.c.id > after, ~withheld)
    return _answers(connection, query.order_by(answers.c.id).limit(limit))


def note_delivered(connection: Connection, answer_ids: Iterable[int], at: str) -> int:
    """Note that answers are in their return folders; how many must be put there once more.

    What another intake has delivered meanwhile was written by two, and one of them knew of nothing
    newer: it may have moved aside what came after. So what was told last on that name goes into
    the outbox again.
    """
    wanted = set(answer_ids)
    twice = wanted - mark_written(connection, wanted, at)
    return _put_back(connection, twice) if twice else 0


def mark_written(connection: Connection, answer_ids: Iterable[int], at: str) -> set[int]:
    """Note that both files of each answer are fsynced in the return folder; those not yet noted.

    Idempotent.
    """
    waiting = answers.c.id.in_(list(answer_ids)), answers.c.written_at.is_(None)
    written = update(answers).where(*waiting).values(written_at=at).returning(answers.c.id)
    return set(connection.scalars(written))


def _put_back(connection: Connection, answer_ids: Iterable[int]) -> int:
    """Forget that the answers to the newest transfer on these answers' names were written."""
    concerned = select(transfers.c.source, transfers.c.name).join(answers)
    names = connection.execute(concerned.where(answers.c.id.in_(list(answer_ids))).distinct())
    count = 0
    for source, name in names.all():
        told = (transfers.c.source == source, transfers.c.name == name)
        newest = select(func.max(transfers.c.id)).join(answers).where(*told)
        again = update(answers).where(
            answers.c.transfer_id == newest.scalar_subquery(), answers.c.written_at.is_not(None)
        )
        count += connection.execute(again.values(written_at=None)).rowcount
    return count


def find(connection: Connection, transfer_id: int, kind: AnswerKind) -> Answer | None:
    """One transfer's answer of one kind, with its body."""
    found = _find_row(connection, transfer_id, kind)
    if found is None or found.body is not None:
        return found
    return replace(found, body=body_of(connection, found.id))


def is_given(connection: Connection, transfer_id: int, kind: AnswerKind) -> bool:
    """Whether this transfer was told so; reads no body."""
    told = {"by_transfer_id": transfer_id, "by_kind": kind}
    return connection.execute(_DIGEST, told).first() is not None


def of_transfer(connection: Connection, transfer_id: int) -> list[Answer]:
    """Everything one transfer was told, in order; long ones without their bodies."""
    query = _JOINED.where(answers.c.transfer_id == transfer_id).order_by(answers.c.id)
    return _answers(connection, query)


def signatures(connection: Connection, transfer_ids: Iterable[int]) -> dict[int, frozenset[bytes]]:
    """The signatures of everything each transfer was told."""
    wanted = list(transfer_ids)
    told: dict[int, set[bytes]] = {transfer_id: set() for transfer_id in wanted}
    query = select(answers.c.transfer_id, answers.c.signature).where(
        answers.c.transfer_id.in_(wanted)
    )
    for transfer_id, signature in connection.execute(query):
        told[transfer_id].add(bytes(signature))
    return {transfer_id: frozenset(each) for transfer_id, each in told.items()}


def _insert(connection: Connection, transfer_id: int, answer: NewAnswer, at: str) -> int | None:
    """The number of the new row; None if there is one with this body. Raises AnswerConflict."""
    assert len(answer.signature) == 64, transfer_id
    values = {
        "transfer_id": transfer_id,
        "kind": answer.kind,
        "body": answer.body,
        "body_sha256": answer.body_sha256,
        "signature": answer.signature,
        "created_at": at,
    }
    new = insert_new(connection, answers, _Given, values)
    if new is not None:
        return _Given(*new).id
    given = connection.execute(_DIGEST, {"by_transfer_id": transfer_id, "by_kind": answer.kind})
    if given.scalar_one() != answer.body_sha256:
        raise AnswerConflict(
            f"transfer {transfer_id} was already answered `{answer.kind}` with other bytes; "
            "what was said stands"
        )
    return None


def _find_row(connection: Connection, transfer_id: int, kind: AnswerKind) -> Answer | None:
    row = connection.execute(_BY_KIND, {"by_transfer_id": transfer_id, "by_kind": kind}).mappings()
    found = row.one_or_none()
    return None if found is None else Answer(**found)


def _answers(connection: Connection, query: Select[tuple[Answer]]) -> list[Answer]:
    return [Answer(**row) for row in connection.execute(query).mappings()]
