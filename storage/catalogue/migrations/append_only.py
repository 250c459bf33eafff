"""Triggers by which the database itself refuses to change what was signed or found.

docs/decisions/0009. Fixity laundering is to write a digest computed from stored bytes over the
expected one: here no statement can, whoever sends it. Frozen like the revision that calls it.
"""

from alembic import op

# Table → columns that keep for ever what they were given at first.
BASELINES = {
    "packages": (
        "object_id",
        "version",
        "source",
        "identifier",
        "identity",
        "inventory_sha256",
        "file_list_sha256",
        "file_count",
        "content_bytes",
        "matter",
        "record_class",
        "retention",
    ),
    "findings": (
        "node",
        "sequence",
        "found_at",
        "object_id",
        "kind",
        "path",
        "detail",
        "evidence",
    ),
}


def make_baselines_append_only() -> None:
    """No UPDATE of these columns, no DELETE of these rows, no answer about other bytes."""
    if op.get_bind().dialect.name == "sqlite":
        _for_sqlite()
    else:
        _for_postgresql()


def _for_sqlite() -> None:
    for table, columns in BASELINES.items():
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
        op.execute(
            f"CREATE TRIGGER {table}_baseline_never_update BEFORE UPDATE ON {table} "
            f"WHEN {changed} BEGIN SELECT RAISE(ABORT, 'baselines are append-only'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_baseline_never_delete BEFORE DELETE ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'baselines are append-only'); END"
        )
    signed = "SELECT inventory_sha256 FROM packages WHERE id = NEW.package_id"
    op.execute(
        "CREATE TRIGGER copies_answer_same_digest BEFORE UPDATE OF answer ON copies "
        f"WHEN instr(NEW.answer, CAST(({signed}) AS BLOB)) = 0 "
        "BEGIN SELECT RAISE(ABORT, 'append-only: an answer names the digest of its package'); END"
    )


def _for_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION baselines_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'baselines are append-only'; END $$"
    )
    for table, columns in BASELINES.items():
        changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        op.execute(
            f"CREATE TRIGGER {table}_baseline_never_update BEFORE UPDATE ON {table} "
            f"FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION baselines_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_baseline_never_delete BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION baselines_append_only()"
        )
    op.execute(
        "CREATE FUNCTION copies_answer_same_digest() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF position(convert_to((SELECT inventory_sha256 FROM packages WHERE id = "
        "NEW.package_id), 'UTF8') IN NEW.answer) = 0 THEN RAISE EXCEPTION "
        "'append-only: an answer names the digest of its package'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER copies_answer_same_digest BEFORE UPDATE OF answer ON copies "
        "FOR EACH ROW EXECUTE FUNCTION copies_answer_same_digest()"
    )
