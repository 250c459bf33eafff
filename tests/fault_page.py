"""docs/fault-catalogue.md as text, from what the tests that show the faults found out.

A test that shows a row says so where it has asserted everything:

    record_fault("F32", observed="no receipt for 20 s, then 12 of 12", figure="healed in 7 s")

That leaves a file in $LANTAI_FAULT_RECORDS, one for each row and test, and nothing without that
variable. Any process may call it: files are made whole by a rename. `make fault-page` runs every
test that records a row and writes the page; tests/tidy/test_fault_page.py holds it to the table.
"""

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.fault_rows import BY_ROW, FAULTS, Fault

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "fault-catalogue.md"
RECORDS_VARIABLE = "LANTAI_FAULT_RECORDS"
NOT_RUN = "not in the run that wrote this page"

_HEAD = """# Fault catalogue: what becomes of every fault

故障目录：每一种故障如何注入、应当如何、实际如何。
Written by `make fault-page` from a run of the tests named below; figures are those of that run.
What cannot be brought about on such a machine is named with the reason.
`make faults` runs the longer campaigns; `make test` a slice of them.

| row | fault | injected by | expected | observed | figure |
|---|---|---|---|---|---|
"""
_WHERE = """
## Where each is shown

| row | shown by |
|---|---|
"""
_ROW = re.compile(r"^\| (F\d+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_PLACE = re.compile(r"`(tests/\S+?\.py)(?:::(\w+))?`")


@dataclass(frozen=True, slots=True)
class Record:
    """What one test saw of one row."""

    row: str
    test: str
    observed: str
    figure: str


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the sources a row is recorded: a file below the project, and a function in it."""

    path: str
    function: str

    def __str__(self) -> str:
        return f"{self.path}::{self.function}" if self.function else self.path


def record_fault(*rows: str, observed: str, figure: str = "–") -> None:
    """Tell what was observed of `rows`; call it after the last assertion, with literal rows."""
    assert set(rows) <= set(BY_ROW), f"not in tests/fault_rows.py: {rows}"
    assert observed, "say what was observed"
    folder = os.environ.get(RECORDS_VARIABLE)
    for row in rows if folder else ():
        _record(Path(str(folder)), row, observed, figure)


def _record(folder: Path, row: str, observed: str, figure: str) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", Path(sys.argv[0]).name).removesuffix(" (call)")
    name = f"{row}-{sha256(test.encode()).hexdigest()[:12]}.json"
    text = json.dumps({"row": row, "test": test, "observed": observed, "figure": figure})
    whole = folder / name
    whole.parent.mkdir(parents=True, exist_ok=True)
    part = whole.with_suffix(f".{os.getpid()}.part")
    part.write_text(text)
    part.replace(whole)


def records_in(folder: Path) -> list[Record]:
    """All that was recorded there, by test."""
    records = [Record(**json.loads(path.read_text())) for path in folder.glob("F*.json")]
    return sorted(records, key=lambda record: (record.test, record.row))


def page_text(records: list[Record]) -> str:
    """The whole page."""
    places = places_by_row()
    lines = [_line(fault, records) for fault in FAULTS]
    where = [
        f"| {fault.row} | {', '.join(f'`{place}`' for place in places.get(fault.row, ())) or '–'} |"
        for fault in FAULTS
    ]
    return _HEAD + "\n".join(lines) + "\n" + _WHERE + "\n".join(where) + "\n"


def constant_parts(page: str) -> list[tuple[str, str, str, str]]:
    """Row, fault, injection and expectation of each line of a page."""
    return [
        (row, fault, injected, expected)
        for row, fault, injected, expected, _observed, _figure in _ROW.findall(page)
    ]


def places_on(page: str) -> list[Place]:
    """Every test that a page names."""
    return [Place(path, function) for path, function in _PLACE.findall(page)]


def places_by_row() -> dict[str, tuple[Place, ...]]:
    """Where each row is recorded, read from the sources of the tests."""
    found: dict[str, set[Place]] = {}
    for path in sorted((PROJECT / "tests").rglob("*.py")):
        if "fault_page" in path.stem or "record_fault" not in (text := path.read_text()):
            continue
        for row, function in _calls(ast.parse(text)):
            found.setdefault(row, set()).add(Place(str(path.relative_to(PROJECT)), function))
    return {row: tuple(sorted(places)) for row, places in found.items()}


def _calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Row and enclosing top-level function of each call; "?" where no row is written out."""
    for statement in tree.body:
        function = getattr(statement, "name", "")
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("record_fault"):
                rows = re.findall(r"'(F\d+)'", " ".join(map(ast.unparse, node.args)))
                for row in rows or ["?"]:
                    yield row, function


def _line(fault: Fault, records: list[Record]) -> str:
    mine = [record for record in records if record.row == fault.row]
    observed = list(dict.fromkeys(record.observed for record in mine))
    if not mine and not fault.lacking:
        observed = [NOT_RUN]
    if fault.lacking:
        observed.append(f"**not shown:** {fault.lacking}")
    figures = list(dict.fromkeys(record.figure for record in mine if record.figure != "–"))
    cells = (
        fault.row,
        fault.fault,
        fault.injected,
        fault.expected,
        "; ".join(observed),
        "; ".join(figures) or "–",
    )
    return "| " + " | ".join(cells) + " |"
