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

"""
_CASES = list(DamageCase)


def page_text(outcomes: Mapping[tuple[str, DamageCase, int], Outcome]) -> str:
    """The whole page."""
    targets = list(dict.fromkeys(target for target, _, _ in outcomes))
    parts = [_HEAD, "## Files of an object\n\n"]
    for bad_copies, title in ((1, "One bad copy of three"), (2, "Two"), (3, "All three")):
        parts += [f"### {title}\n\n", _table(outcomes, targets, bad_copies), "\n"]
    return "".join(parts).rstrip() + "\n"


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
