"""Many hosts: who belongs to the archive, what moves between nodes, what was told to them.

What the tables mean stands in storage/catalogue/schema.py.
"""

import sqlalchemy as sa
from alembic import op

from storage.catalogue.migrations.tree_of_copies import create_tree_of_copies

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.String(length=27)


def upgrade() -> None:
    _create_membership()
    _create_chronicle()
    create_tree_of_copies()
    op.add_column("volumes", sa.Column("cycles_before", sa.BigInteger(), nullable=True))


def _create_membership() -> None:
    op.create_table(
        "layouts",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_layouts")),
    )
    op.create_table(
        "members",
        sa.Column("node", EXACT, nullable=False),
        sa.Column("layout_version", sa.BigInteger(), nullable=False),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("acked_at", MOMENT, nullable=False),
        sa.Column("transfers_before", sa.BigInteger(), nullable=False),
        sa.Column("sweep_cycle", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_members")),
    )
    op.create_table(
        "moves",
        sa.Column("object_id", EXACT, nullable=False),
        sa.Column("target", EXACT, nullable=False),
        sa.Column("leaving", EXACT, nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_moves")),
    )
    op.create_index("ix_moves_state", "moves", ["state", "not_before"])


def _create_chronicle() -> None:
    op.create_table(
        "told",
        sa.Column("node", EXACT, nullable=False),
        sa.Column("event_sequence", sa.BigInteger(), nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_told")),
    )
