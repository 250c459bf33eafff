"""docs/damage-matrix.md as text, from what a run of the matrix found out."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from tests.damage import DamageCase

PAGE = Path(__file__).parents[1] / "docs" / "damage-matrix.md"


class Outcome(StrEnum):
    """What became of one cell; damage was found in all of them but the last."""

    MENDED = "mended"
    SALVAGED = "kept, salvaged"
    KEPT = "kept"
    RENEWED = "renewed"
    CALLED = "called"
    HARMLESS = "harmless"
    SAME = "·"
    NONE = "–"


MEANINGLESS = Outcome.SAME

_HEAD = """# Damage matrix: what becomes of every kind of damage

损坏矩阵。Written by `tests/integration/test_damage_matrix.py` from what happened to real volumes, a
real wire and the real keeper. The test fails when this page is not current; `LANTAI_WRITE_PAGES=1`
writes it.

| outcome | means |
|---|---|
| mended | found in one sweep; all copies as signed again, unattended; bad bytes in quarantine |
| kept, salvaged | found on all three; no byte changed, AT_RISK; the payload file put together |
| kept | the same, but some block of the file is in no copy: nothing to put together |
| renewed | found in one sweep; the index was made anew from the journal |
| called | found in one sweep; nothing was touched, a person is called |
| harmless | nothing that is read is changed by it |
| · | no meaning of its own: the file is not larger than the damage before it |
| – | no meaning |

"""
_CASES = list(DamageCase)
RECORDS_HEADING = "## A node's own records, and the catalogue"
# What lies behind the end of a database, or beside it, is not read.
_INDEX_HARMLESS = frozenset({DamageCase.EXTENSION, DamageCase.STRAY})
# A row is a value in a database: it may be altered or be gone; its file is the database's affair.
_ROW_CASES = frozenset({DamageCase.BIT, DamageCase.DELETION})
_RECORDS_NOTES = """
What hangs behind the journal's end is written over by the next record, or cut off at the next
opening. A row of the catalogue may be altered (its digest: `bit`) or be gone (`deletion`); both are
`catalogue-disagrees`. A catalogue whose file is damaged does not open, and is rebuilt.
"""


def page_text(outcomes: Mapping[tuple[str, DamageCase, int], Outcome]) -> str:
    """The whole page."""
    targets = list(dict.fromkeys(target for target, _, _ in outcomes))
    parts = [_HEAD, "## Files of an object\n\n"]
    for bad_copies, title in ((1, "One bad copy of three"), (2, "Two"), (3, "All three")):
        parts += [f"### {title}\n\n", _table(outcomes, targets, bad_copies), "\n"]
    return "".join(parts) + records_text()


def records_text() -> str:
    """The lower half: what tests/integration/test_damage_to_records.py holds case by case."""
    rows = [
        RECORDS_HEADING,
        "",
        "These are no copies of each other: one, two or three damaged nodes make no difference.",
        "",
        "| damage | journal | index | catalogue row |",
        "|---|---|---|---|",
    ]
    for case in _CASES:
        journal = Outcome.HARMLESS if case is DamageCase.EXTENSION else Outcome.CALLED
        index = Outcome.HARMLESS if case in _INDEX_HARMLESS else Outcome.RENEWED
        row = Outcome.CALLED if case in _ROW_CASES else None
        rows.append(f"| {case.value} | {journal} | {index} | {row or Outcome.NONE} |")
    return "\n".join(rows) + "\n" + _RECORDS_NOTES


def _table(
    outcomes: Mapping[tuple[str, DamageCase, int], Outcome], targets: list[str], bad_copies: int
) -> str:
    rows = [
        "| damage | " + " | ".join(targets) + " |",
        "|---" * (len(targets) + 1) + "|",
    ]
    for case in _CASES:
        cells = (outcomes[target, case, bad_copies].value for target in targets)
        rows.append(f"| {case.value} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
