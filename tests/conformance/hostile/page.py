"""docs/hostile-packages.md as text, from what a run of the attacks found out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "hostile-packages.md"

_HEAD = """# Hostile packages: what becomes of every attack on the intake

恶意信息包：每一种攻击的处置结果。
Written by `tests/conformance/hostile/test_hostile_packages.py`, which makes each attack, drops it,
and has the product's own reader open it: a confined process that stages, judges and builds
([0006](decisions/0006-packages-are-opened-in-confined-processes.md)). Rows are those of the attack
catalogue, A1 to A56; where an outcome is not the catalogue's,
[0007](decisions/0007-where-hostile-packages-end-otherwise.md) says why. The test fails when an
outcome here is not what happens; `LANTAI_WRITE_PAGES=1` writes the page.

| outcome | means |
|---|---|
| rejected: CODE | a signed refusal names this and nothing else; nothing is stored |
| accepted: CODE | stored byte for byte, with at least this remark in the report |
| waits: WHY | not judged: looked at again later |
| anything else | as it says |

*Seconds* are the reader's for one package, or the intake's where several are sent; *MiB* is the
most memory that the reader ever had (an idle one: about 30); *outside* counts bytes written
anywhere but in the package's own working folder. The test holds each to 10 seconds,
128 MiB, and 0.
Figures are those of the run that wrote the page.

| row | attack | outcome | seconds | MiB | outside |
|---|---|---|---|---|---|
"""
_LINE = re.compile(r"^\| A(\d+) \| (.+?) \| (.+?) \| [\d.]+ \| \d+ \| \d+ \|$", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """What came of one attack."""

    row: int
    title: str
    outcome: str
    seconds: float
    peak_mebibytes: int
    bytes_outside: int

    def __str__(self) -> str:
        return (
            f"| A{self.row} | {self.title} | {self.outcome} | {self.seconds:.2f} "
            f"| {self.peak_mebibytes} | {self.bytes_outside} |"
        )


def page_text(lines: Iterable[Line]) -> str:
    """The whole page."""
    return _HEAD + "".join(f"{line}\n" for line in _sorted(lines))


def outcomes_on(page: str) -> list[tuple[str, str, str]]:
    """Row, attack and outcome of each line of a page, without the figures."""
    return _LINE.findall(page)


def outcomes_of(lines: Iterable[Line]) -> list[tuple[str, str, str]]:
    """The same of what happened now."""
    return outcomes_on(page_text(lines))


def _sorted(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.row)
