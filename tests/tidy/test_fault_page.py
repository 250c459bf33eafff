"""docs/fault-catalogue.md is the table of tests/fault_rows.py; each row is shown or says why not.

LANTAI_WRITE_PAGES=1 writes the page from the records in $LANTAI_FAULT_RECORDS (`make fault-page`).
"""

import os
import re
from pathlib import Path

import pytest

from tests.fault_page import (
    PAGE,
    PROJECT,
    RECORDS_VARIABLE,
    constant_parts,
    page_text,
    places_by_row,
    places_on,
    record_fault,
    records_in,
)
from tests.fault_rows import BY_ROW, FAULTS


def test_the_table_has_all_rows_in_their_order() -> None:
    assert [fault.row for fault in FAULTS] == [f"F{number}" for number in range(1, 57)]


def test_the_constant_parts_of_the_page_are_the_tables() -> None:
    folder = os.environ.get(RECORDS_VARIABLE)
    if folder and os.environ.get("LANTAI_WRITE_PAGES") == "1":
        PAGE.write_text(page_text(records_in(Path(folder))))
    expected = [(fault.row, fault.fault, fault.injected, fault.expected) for fault in FAULTS]
    assert constant_parts(PAGE.read_text()) == expected


def test_every_row_is_shown_by_a_test_or_says_why_not() -> None:
    places = places_by_row()
    assert [fault.row for fault in FAULTS if not fault.lacking and fault.row not in places] == []


def test_no_test_records_a_row_that_the_table_does_not_have() -> None:
    assert sorted(set(places_by_row()) - set(BY_ROW)) == []


def test_every_test_that_the_page_names_is_there() -> None:
    for place in places_on(PAGE.read_text()):
        source = (PROJECT / place.path).read_text()
        assert re.search(rf"^(async )?(def|class) {place.function}\b", source, re.MULTILINE), place


def test_each_test_leaves_its_own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RECORDS_VARIABLE, str(tmp_path / "records"))
    record_fault("F1", observed="seen", figure="3")
    record_fault("F1", observed="seen again, which replaces the first")
    record_fault("F2", observed="another")
    seen = [(record.row, record.observed) for record in records_in(tmp_path / "records")]
    assert seen == [("F1", "seen again, which replaces the first"), ("F2", "another")]


def test_without_a_folder_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RECORDS_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    record_fault("F1", observed="seen")
    assert list(tmp_path.iterdir()) == []
