"""The table of docs/simulator.md: each seeded bug, and how many seeds it took to find it.

`python tests/simulation --page` runs them all and writes the table anew; the rest of the page is
written by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.bugs import BUGS
from tests.simulation.run import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
_HEAD = "| bug | what is wrong | seeds | what gave it away |\n|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    bug: str
    what: str
    seeds: str
    broken: str

    def text(self) -> str:
        return f"| `{self.bug}` | {self.what} | {self.seeds} | {self.broken} |\n"


def rows_of(page: str) -> list[Row]:
    """The table as it stands."""
    table = page.partition(_HEAD)[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return [Row(bug.strip("`"), what, seeds, broken) for bug, what, seeds, broken in rows]


def write_page(find: Callable[[str], Outcome | None]) -> None:
    """Look for every bug from seed 1 on; `find` gives the seed that found it."""
    rows = []
    for name, bug in BUGS.items():
        found = find(name)
        seeds, broken = ("not found", "") if found is None else (str(found.seed), found.broken[0])
        rows.append(Row(name, bug.what, seeds, broken.replace("|", "/")))
    page = PAGE.read_text()
    before, _, rest = page.partition(_HEAD)
    _, blank, after = rest.partition("\n\n")
    table = "".join(row.text() for row in rows).rstrip("\n")
    PAGE.write_text(f"{before}{_HEAD}{table}{blank}{after}")
