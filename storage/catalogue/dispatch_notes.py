"""Dispatch notes: what a source says it sent, held against what came (docs/formats/tally.md).

Functions take a connection inside a transaction. Comparing only reads, and says what is to be
recorded: a note of 50 000 lines must not keep the one writer of the catalogue busy.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from storage.catalogue import events
from storage.catalogue.dispatch_schema import LineState, NoteState
from storage.catalogue.model import Actor, NewEvent, PackageState, TransferState
from storage.catalogue.schema import dispatch_lines, dispatch_notes, packages, transfers
from storage.errors import Refusal

_N, _L = dispatch_notes.c, dispatch_lines.c
_SENT_BACK = frozenset({TransferState.REJECTED, TransferState.WITHDRAWN})
_STORED = frozenset({TransferState.STORED, TransferState.AWAITING_REGISTRATION})
_JUDGED = _STORED | {TransferState.DIVIDED}
_BATCH, _PART = transfers.alias("batch"), transfers.alias("part")
_SERIALISED = (".tar.gz", ".tgz", ".tar", ".zip")
_SET_STATE = (
    update(dispatch_lines)
    .where(_L.note_id == bindparam("by_note"), _L.line == bindparam("by_line"))
    .values(state=bindparam("new_state", type_=_L.state.type))
)


class NoSuchNote(Refusal):
    """No open note of that source has that name."""

    code = "no-such-note"


@dataclass(frozen=True, slots=True)
class DispatchLine:
    """One package as its sender states it; None where it states nothing."""

    line: int
    identifier: str
    file_count: int | None
    content_bytes: int | None


@dataclass(frozen=True, slots=True)
class GapCounts:
    """How many are in which state. Only `matched` is no part of the gap."""

    matched: int = 0
    under_way: int = 0
    missing: int = 0
    different: int = 0
    surplus: int = 0

    @property
    def gap(self) -> int:
        return self.under_way + self.missing + self.different + self.surplus


@dataclass(frozen=True, slots=True)
class Note:
    """One dispatch note on record."""

    id: int
    source: str
    name: str
    name_raw: bytes
    sha256: str
    state: NoteState
    reason: str
    transfers_before: int
    matched: int
    under_way: int
    missing: int
    different: int
    surplus: int
    taken_at: str
    changed_at: str
    closed_at: str | None

    @property
    def counts(self) -> GapCounts:
        return GapCounts(self.matched, self.under_way, self.missing, self.different, self.surplus)


@dataclass(frozen=True, slots=True)
class NoteFile:
    """A note as it lies in the drop folder."""

    source: str
    name: str
    name_raw: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a note comes to now: the lines that have another state than before, and the counts."""

    changes: tuple[tuple[int, LineState], ...]
    counts: GapCounts


@dataclass(frozen=True, slots=True)
class GapEntry:
    """One package of the gap, with what was stated and what is stored."""

    kind: Literal["missing", "different", "surplus", "under-way"]
    identifier: str
    expected: tuple[int | None, int | None] | None = None
    received: tuple[int | None, int | None] | None = None


@dataclass(frozen=True, slots=True)
class SourceGap:
    """The gap of all open notes of one source."""

    source: str
    counts: GapCounts = GapCounts()
    oldest_taken_at: str | None = None  # of an open one that has a gap


def take_in(connection: Connection, file: NoteFile, lines: Sequence[DispatchLine], at: str) -> Note:
    """Put a note on record, in place of an open one of its name."""
    _replace(connection, file, at)
    before = connection.scalar(select(func.max(transfers.c.id))) or 0
    counts = GapCounts(missing=len(lines))
    number = _insert(
        connection, file, NoteState.OPEN, at, transfers_before=before, **asdict(counts)
    )
    if lines:
        connection.execute(insert(dispatch_lines), [_row(number, line) for line in lines])
    return get(connection, number)


def refuse(connection: Connection, file: NoteFile, reason: str, at: str) -> Note:
    """Put on record that a note could not be read, and why. An open one of its name stays."""
    counts = asdict(GapCounts())
    number = _insert(
        connection, file, NoteState.REFUSED, at, reason=reason, transfers_before=0, **counts
    )
    return get(connection, number)


def get(connection: Connection, number: int) -> Note:
    """The note of this number, which must exist."""
    return Note(
        **connection.execute(select(dispatch_notes).where(_N.id == number)).mappings().one()
    )


def latest(connection: Connection, source: str, name_raw: bytes) -> Note | None:
    """The last note of this name, whatever became of it."""
    query = select(dispatch_notes).where(_N.source == source, _N.name_raw == name_raw)
    row = connection.execute(query.order_by(_N.id.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else Note(**row)


def open_notes(connection: Connection, source: str | None = None) -> list[Note]:
    """The notes that are open, oldest first."""
    query = select(dispatch_notes).where(_N.state == NoteState.OPEN).order_by(_N.id)
    if source is not None:
        query = query.where(_N.source == source)
    return [Note(**row) for row in connection.execute(query).mappings()]


def compare(connection: Connection, note: Note) -> Comparison:
    """Hold the note against what came. Reads only."""
    stored = _stored(connection, note)
    under_way = _under_way(connection, note.source)
    changes, counts = [], Counter({LineState.MATCHED: 0})
    query = select(dispatch_lines).where(_L.note_id == note.id).order_by(_L.line)
    for row in connection.execute(query):
        state = row.state
        if state is not LineState.MATCHED:
            expected = (row.file_count, row.content_bytes)
            state = line_state(expected, stored.get(row.line, ()), row.identifier in under_way)
        if state is not row.state:
            changes.append((row.line, state))
        counts[state] += 1
    unsaid = list(_unsaid(connection, note))
    return Comparison(
        tuple(changes),
        GapCounts(
            matched=counts[LineState.MATCHED],
            under_way=counts[LineState.UNDER_WAY] + unsaid.count(None),
            missing=counts[LineState.MISSING],
            different=counts[LineState.DIFFERENT],
            surplus=len(unsaid) - unsaid.count(None),
        ),
    )


def line_state(
    expected: tuple[int | None, int | None],
    stored: Iterable[tuple[int | None, int | None]],
    is_under_way: bool,
) -> LineState:
    """What a line comes to, from the file counts and bytes of what is stored. Pure."""
    stored = list(stored)
    for one in stored:
        if all(said in (None, found) for said, found in zip(expected, one, strict=True)):
            return LineState.MATCHED
    if is_under_way:
        return LineState.UNDER_WAY
    return LineState.DIFFERENT if stored else LineState.MISSING


def record(connection: Connection, note: Note, comparison: Comparison, at: str) -> Note:
    """Put on record what `compare` found; a note without a gap is closed by that."""
    changes = [
        {"by_note": note.id, "by_line": line, "new_state": state}
        for line, state in comparison.changes
    ]
    if changes:
        connection.execute(_SET_STATE, changes)
    values: dict[str, Any] = asdict(comparison.counts) | {"changed_at": at}
    if comparison.counts.gap == 0:
        values |= {"state": NoteState.CLOSED, "closed_at": at}
    is_open = (_N.id == note.id, _N.state == NoteState.OPEN)
    connection.execute(update(dispatch_notes).where(*is_open).values(values))
    return get(connection, note.id)


def close(
    connection: Connection, source: str, name: str, reason: str, actor: Actor, at: str
) -> Note:
    """Close a note with its gap, by a person's order; on record. Raises NoSuchNote."""
    query = select(_N.id).where(_N.source == source, _N.name == name, _N.state == NoteState.OPEN)
    number = connection.scalar(query)
    if number is None:
        raise NoSuchNote(f"{source} has no open note {name!r}: see `lantai tally {source}`")
    values = {"state": NoteState.CLOSED, "reason": reason, "closed_at": at, "changed_at": at}
    connection.execute(update(dispatch_notes).where(_N.id == number).values(values))
    detail = json.dumps({"source": source, "note": name, "reason": reason}, ensure_ascii=False)
    event = NewEvent(act="note.closed", outcome="done", detail=detail)
    events.append(connection, event, actor, at)
    return get(connection, number)


def gap(connection: Connection, note: Note, limit: int) -> list[GapEntry]:
    """The packages of the gap: lines first, in their order; then surplus. At most `limit`."""
    stored = _stored(connection, note)
    query = select(dispatch_lines).where(_L.note_id == note.id, _L.state != LineState.MATCHED)
    found = []
    for row in connection.execute(query.order_by(_L.line).limit(limit)):
        is_different = row.state is LineState.DIFFERENT
        found.append(
            GapEntry(
                row.state,
                row.identifier,
                (row.file_count, row.content_bytes) if is_different else None,
                stored[row.line][-1] if is_different and row.line in stored else None,
            )
        )
    named = sorted(identifier for identifier in _unsaid(connection, note) if identifier is not None)
    return [*found, *(GapEntry("surplus", each) for each in named)][:limit]


def gaps_by_source(connection: Connection) -> list[SourceGap]:
    """The gaps of all open notes, for the metrics."""
    totals: dict[str, tuple[Counter[str], str | None]] = {}
    for note in open_notes(connection):
        counts, oldest = totals.get(note.source, (Counter(), None))
        counts.update(asdict(note.counts))
        totals[note.source] = (counts, oldest or (note.taken_at if note.counts.gap else None))
    return [
        SourceGap(source, GapCounts(**counts), oldest)
        for source, (counts, oldest) in totals.items()
    ]


def _replace(connection: Connection, file: NoteFile, at: str) -> None:
    is_before = (_N.source == file.source, _N.name_raw == file.name_raw)
    values = {"state": NoteState.REPLACED, "changed_at": at, "closed_at": at}
    change = update(dispatch_notes).where(*is_before, _N.state == NoteState.OPEN)
    connection.execute(change.values(values))


def _insert(
    connection: Connection, file: NoteFile, state: NoteState, at: str, **values: Any
) -> int:
    row = asdict(file) | {"reason": "", "state": state, "taken_at": at, "changed_at": at} | values
    inserted = connection.execute(insert(dispatch_notes).returning(_N.id), row)
    return int(inserted.scalar_one())


def _row(note_id: int, line: DispatchLine) -> dict[str, Any]:
    return {
        "note_id": note_id,
        "line": line.line,
        "identifier": line.identifier,
        "file_count": line.file_count,
        "content_bytes": line.content_bytes,
        "state": LineState.MISSING,
    }


def _stored(connection: Connection, note: Note) -> dict[int, list[tuple[int | None, int | None]]]:
    """The sender's files and bytes of every stored version that an unmatched line names."""
    query = (
        select(_L.line, transfers.c.file_count, transfers.c.content_bytes)
        .join(
            packages,
            and_(packages.c.source == note.source, packages.c.identifier == _L.identifier),
        )
        .join(transfers, transfers.c.id == packages.c.transfer_id)
        .where(_L.note_id == note.id, _L.state != LineState.MATCHED)
        .where(packages.c.state == PackageState.STORED)
        .order_by(_L.line, packages.c.version)
    )
    found: dict[int, list[tuple[int | None, int | None]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.line, []).append((row.file_count, row.content_bytes))
    return found


def _under_way(connection: Connection, source: str) -> set[str]:
    """What open transfers of the source may be called: by their name before they are judged."""
    query = select(transfers.c.identifier, transfers.c.name).where(
        transfers.c.source == source,
        transfers.c.closed_at.is_(None),
        transfers.c.state.not_in(_SENT_BACK | _STORED),
    )
    found: set[str] = set()
    for row in connection.execute(query):
        found.update({row.identifier} if row.identifier else _possible_identifiers(row.name))
    return found


def _possible_identifiers(name: str) -> set[str]:
    name = name.rpartition("/")[2]  # a part of a batch is called <batch>/<part>
    lower = name.lower()
    return {name} | {name[: -len(each)] for each in _SERIALISED if lower.endswith(each)}


def _unsaid(connection: Connection, note: Note) -> Iterator[str | None]:
    """What came between the note before and this one and stands on none; None: not judged yet."""
    counted = (NoteState.OPEN, NoteState.CLOSED)
    first = select(func.max(_N.transfers_before)).where(
        _N.source == note.source, _N.id < note.id, _N.state.in_(counted)
    )
    after = connection.scalar(first)
    if after is None:
        return
    said = (
        select(_L.line)
        .join(dispatch_notes, _N.id == _L.note_id)
        .where(_N.source == note.source, _N.state.in_(counted))
    )
    is_judged = transfers.c.identifier.is_not(None)
    is_open = transfers.c.closed_at.is_(None) & transfers.c.state.not_in(_JUDGED)
    query = select(transfers.c.identifier, transfers.c.name).where(
        transfers.c.id > after,
        transfers.c.id <= note.transfers_before,
        transfers.c.source == note.source,
        transfers.c.state.not_in(_SENT_BACK),
        is_judged | is_open,
        ~said.where(_L.identifier == transfers.c.identifier).exists(),
        # A batch is said by its parts, and a part by its batch.
        ~said.join(_BATCH, _BATCH.c.identifier == _L.identifier)
        .where(_BATCH.c.id == transfers.c.batch_id)
        .exists(),
        ~said.join(_PART, _PART.c.identifier == _L.identifier)
        .where(_PART.c.batch_id == transfers.c.id)
        .exists(),
    )
    named: set[str] = set()
    for identifier, name in connection.execute(query):
        if identifier is None:
            by_name = said.where(_L.identifier.in_(_possible_identifiers(name)))
            if connection.execute(by_name.limit(1)).first() is None:
                yield None
        elif identifier not in named:
            named.add(identifier)
            yield identifier
