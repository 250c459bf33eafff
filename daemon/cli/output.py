"""How the verbs print: tables that keep their columns with Chinese in them, JSON, sizes.

Unicode UAX #11 (width), UTR #36 (control and bidirectional characters are shown, never sent to a
terminal). Values in, text out.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence

import click

# What a sender's name must not do to a terminal: steer it, or reorder what is read.
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def shown(text: object) -> str:
    """`text` as it may be printed: control and bidirectional characters as escapes."""
    return "".join(
        character.encode("unicode_escape", "surrogatepass").decode("ascii")
        if unicodedata.category(character) in HIDDEN_CATEGORIES
        else character
        for character in str(text)
    )


def width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else 0
        if unicodedata.combining(character) else 1
        for character in text
    )  # fmt: skip  # the three cases read best on three lines


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; every cell is escaped."""
    cells = [[shown(cell) for cell in row] for row in rows]
    columns = list(zip(headings, *cells, strict=True))
    widths = [max(width(cell) for cell in column) for column in columns]
    for line in [list(headings), *cells]:
        padded = (
            cell + " " * (columns_wide - width(cell))
            for cell, columns_wide in zip(line, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def print_json(value: object) -> None:
    """Print for programs; a name that is not UTF-8 as its escape."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def size(size_bytes: int) -> str:
    """A number of bytes for people: 1.5 GiB."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    amount, unit = float(size_bytes), "B"
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):  # noqa: B007  # the last one is kept
        amount /= 1024
        if amount < 1024:
            break
    return f"{amount:.1f} {unit}"


def age(seconds: float) -> str:
    """A duration for people: 3 d 4 h, 12 min, 40 s."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
