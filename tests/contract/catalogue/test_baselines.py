"""No statement, whoever sends it, writes another digest over one that was signed."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.catalogue import copies, findings, packages
from storage.catalogue.engine import Catalogue
from storage.catalogue.migrations.append_only import BASELINES
from storage.catalogue.model import NodeFinding
from storage.model import SignedAnswer
from tests.contract.catalogue.story import Story, copy_of, moment

OTHER = "e" * 64


@pytest.fixture
def filled(catalogue: Catalogue) -> Catalogue:
    """One stored package, one finding."""
    with catalogue.writing() as connection:
        Story(connection).stored()
        found = NodeFinding("node-1", 1, moment(1), None, "stray-object", "x", "…", "{}")
        assert findings.record(connection, found, moment(2))
    return catalogue


def refused(catalogue: Catalogue, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"), catalogue.writing() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table in BASELINES for column in BASELINES[table]]
)
def test_a_baseline_cannot_be_changed(filled: Catalogue, table: str, column: str) -> None:
    new = "7" if column in {"version", "file_count", "content_bytes", "sequence"} else "'D30'"
    refused(filled, f"UPDATE {table} SET {column} = {new}")


@pytest.mark.parametrize("table", list(BASELINES))
def test_a_baseline_cannot_be_deleted_to_be_written_anew(filled: Catalogue, table: str) -> None:
    if table == "packages":  # the copies that hang from it would refuse first
        with filled.writing() as connection:
            connection.execute(text("DELETE FROM copies"))
    refused(filled, f"DELETE FROM {table}")


def test_a_copy_takes_no_answer_about_other_bytes(filled: Catalogue) -> None:
    with filled.writing() as connection:
        (package,) = packages.page(connection)
        good = copy_of(package, "node-1")
        copies.record(connection, good)  # the same bytes, proven anew: a mend
    laundered = SignedAnswer(f'{{"inventory_sha256":"{OTHER}"}}'.encode(), bytes(64))
    with pytest.raises(DBAPIError, match="append-only"), filled.writing() as connection:
        connection.execute(
            text("UPDATE copies SET answer = :answer"), {"answer": laundered.payload}
        )


def test_the_same_value_again_is_no_change(filled: Catalogue) -> None:
    with filled.writing() as connection:
        connection.execute(text("UPDATE packages SET identity = identity, copies_wanted = 4"))
