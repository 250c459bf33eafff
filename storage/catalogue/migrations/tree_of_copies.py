"""The hash tree's tables, and the triggers that note which copies changed.

docs/wire/tree.md. Frozen like the revision that calls it; what exists already is noted as changed,
and counted by the keeper that next compares.
"""

import hashlib

import sqlalchemy as sa
from alembic import op

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WORD = sa.String(length=24)
_PAGE = 10_000


def create_tree_of_copies() -> None:
    """Tables, columns, triggers; and what was there before."""
    op.create_table(
        "tree_changes",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("node", _EXACT, nullable=False),
        sa.Column("package_id", _NUMBER, nullable=False),
        sa.Column("was", _WORD, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tree_changes")),
    )
    op.create_table(
        "tree_sums",
        sa.Column("node", _EXACT, nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("node", "partition", name=op.f("pk_tree_sums")),
    )
    op.add_column("copies", sa.Column("counted", _WORD, nullable=True))
    op.add_column("packages", sa.Column("partition", sa.Integer(), nullable=True))
    _find_partitions()
    op.create_index("ix_packages_partition", "packages", ["partition", "object_id"])
    op.execute("INSERT INTO tree_changes (node, package_id) SELECT node, package_id FROM copies")
    if op.get_bind().dialect.name == "sqlite":
        _triggers_of_sqlite()
    else:
        _triggers_of_postgresql()


def _find_partitions() -> None:
    connection = op.get_bind()
    page = sa.text("SELECT id, object_id FROM packages WHERE id > :after ORDER BY id LIMIT :limit")
    change = sa.text('UPDATE packages SET "partition" = :partition WHERE id = :id')
    after = 0
    while rows := connection.execute(page, {"after": after, "limit": _PAGE}).all():
        found = [{"id": row.id, "partition": _partition(row.object_id)} for row in rows]
        connection.execute(change, found)
        after = rows[-1].id


def _partition(object_id: str) -> int:
    return int.from_bytes(hashlib.sha256(object_id.encode()).digest()[:2]) >> 4


def _triggers_of_sqlite() -> None:
    op.execute(
        "CREATE TRIGGER copies_noted_new AFTER INSERT ON copies BEGIN "
        "INSERT INTO tree_changes (node, package_id) VALUES (NEW.node, NEW.package_id); "
        "UPDATE copies SET counted = NULL WHERE counted IS NOT NULL "
        "AND package_id = NEW.package_id AND node = NEW.node; END"
    )
    op.execute(
        "CREATE TRIGGER copies_noted_changed AFTER UPDATE OF state ON copies "
        "WHEN OLD.state IS NOT NEW.state BEGIN "
        "INSERT INTO tree_changes (node, package_id) VALUES (NEW.node, NEW.package_id); END"
    )
    op.execute(
        "CREATE TRIGGER copies_noted_gone AFTER DELETE ON copies BEGIN "
        "INSERT INTO tree_changes (node, package_id, was) "
        "VALUES (OLD.node, OLD.package_id, OLD.counted); END"
    )
    of_object = (
        "INSERT INTO tree_changes (node, package_id) "
        "SELECT NEW.node, id FROM packages WHERE object_id = NEW.object_id"
    )
    op.execute(f"CREATE TRIGGER findings_noted_new AFTER INSERT ON findings BEGIN {of_object}; END")
    op.execute(
        "CREATE TRIGGER findings_noted_closed AFTER UPDATE OF mended_at ON findings "
        f"BEGIN {of_object}; END"
    )


def _triggers_of_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION note_copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' THEN INSERT INTO tree_changes (node, package_id, was) "
        "VALUES (OLD.node, OLD.package_id, OLD.counted); "
        "ELSE INSERT INTO tree_changes (node, package_id) VALUES (NEW.node, NEW.package_id); "
        "END IF; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE FUNCTION copy_uncounted() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.counted := NULL; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER copies_uncounted BEFORE INSERT ON copies "
        "FOR EACH ROW EXECUTE FUNCTION copy_uncounted()"
    )
    op.execute(
        "CREATE TRIGGER copies_noted AFTER INSERT OR DELETE ON copies "
        "FOR EACH ROW EXECUTE FUNCTION note_copy()"
    )
    op.execute(
        "CREATE TRIGGER copies_noted_changed AFTER UPDATE OF state ON copies FOR EACH ROW "
        "WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION note_copy()"
    )
    op.execute(
        "CREATE FUNCTION note_finding() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO tree_changes (node, package_id) "
        "SELECT NEW.node, id FROM packages WHERE object_id = NEW.object_id; "
        "RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER findings_noted AFTER INSERT OR UPDATE OF mended_at ON findings "
        "FOR EACH ROW EXECUTE FUNCTION note_finding()"
    )
