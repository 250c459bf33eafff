"""Take in what nodes have on record: pages of the ledger, and what each node signed for itself.

docs/formats/chronicle.md, docs/formats/journal.md. Journals come in any order of nodes and each
from its beginning; what two of them say differently of one thing is noted as a disagreement, never
chosen in silence. What follows from it all is replay_settling.py's.
"""

import base64
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or

from storage.catalogue import scratch
from storage.catalogue.row_images import values_of
from storage.catalogue.scratch import Scratch
from storage.chronicle.bytes_told import read_bytes
from storage.chronicle.page import EVENT_MEMBERS, SLICES, PageMalformed, Row, unpack
from storage.model import SignedAnswer

# node, signed answer → whether it is signed with the key that this node has by our own list
Verify = Callable[[str, SignedAnswer], bool]


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One record of a node's journal, whose chain has been checked."""

    sequence: int
    at: str
    kind: str
    members: Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where nodes, or a node and the ledger, say different things of one object or act."""

    subject: str
    node: str
    code: str
    detail: str


class _Answer(msgspec.Struct, frozen=True):
    """Of a node's answer, what the catalogue keeps in columns."""

    domain: str
    object_id: str
    version: int
    inventory_sha256: str
    verify_mode: str
    committed_at: str


class Replay:
    """Fills one scratch database."""

    def __init__(self, target: Scratch, verify: Verify) -> None:
        self._catalogue = target.catalogue
        self._verify = verify

    def take(self, node: str, records: Sequence[JournalRecord]) -> None:
        """Take in some records of one node, in their order, in one transaction."""
        with self._catalogue.writing() as connection:
            _count(connection, node, len(records))
            for record in records:
                self._take_one(connection, node, record)

    def broken(self, node: str, reason: str) -> None:
        """Note that the rest of a node's journal cannot be read, or is not to be had."""
        with self._catalogue.writing() as connection:
            disagree(connection, node, node, "journal-unreadable", reason)

    def _take_one(self, connection: Connection, node: str, record: JournalRecord) -> None:
        match record.kind:
            case "told":
                _take_page(connection, node, record)
            case "committed" | "mended":
                self._take_copy(connection, node, record)
            case "finding":
                _take_finding(connection, node, record)
            case "epoch" if record.members["scope"] == "keeper":
                _note_node(connection, node, {"epoch": record.members["epoch"]})

    def _take_copy(self, connection: Connection, node: str, record: JournalRecord) -> None:
        raw = base64.b64decode(str(record.members["answer_base64"]))
        answer = SignedAnswer(raw[64:], raw[:64])
        subject = str(record.members["object_id"])
        if not self._verify(node, answer):
            disagree(connection, subject, node, "answer-unsigned", "its own journal holds it so")
            return
        said = msgspec.json.decode(answer.payload, type=_Answer)
        members = {name: record.members[name] for name in ("op_id", "file_list_sha256")}
        counts = {name: record.members[name] for name in ("file_count", "content_bytes")}
        values = members | counts | msgspec.structs.asdict(said)
        values |= {"node": node, "answer": answer.payload, "signature": answer.signature}
        _upsert(connection, scratch.said_copies, [values])


def disagree(connection: Connection, subject: str, node: str, code: str, detail: str) -> None:
    """Note that nodes, or a node and the ledger, say different things."""
    values = {"subject": subject, "node": node, "code": code, "detail": detail}
    connection.execute(insert(scratch.disagreements), values)


def disagreements_of(target: Scratch) -> list[Disagreement]:
    """All of them, in the order of finding."""
    table = scratch.disagreements
    query = select(table.c.subject, table.c.node, table.c.code, table.c.detail).order_by(table.c.id)
    with target.catalogue.reading() as connection:
        return [Disagreement(*row) for row in connection.execute(query)]


def _take_page(connection: Connection, node: str, record: JournalRecord) -> None:
    members = record.members
    as_of = members["as_of"]
    assert isinstance(as_of, int)
    try:
        rows = list(unpack(base64.b64decode(str(members["page_base64"]))))
        by_table = _values_by_table(rows)
    except (PageMalformed, ValueError) as error:
        reason = f"record {record.sequence}: {error}"
        disagree(connection, node, node, "page-unreadable", reason)
        return
    for name, values in by_table.items():
        if name == SLICES:
            _ignore(connection, scratch.slices, values)
        elif name == "events":
            _take_events(connection, node, values)
        else:
            _take_images(connection, scratch.images[name], values, as_of)
    position = {name: members[name] for name in ("event_sequence", "answer_id", "chain")}
    _note_node(connection, node, position)


def _values_by_table(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    by_table: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row.table == SLICES:
            by_table[SLICES].append({**row.values, "body": read_bytes(row.values["body"])})
        elif row.table == "events" or row.table in scratch.images:
            by_table[row.table].append(values_of(row))
    return by_table


def _take_events(connection: Connection, node: str, told: Sequence[dict[str, Any]]) -> None:
    """Each event once; one that another node was told otherwise is a disagreement."""
    table = scratch.events
    numbers = [event["sequence"] for event in told]
    query = select(table).where(table.c.sequence.in_(numbers))
    known = {row["sequence"]: dict(row) for row in connection.execute(query).mappings()}
    new = [event for event in told if event["sequence"] not in known]
    if new:
        connection.execute(insert(table), new)
    for event in told:
        other = known.get(event["sequence"])
        if other is not None and any(other[name] != event[name] for name in EVENT_MEMBERS):
            subject = f"event {event['sequence']}"
            disagree(connection, subject, node, "event-differs", "another node was told otherwise")


def _take_images(
    connection: Connection, table: Table, told: Sequence[dict[str, Any]], as_of: int
) -> None:
    """A row is what its latest image says; a page may bring one twice."""
    columns = [column.name for column in table.c]
    rows = [{name: row.get(name) for name in columns} | {"as_of": as_of} for row in told]
    _upsert(connection, table, rows, only_later=True)


def _take_finding(connection: Connection, node: str, record: JournalRecord) -> None:
    members = record.members
    values = {name: members.get(name) or "" for name in ("path", "detail", "evidence")}
    values |= {"node": node, "sequence": record.sequence}
    _ignore(connection, scratch.said_findings, [values])


def _note_node(connection: Connection, node: str, values: Mapping[str, Any]) -> None:
    _upsert(connection, scratch.said_nodes, [{"node": node, **values}])


def _count(connection: Connection, node: str, more: int) -> None:
    table = scratch.said_nodes
    statement = insert_or(table).values(
        node=node, event_sequence=0, answer_id=0, chain="0" * 64, epoch=1, records=more
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.node], set_={"records": table.c.records + more}
        )
    )


def _upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    only_later: bool = False,
) -> None:
    """Insert, or replace the members that are given."""
    statement = insert_or(table)
    keys = list(table.primary_key.columns)
    given = [name for name in rows[0] if name not in table.primary_key.columns]
    statement = statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: statement.excluded[name] for name in given},
        where=statement.excluded["as_of"] >= table.c["as_of"] if only_later else None,
    )
    connection.execute(statement, [dict(row) for row in rows])


def _ignore(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    statement = insert_or(table).on_conflict_do_nothing()
    connection.execute(statement, [dict(row) for row in rows])
