"""The ledger as pages for the nodes: what was said since a position, and whether a node agrees.

docs/formats/chronicle.md. `events` and `answers` only grow, so two numbers say how much a node has
been told; with them go the rows of transfers, packages and copies that they speak of, as they are
now. Reads; sends nothing (replication/telling.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, func, insert, select, text, update

from storage.catalogue.layouts import LAYOUT_MADE
from storage.catalogue.leases import keeper_epoch
from storage.catalogue.row_images import image_of
from storage.catalogue.schema import (
    answer_pieces,
    answers,
    copies,
    events,
    layouts,
    packages,
    told,
    transfers,
)
from storage.chronicle.bytes_told import told_bytes
from storage.chronicle.page import (
    FIRST_CHAIN,
    PAGE_BYTES_MAX,
    SLICE_BYTES,
    SLICES,
    Page,
    Position,
    Row,
    chain_after,
    pack,
)

_EVENTS_AT_ONCE = 128
_ANSWERS_AT_ONCE = 32
_CHAINED_AT_ONCE = 1000


class Standing(StrEnum):
    """How the catalogue stands to what a node has been told."""

    LEVEL = "level"  # the node knows the catalogue's own past, whole or in part
    BEHIND = "catalogue-behind"  # the node was told what this catalogue does not have
    FORKED = "catalogue-forked"  # both have gone on from a common past, differently


@dataclass(frozen=True, slots=True)
class Horizon:
    """The last event and the last answer that nothing earlier can join any more."""

    event_sequence: int
    answer_id: int


@dataclass(frozen=True, slots=True)
class Sliced:
    """How much of a long answer has been told, ahead of the answer itself."""

    answer_id: int = 0
    told_bytes: int = 0


def ends(connection: Connection) -> Horizon:
    """The last event and answer that can be seen; on PostgreSQL earlier ones may still come."""
    last_event = connection.scalar(select(func.max(events.c.sequence)))
    return Horizon(last_event or 0, connection.scalar(select(func.max(answers.c.id))) or 0)


def horizon(connection: Connection) -> Horizon:
    """Up to where the ledger is closed. Needs a writing transaction.

    PostgreSQL gives numbers before it commits them: a moment without writers is waited for, in
    which nothing is under way. SQLite has one writer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE events, answers IN SHARE MODE"))
    return ends(connection)


def next_page(
    connection: Connection, after: Position, upto: Horizon, sliced: Sliced
) -> tuple[Page, Sliced] | None:
    """What comes behind `after`, as much as fits; None when all up to the horizon is told."""
    query = select(answers).where(answers.c.id > after.answer_id, answers.c.id <= upto.answer_id)
    given = _rows(connection, query.order_by(answers.c.id).limit(_ANSWERS_AT_ONCE))
    if given:
        length = _body_bytes(connection, given[0])
        if length > SLICE_BYTES and _told_of(sliced, given[0]) < length:
            return _slice(connection, after, upto, given[0], _told_of(sliced, given[0]))
        short = _leading_short(connection, given)
        return _fitting(connection, after, upto, _AnswerRows(short)), Sliced()
    query = select(events).where(
        events.c.sequence > after.event_sequence, events.c.sequence <= upto.event_sequence
    )
    done = _rows(connection, query.order_by(events.c.sequence).limit(_EVENTS_AT_ONCE))
    return (_fitting(connection, after, upto, _EventRows(done)), Sliced()) if done else None


def standing(connection: Connection, said: Position, epoch: int) -> Standing:
    """Judge a node that was told up to `said`, and has heard a keeper of this `epoch`."""
    last = ends(connection)
    if said.event_sequence > last.event_sequence or said.answer_id > last.answer_id:
        return Standing.BEHIND
    if chain_at(connection, said.event_sequence) != said.chain:
        return Standing.FORKED
    return Standing.BEHIND if epoch > keeper_epoch(connection) else Standing.LEVEL


def chain_at(connection: Connection, sequence: int) -> str:
    """The chain hash behind the event of this number, from the nearest one that is known."""
    known = select(told.c.event_sequence, told.c.chain).where(told.c.event_sequence <= sequence)
    nearest = connection.execute(
        known.order_by(told.c.event_sequence.desc()).limit(1)
    ).one_or_none()
    reached = 0 if nearest is None else int(nearest.event_sequence)
    chain = FIRST_CHAIN if nearest is None else str(nearest.chain)
    while reached < sequence:
        query = select(events).where(events.c.sequence > reached, events.c.sequence <= sequence)
        page = _rows(connection, query.order_by(events.c.sequence).limit(_CHAINED_AT_ONCE))
        if not page:
            break
        chain = chain_after(chain, [dict(row) for row in page])
        reached = page[-1]["sequence"]
    return chain


def note_told(connection: Connection, node: str, position: Position, at: str) -> None:
    """Remember how far a node is: what the next comparison begins at, and what figures show."""
    values = {
        "event_sequence": position.event_sequence,
        "answer_id": position.answer_id,
        "chain": position.chain,
        "told_at": at,
    }
    if not connection.execute(update(told).where(told.c.node == node).values(values)).rowcount:
        connection.execute(insert(told).values(node=node, **values))


def untold(connection: Connection, nodes: Sequence[str]) -> int:
    """How many events a majority of these nodes has not been told, at most."""
    query = select(told.c.node, told.c.event_sequence).where(told.c.node.in_(nodes))
    reached = {row.node: row.event_sequence for row in connection.execute(query)}
    by_most = sorted((reached.get(node, 0) for node in nodes), reverse=True)
    majority = by_most[len(nodes) // 2] if by_most else 0
    return max(0, ends(connection).event_sequence - majority)


class _AnswerRows:
    """Answers, and the transfers that they answer."""

    def __init__(self, given: Sequence[RowMapping]) -> None:
        self._given = given

    def __len__(self) -> int:
        return len(self._given)

    def reach(self, after: Position, count: int) -> Position:
        return replace(after, answer_id=self._given[count - 1]["id"])

    def rows(self, connection: Connection, count: int) -> Iterator[Row]:
        given = self._given[:count]
        yield from _images(connection, transfers, (row["transfer_id"] for row in given))
        for row in given:
            body = row["body"]
            if body is None or len(body) > SLICE_BYTES:
                yield image_of(answers, {**row, "body": None})
            else:
                yield image_of(answers, row)


class _EventRows:
    """Events, and the transfers, packages and copies that they speak of."""

    def __init__(self, done: Sequence[RowMapping]) -> None:
        self._done = done

    def __len__(self) -> int:
        return len(self._done)

    def reach(self, after: Position, count: int) -> Position:
        done = self._done[:count]
        chain = chain_after(after.chain, [dict(row) for row in done])
        return Position(done[-1]["sequence"], after.answer_id, chain)

    def rows(self, connection: Connection, count: int) -> Iterator[Row]:
        done = self._done[:count]
        named = packages.c.id.in_({row["package_id"] for row in done} - {None})
        concerned = _rows(connection, select(packages).where(named).order_by(packages.c.id))
        transfer_ids = [row["transfer_id"] for row in done]
        transfer_ids += [package["transfer_id"] for package in concerned]
        yield from _images(connection, transfers, transfer_ids)
        yield from (image_of(packages, package) for package in concerned)
        of_them = copies.c.package_id.in_([package["id"] for package in concerned])
        for row in _rows(connection, select(copies).where(of_them)):
            yield image_of(copies, row)
        made = layouts.c.made_at.in_([row["at"] for row in done if row["act"] == LAYOUT_MADE])
        for row in _rows(connection, select(layouts).where(made).order_by(layouts.c.version)):
            yield image_of(layouts, row)
        yield from (image_of(events, row) for row in done)


def _fitting(
    connection: Connection, after: Position, upto: Horizon, told_rows: "_AnswerRows | _EventRows"
) -> Page:
    """As many of them as one page holds, at least one."""
    count = len(told_rows)
    while True:
        body = pack(told_rows.rows(connection, count))
        if len(body) <= PAGE_BYTES_MAX or count == 1:
            break
        count = max(1, count // 2)
    assert len(body) <= PAGE_BYTES_MAX, "one event or one answer fits a page"
    return Page(after, told_rows.reach(after, count), upto.event_sequence, body)


def _slice(
    connection: Connection, after: Position, upto: Horizon, answer: RowMapping, begun: int
) -> tuple[Page, Sliced]:
    data = _body_slice(connection, answer, begun)
    members = {"answer_id": answer["id"], "offset": begun, "body": told_bytes(data)}
    body = pack([Row(SLICES, members)])
    sliced = Sliced(answer["id"], begun + len(data))
    return Page(after, after, upto.event_sequence, body), sliced


def _told_of(sliced: Sliced, answer: RowMapping) -> int:
    return sliced.told_bytes if sliced.answer_id == answer["id"] else 0


def _leading_short(connection: Connection, given: Sequence[RowMapping]) -> list[RowMapping]:
    """The answers up to the next one that must be told in slices first."""
    short = [given[0]]
    for answer in given[1:]:
        if _body_bytes(connection, answer) > SLICE_BYTES:
            break
        short.append(answer)
    return short


def _body_bytes(connection: Connection, answer: RowMapping) -> int:
    if answer["body"] is not None:
        return len(answer["body"])
    query = select(func.sum(func.length(answer_pieces.c.piece)))
    return connection.scalar(query.where(answer_pieces.c.answer_id == answer["id"])) or 0


def _body_slice(connection: Connection, answer: RowMapping, begun: int) -> bytes:
    if answer["body"] is not None:
        return bytes(answer["body"][begun : begun + SLICE_BYTES])
    reached = 0
    query = select(answer_pieces.c.number, func.length(answer_pieces.c.piece).label("length"))
    query = query.where(answer_pieces.c.answer_id == answer["id"]).order_by(answer_pieces.c.number)
    for row in connection.execute(query).all():
        if begun < reached + row.length:
            piece = select(answer_pieces.c.piece).where(
                answer_pieces.c.answer_id == answer["id"], answer_pieces.c.number == row.number
            )
            found = bytes(connection.scalar(piece) or b"")
            return found[begun - reached : begun - reached + SLICE_BYTES]
        reached += row.length
    return b""


def _images(connection: Connection, table: Table, numbers: Iterable[int | None]) -> Iterator[Row]:
    wanted = sorted({number for number in numbers if number is not None})
    for row in _rows(connection, select(table).where(table.c.id.in_(wanted)).order_by(table.c.id)):
        yield image_of(table, row)


def _rows(connection: Connection, query: Select[Any]) -> list[RowMapping]:
    return list(connection.execute(query).mappings())
