"""The outbox: what senders are told, kept as signed, written to their return folders from here.

docs/formats/answers.md. An answer is given in the transaction of what it says, and never changes.
Signing is the notary's affair, writing files ingest_watch's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Select, bindparam, select, update

from storage.catalogue.errors import AnswerConflict
from storage.catalogue.model import Answer, AnswerKind, NewAnswer
from storage.catalogue.schema import answers, transfers
from storage.catalogue.statements import insert_new

_COLUMNS = (*answers.c, transfers.c.source, transfers.c.name, transfers.c.name_raw)
_JOINED = select(*_COLUMNS).join(transfers, transfers.c.id == answers.c.transfer_id)

_OF_KIND = (
    answers.c.transfer_id == bindparam("by_transfer_id"),
    answers.c.kind == bindparam("by_kind"),
)
_BY_KIND = _JOINED.where(*_OF_KIND)
_DIGEST = select(answers.c.body_sha256).where(*_OF_KIND)

_WRITTEN = (
    update(answers)
    .where(answers.c.id == bindparam("by_id"), answers.c.written_at.is_(None))
    .values(written_at=bindparam("new_written_at"))
)


@dataclass(frozen=True, slots=True)
class _Given:
    """What is asked back of a new row."""

    id: int


def give(connection: Connection, transfer_id: int, answer: NewAnswer, at: str) -> None:
    """Put an answer into the outbox. Idempotent: the first one of its kind stays as it is.

    Raises AnswerConflict if there is one with another body.
    """
    assert len(answer.signature) == 64, transfer_id
    values = {
        "transfer_id": transfer_id,
        "kind": answer.kind,
        "body": answer.body,
        "body_sha256": answer.body_sha256,
        "signature": answer.signature,
        "created_at": at,
    }
    # Neither here nor below is the body read again: it may be as long as a list of files.
    insert_new(connection, answers, _Given, values)
    given = connection.execute(_DIGEST, {"by_transfer_id": transfer_id, "by_kind": answer.kind})
    if given.scalar_one() != answer.body_sha256:
        raise AnswerConflict(
            f"transfer {transfer_id} was already answered `{answer.kind}` with other bytes; "
            "what was said stands"
        )


def repeat_stored(connection: Connection, first_id: int, transfer_id: int, at: str) -> None:
    """Give `transfer_id` the stored receipt of the transfer `first_id`, byte for byte."""
    first = find(connection, first_id, AnswerKind.STORED)
    assert first is not None, f"transfer {first_id} is stored without a receipt"
    same = NewAnswer(AnswerKind.STORED, first.body, first.body_sha256, first.signature)
    give(connection, transfer_id, same, at)


def outbox(connection: Connection, *, after: int = 0, limit: int = 100) -> list[Answer]:
    """Answers not yet in their return folders, oldest first."""
    query = _JOINED.where(answers.c.written_at.is_(None), answers.c.id > after)
    return _answers(connection, query.order_by(answers.c.id).limit(limit))


def mark_written(connection: Connection, answer_ids: Iterable[int], at: str) -> None:
    """Note that both files of each answer are fsynced in the return folder. Idempotent."""
    rows = [{"by_id": answer_id, "new_written_at": at} for answer_id in answer_ids]
    if rows:
        connection.execute(_WRITTEN, rows)


def find(connection: Connection, transfer_id: int, kind: AnswerKind) -> Answer | None:
    """One transfer's answer of one kind."""
    row = connection.execute(_BY_KIND, {"by_transfer_id": transfer_id, "by_kind": kind}).mappings()
    found = row.one_or_none()
    return None if found is None else Answer(**found)


def of_transfer(connection: Connection, transfer_id: int) -> list[Answer]:
    """Everything one transfer was told, in order."""
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


def _answers(connection: Connection, query: Select[tuple[Answer]]) -> list[Answer]:
    return [Answer(**row) for row in connection.execute(query).mappings()]
