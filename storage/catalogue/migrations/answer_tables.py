"""The tables of what senders are told.

docs/formats/catalogue.md (`answers`, `answer_pieces`). Frozen like the revision that calls it.
"""

import sqlalchemy as sa
from alembic import op

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.String(length=27)
WORD64 = sa.String(length=64)


def create_answer_tables() -> None:
    """Make both, empty."""
    _create_answers()
    _create_answer_pieces()


def _create_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("transfer_id", NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("body_sha256", WORD64, nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("written_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_answers_transfer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        sa.UniqueConstraint("transfer_id", "kind", name=op.f("uq_answers_transfer_id_kind")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_answers_outbox",
        "answers",
        ["id"],
        unique=False,
        sqlite_where=sa.text("written_at IS NULL"),
        postgresql_where=sa.text("written_at IS NULL"),
    )


def _create_answer_pieces() -> None:
    op.create_table(
        "answer_pieces",
        sa.Column("answer_id", NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("piece", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["answers.id"], name=op.f("fk_answer_pieces_answer_id")
        ),
        sa.PrimaryKeyConstraint("answer_id", "number", name=op.f("pk_answer_pieces")),
    )
