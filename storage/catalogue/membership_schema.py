"""The tables `layouts`, `members` and `moves`: who belongs to the archive, and what moves.

docs/formats/layout.md, docs/operations/membership.md. Columns are explained as in schema.py, which
calls this.
"""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from storage.catalogue.columns import Exact, Moment, Word, column


class MoveState(StrEnum):
    """Where moving one copy stands."""

    MOVING = "moving"  # ordered; a keeper that died leaves it so, and the next one orders it again
    DONE = "done"
    FAILED = "failed"


def membership_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """The three tables, in the order of this module's name for them."""
    layouts = Table(
        "layouts",
        metadata,
        Column(
            "version", BigInteger, primary_key=True, autoincrement=False, doc="1, 2, …: none twice."
        ),
        column("payload", LargeBinary, "The layout's exact bytes, as the keeper signed them."),
        column("signature", LargeBinary, "The keeper's Ed25519 over them, 64 bytes."),
        column("made_at", Moment, "When it was made; also in the payload."),
        info={"kind": "ledger"},
    )
    members = Table(
        "members",
        metadata,
        Column("node", Exact, primary_key=True, doc="A node, by its configured name."),
        column("layout_version", BigInteger, "The highest layout that it signed for; 0: none."),
        column(
            "node_uuid", String(36), "The volume that signed; another one is told anew. May be ''."
        ),
        column("acked_at", Moment, "When the keeper had its signature; empty before the first."),
        column(
            "transfers_before",
            BigInteger,
            "The highest transfer number when it signed: a later one heeds that layout there.",
        ),
        column(
            "sweep_cycle",
            BigInteger,
            "Its sweep's number when it came back: only a later one verifies it. NULL: it did not "
            "come back, or has been verified.",
            null=True,
        ),
        info={"kind": "site"},
    )
    moves = Table(
        "moves",
        metadata,
        Column("object_id", Exact, primary_key=True, doc="So one copy of it moves at a time."),
        column("target", Exact, "The node that gets the copy."),
        column("leaving", Exact, "The node in whose place it does."),
        column("state", Word(MoveState), "moving, done or failed."),
        column("attempts", Integer, "Tries that failed in a row; 0 once it is done."),
        column(
            "not_before",
            Moment,
            "Until then the object is left alone: after a move for min_part_hours, after a failure "
            "for a while. Rows of `done` moves are removed after it.",
        ),
        column("reason", Text, "Why the last try failed; empty otherwise."),
        Index("ix_moves_state", "state", "not_before"),
        info={"kind": "site"},
    )
    return layouts, members, moves
