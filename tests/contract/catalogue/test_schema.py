"""Tables, migrations, and how the database is opened (storage/catalogue/schema.py, engine.py)."""

import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import storage.catalogue.migrations as migrations
from storage.catalogue.engine import Catalogue
from storage.catalogue.errors import CatalogueUnavailable, SchemaOutdated
from storage.catalogue.migration import upgrade
from storage.catalogue.schema import REVISION, metadata

KINDS = {"index", "ledger", "site"}


def test_every_table_says_where_it_comes_back_from() -> None:
    assert {
        table.name for table in metadata.sorted_tables if table.info["kind"] not in KINDS
    } == set()


def test_every_column_is_explained() -> None:
    dumb = [str(column) for table in metadata.sorted_tables for column in table.c if not column.doc]
    assert dumb == []


def test_models_and_migrations_agree(catalogue: Catalogue) -> None:
    with catalogue.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_make_the_very_tables_that_the_schema_describes(tmp_path: Path) -> None:
    """Alembic's comparison is blind to partial indexes and table options; the texts are not."""
    migrated, described = (f"sqlite:///{tmp_path}/{name}" for name in ("migrated", "described"))
    upgrade(migrated)
    catalogue = Catalogue.open(described)
    with catalogue.writing() as connection:
        metadata.create_all(connection)
    catalogue.close()
    assert _statements(migrated) == _statements(described)


def _statements(url: str) -> dict[str, list[str]]:
    """Each table and index as its sorted clauses: their order means nothing."""
    catalogue = Catalogue.open(url)
    query = text(
        "SELECT name, sql FROM sqlite_master "
        "WHERE type IN ('table', 'index') AND sql IS NOT NULL AND name != 'alembic_version'"
    )
    with catalogue.reading() as connection:
        found = {
            row.name: sorted(re.findall(r"[^\s,]+", row.sql)) for row in connection.execute(query)
        }
    catalogue.close()
    assert len(found) > 9
    return found


def test_the_program_expects_the_last_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_upgrading_twice_changes_nothing(url: str) -> None:
    upgrade(url)
    upgrade(url)
    catalogue = Catalogue.open(url)
    catalogue.require_schema()
    catalogue.close()


def test_several_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    code = f"from storage.catalogue.migration import upgrade; upgrade({url!r})"
    children = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)
    ]
    said = [child.communicate(timeout=60)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], said


def test_a_catalogue_without_tables_is_refused_with_what_to_do(tmp_path: Path) -> None:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/catalogue.sqlite")
    with pytest.raises(SchemaOutdated, match="brings it up to date when it starts"):
        catalogue.require_schema()
    catalogue.close()


def test_sqlite_is_opened_with_the_settings_that_survive_a_power_cut(tmp_path: Path) -> None:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/catalogue.sqlite")
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    with catalogue.reading() as connection:
        for pragma, value in wanted.items():
            assert connection.scalar(text(f"PRAGMA {pragma}")) == value
    catalogue.close()


def test_a_catalogue_in_memory_is_refused() -> None:
    catalogue = Catalogue.open("sqlite://")
    with pytest.raises(CatalogueUnavailable, match="write-ahead log"):
        catalogue.require_schema()
    catalogue.close()


@pytest.mark.parametrize("nonsense", ["", "nosuchdatabase://x", "oracle+nothing://x"])
def test_a_url_that_makes_no_sense_is_refused(nonsense: str) -> None:
    with pytest.raises(CatalogueUnavailable, match="url"):
        Catalogue.open(nonsense)


def test_a_folder_that_is_not_there_is_reported_as_unavailable(tmp_path: Path) -> None:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/nowhere/catalogue.sqlite")
    with pytest.raises(CatalogueUnavailable, match="nothing was changed"):
        catalogue.require_schema()
    catalogue.close()


@pytest.mark.parametrize("change", ["UPDATE events SET who = 'nobody'", "DELETE FROM events"])
def test_the_ledger_of_events_cannot_be_changed(catalogue: Catalogue, change: str) -> None:
    insert = (
        "INSERT INTO events (at, who, origin, act, outcome, detail) "
        "VALUES ('2026-11-22T10:00:00.000000Z', 'a', 'b', 'c.d', 'done', '')"
    )
    with catalogue.writing() as connection:
        connection.execute(text(insert))
    with pytest.raises(DBAPIError, match="append-only"), catalogue.writing() as connection:
        connection.execute(text(change))


def test_a_new_database_that_another_process_has_locked_is_waited_for(tmp_path: Path) -> None:
    """Several roles start at once: SQLite does not wait by itself while it switches to its log."""
    file = tmp_path / "new.sqlite"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("CREATE TABLE something (x)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO something VALUES (1)")
    with ThreadPoolExecutor(1) as thread:
        upgrading = thread.submit(upgrade, f"sqlite:///{file}")
        with pytest.raises(TimeoutError):
            upgrading.result(timeout=0.3)
        other.execute("COMMIT")
        upgrading.result(timeout=30)
    other.close()


def test_a_statement_that_makes_no_sense_is_not_taken_for_a_catalogue_that_is_away(
    catalogue: Catalogue,
) -> None:
    with pytest.raises(DBAPIError), catalogue.reading() as connection:
        connection.execute(text("SELECT no_such_column FROM transfers"))
