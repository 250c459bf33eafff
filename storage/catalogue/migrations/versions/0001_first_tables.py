"""The first tables.

Frozen: what they mean stands in storage/catalogue/schema.py, what changes is a new revision. The
ledger of events is append-only: the database itself refuses to change or delete what is recorded.
"""

import sqlalchemy as sa
from alembic import op

from storage.catalogue.migrations.answer_tables import create_answer_tables
from storage.catalogue.migrations.append_only import make_baselines_append_only

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.String(length=27)
WORD64 = sa.String(length=64)


def upgrade() -> None:
    _create_transfers()
    _create_packages()
    _create_copies()
    create_answer_tables()
    _create_events()
    _create_orders()
    _create_findings()
    _create_sweeps()
    _create_audits()
    _create_leases()
    _create_tallies()
    _create_mends()
    _create_volumes()
    _create_dispatch_notes()
    _make_events_append_only()
    make_baselines_append_only()


def _create_transfers() -> None:
    op.create_table(
        "transfers",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("source", EXACT, nullable=False),
        sa.Column("name", EXACT, nullable=False),
        sa.Column("name_raw", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", WORD64, nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("outcome_code", WORD64, nullable=True),
        sa.Column("bytes_done", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=True),
        sa.Column("bytes_per_second", sa.BigInteger(), nullable=True),
        sa.Column("claim_holder", sa.Text(), nullable=True),
        sa.Column("claim_epoch", sa.BigInteger(), nullable=False),
        sa.Column("claim_expires_at", MOMENT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("identifier", EXACT, nullable=True),
        sa.Column("identity", WORD64, nullable=True),
        sa.Column("object_id", EXACT, nullable=True),
        sa.Column("file_count", sa.BigInteger(), nullable=True),
        sa.Column("content_bytes", sa.BigInteger(), nullable=True),
        sa.Column("matter", EXACT, nullable=True),
        sa.Column("record_class", EXACT, nullable=True),
        sa.Column("retention", sa.String(length=8), nullable=True),
        sa.Column("package_id", NUMBER, nullable=True),
        sa.Column("batch_id", NUMBER, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ux_transfers_part",
        "transfers",
        ["batch_id", "name_raw"],
        unique=True,
        sqlite_where=sa.text("batch_id IS NOT NULL"),
        postgresql_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index(
        "ix_transfers_open",
        "transfers",
        ["state", "source", "id"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_transfers_state_id", "transfers", ["state", "id"], unique=False)
    op.create_index(
        "ux_transfers_open_name",
        "transfers",
        ["source", "name_raw"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _create_packages() -> None:
    op.create_table(
        "packages",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("object_id", EXACT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", EXACT, nullable=False),
        sa.Column("identifier", EXACT, nullable=False),
        sa.Column("identity", WORD64, nullable=False),
        sa.Column("inventory_sha256", WORD64, nullable=False),
        sa.Column("file_list_sha256", WORD64, nullable=False),
        sa.Column("file_count", sa.BigInteger(), nullable=False),
        sa.Column("content_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("op_id", sa.String(length=32), nullable=False),
        sa.Column("transfer_id", NUMBER, nullable=False),
        sa.Column("copies_wanted", sa.Integer(), nullable=False),
        sa.Column("copies_committed", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("stored_at", MOMENT, nullable=True),
        sa.Column("matter", EXACT, nullable=True),
        sa.Column("record_class", EXACT, nullable=True),
        sa.Column("retention", sa.String(length=8), nullable=True),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_packages_transfer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packages")),
        sa.UniqueConstraint("object_id", "version", name=op.f("uq_packages_object_id_version")),
        sa.UniqueConstraint(
            "source", "identifier", "version", name=op.f("uq_packages_source_identifier_version")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_packages_below_target",
        "packages",
        ["id"],
        unique=False,
        sqlite_where=sa.text("copies_committed < copies_wanted"),
        postgresql_where=sa.text("copies_committed < copies_wanted"),
    )


def _create_copies() -> None:
    op.create_table(
        "copies",
        sa.Column("package_id", NUMBER, nullable=False),
        sa.Column("node", EXACT, nullable=False),
        sa.Column("domain", EXACT, nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("verify_mode", sa.String(length=24), nullable=False),
        sa.Column("committed_at", MOMENT, nullable=False),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name=op.f("fk_copies_package_id")),
        sa.PrimaryKeyConstraint("package_id", "node", name=op.f("pk_copies")),
    )
    op.create_index("ix_copies_node", "copies", ["node", "package_id"], unique=False)


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("sequence", NUMBER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("act", WORD64, nullable=False),
        sa.Column("outcome", WORD64, nullable=False),
        sa.Column("transfer_id", NUMBER, nullable=True),
        sa.Column("package_id", NUMBER, nullable=True),
        sa.Column("node", EXACT, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_package", "events", ["package_id", "sequence"], unique=False)
    op.create_index("ix_events_act", "events", ["act", "at"], unique=False)
    op.create_index("ix_events_transfer", "events", ["transfer_id", "sequence"], unique=False)


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("verb", WORD64, nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_from", sa.Text(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("started_by", sa.Text(), nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_orders_state", "orders", ["state", "id"], unique=False)


def _create_findings() -> None:
    op.create_table(
        "findings",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("node", EXACT, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("object_id", EXACT, nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("mended_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint("node", "sequence", name=op.f("uq_findings_node_sequence")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_findings_object", "findings", ["object_id"], unique=False)
    op.create_index("ix_findings_found", "findings", ["found_at"], unique=False)
    op.create_index(
        "ix_findings_open",
        "findings",
        ["id"],
        unique=False,
        sqlite_where=sa.text("mended_at IS NULL"),
        postgresql_where=sa.text("mended_at IS NULL"),
    )


def _create_sweeps() -> None:
    op.create_table(
        "sweeps",
        sa.Column("node", EXACT, nullable=False),
        sa.Column("cycle", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("checked_objects", sa.BigInteger(), nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), nullable=False),
        sa.Column("damaged_objects", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", "cycle", name=op.f("pk_sweeps")),
    )
    op.create_index("ix_sweeps_finished", "sweeps", ["finished_at"], unique=False)


def _create_audits() -> None:
    op.create_table(
        "audits",
        sa.Column("package_id", NUMBER, nullable=False),
        sa.Column("audited_at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name=op.f("fk_audits_package_id")),
        sa.PrimaryKeyConstraint("package_id", name=op.f("pk_audits")),
    )
    op.create_index("ix_audits_at", "audits", ["audited_at"], unique=False)
    op.create_index(
        "ix_audits_open",
        "audits",
        ["package_id"],
        unique=False,
        sqlite_where=sa.text("outcome IN ('suspect', 'undecided')"),
        postgresql_where=sa.text("outcome IN ('suspect', 'undecided')"),
    )
    op.create_table(
        "suspects",
        sa.Column("node", EXACT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_suspects")),
    )


def _create_mends() -> None:
    op.create_table(
        "mends",
        sa.Column("node", EXACT, nullable=False),
        sa.Column("object_id", EXACT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", "object_id", name=op.f("pk_mends")),
    )


def _create_volumes() -> None:
    op.create_table(
        "volumes",
        sa.Column("node", EXACT, nullable=False),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("findings_before", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_volumes")),
    )


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("scope", EXACT, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_leases")),
    )


def _create_tallies() -> None:
    op.create_table(
        "tallies",
        sa.Column("source", EXACT, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("packages", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("content_bytes", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "day", name=op.f("pk_tallies")),
    )


def _create_dispatch_notes() -> None:
    op.create_table(
        "dispatch_notes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("source", EXACT, nullable=False),
        sa.Column("name", EXACT, nullable=False),
        sa.Column("name_raw", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", WORD64, nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("transfers_before", sa.BigInteger(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("under_way", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("different", sa.Integer(), nullable=False),
        sa.Column("surplus", sa.Integer(), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispatch_notes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dispatch_notes_source", "dispatch_notes", ["source", "state", "id"])
    op.create_table(
        "dispatch_lines",
        sa.Column("note_id", NUMBER, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identifier", EXACT, nullable=False),
        sa.Column("file_count", sa.BigInteger(), nullable=True),
        sa.Column("content_bytes", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["note_id"], ["dispatch_notes.id"], name=op.f("fk_dispatch_lines_note_id")
        ),
        sa.PrimaryKeyConstraint("note_id", "line", name=op.f("pk_dispatch_lines")),
    )
    op.create_index("ix_dispatch_lines_identifier", "dispatch_lines", ["identifier", "note_id"])


def _make_events_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER events_never_{act.lower()} BEFORE {act} ON events "
                "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION events_append_only()"
    )
