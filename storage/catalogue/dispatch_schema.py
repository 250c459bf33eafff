"""The tables of dispatch notes (发送清单), apart from schema.py, which takes them in.

docs/formats/tally.md. What their functions promise is dispatch_notes.py's.
"""

from enum import StrEnum

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table
from sqlalchemy import Text as SqlText

from storage.catalogue.columns import Exact, Moment, Number, Sha256, Word, column, number


class NoteState(StrEnum):
    """What became of one dispatch note."""

    OPEN = "open"
    CLOSED = "closed"
    REPLACED = "replaced"  # by another of its name
    REFUSED = "refused"  # it could not be read


class LineState(StrEnum):
    """What became of one line of a note. All but `matched` are part of the gap."""

    MATCHED = "matched"
    UNDER_WAY = "under-way"
    MISSING = "missing"
    DIFFERENT = "different"


def dispatch_tables(metadata: MetaData) -> tuple[Table, Table]:
    """The tables `dispatch_notes` and `dispatch_lines`."""
    notes = Table(
        "dispatch_notes",
        metadata,
        number("Order of taking in."),
        column("source", Exact, "Who says that it sent."),
        column("name", Exact, "The file's name; percent-escaped when not UTF-8."),
        column("name_raw", LargeBinary, "The same as bytes on disk."),
        column("sha256", Sha256, "Of the file: the same note is not taken in twice."),
        column("state", Word(NoteState), "open, closed, replaced, refused."),
        column("reason", SqlText, "Why it was refused or closed by a person; else empty."),
        column(
            "transfers_before",
            BigInteger,
            "The highest transfer number when it was taken in: what came since the note before is "
            "surplus unless some note names it.",
        ),
        column("matched", Integer, "Lines that are stored as stated, as last compared."),
        column("under_way", Integer, "Lines, and unsaid packages, that are not decided yet."),
        column("missing", Integer, "Lines of which nothing is here."),
        column("different", Integer, "Lines that are stored with other numbers."),
        column("surplus", Integer, "Packages that came and stand on no note."),
        column("taken_at", Moment, "When it was read."),
        column("changed_at", Moment, "When its figures or its state last changed."),
        column("closed_at", Moment, "When its gap was empty; NULL: open.", null=True),
        Index("ix_dispatch_notes_source", "source", "state", "id"),
        sqlite_autoincrement=True,
        info={"kind": "site"},
    )
    lines = Table(
        "dispatch_lines",
        metadata,
        Column("note_id", Number, ForeignKey("dispatch_notes.id"), primary_key=True, doc="Of it."),
        Column("line", Integer, primary_key=True, autoincrement=False, doc="Its number, from 1."),
        column("identifier", Exact, "What the sender calls the package."),
        column("file_count", BigInteger, "Its files as stated; NULL: not stated.", null=True),
        column("content_bytes", BigInteger, "Its bytes as stated; NULL: not stated.", null=True),
        column("state", Word(LineState), "As last compared; `matched` is for good."),
        Index("ix_dispatch_lines_identifier", "identifier", "note_id"),
        info={"kind": "site"},
    )
    return notes, lines
