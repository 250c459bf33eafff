"""Read a dispatch note: CSV (RFC 4180) or JSON, of a stranger. Bytes in, lines out; no I/O.

docs/formats/tally.md. UTF-8, with or without a byte order mark, else GB18030. Whatever is not as
that page says is refused with the line and the reason, in both languages; nothing is guessed.
"""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import count
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from storage.catalogue.dispatch_notes import DispatchLine
from storage.errors import Refusal

BYTES_MAX = 64 << 20
LINES_MAX = 50_000
_IDENTIFIER_BYTES_MAX = 200
_NUMBER_MAX = (1 << 63) - 1
_DIGITS_MAX = 18
_COLUMNS = {
    "identifier": "identifier", "标识": "identifier",
    "file_count": "file_count", "文件数": "file_count",
    "content_bytes": "content_bytes", "字节数": "content_bytes",
}  # fmt: skip

_Amount = Annotated[int, Meta(ge=0, le=_NUMBER_MAX)]


class NoteUnreadable(Refusal):
    """The note is not as docs/formats/tally.md says; the message names line and reason."""

    code: ClassVar[str] = "note-unreadable"


class _Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identifier: str
    file_count: _Amount | None = None
    content_bytes: _Amount | None = None


class _Packages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    packages: list[_Package]


def _read_json(content: bytes) -> Iterator[DispatchLine]:
    try:
        stated = msgspec.json.decode(content, type=_Packages)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoteUnreadable(
            f"not the JSON that a tally is: {error} 不是有效的清单 JSON"
        ) from error
    for line, each in enumerate(stated.packages, 1):
        yield DispatchLine(line, each.identifier, each.file_count, each.content_bytes)


def _read_csv(content: bytes) -> Iterator[DispatchLine]:
    rows = csv.reader(io.StringIO(_text_of(content), newline=""), strict=True)
    try:
        columns = _columns(next(rows, []))
        for number, row in zip(count(1), (row for row in rows if row), strict=False):
            yield _line(number, dict(zip(columns, row, strict=False)))
    except csv.Error as error:
        raise NoteUnreadable(
            f"line {rows.line_num}: {error} 第 {rows.line_num} 行不是 CSV"
        ) from error


# How a note is read, by the ending of its name.
READERS: dict[bytes, Callable[[bytes], Iterator[DispatchLine]]] = {
    b".csv": _read_csv,
    b".json": _read_json,
}


def read_note(name: bytes, content: bytes) -> list[DispatchLine]:
    """The lines of the note `name`, which has one of the READERS' endings.

    Raises NoteUnreadable.
    """
    reader = next(reader for ending, reader in READERS.items() if name.endswith(ending))
    if len(content) > BYTES_MAX:
        raise NoteUnreadable(f"more than {BYTES_MAX} bytes 超过 {BYTES_MAX} 字节")
    lines: list[DispatchLine] = []
    known: dict[str, int] = {}
    for line in reader(content):
        _expect_usable(line)
        first = known.setdefault(line.identifier, line.line)
        if first != line.line:
            raise NoteUnreadable(
                f"package {line.line} has the identifier of package {first} "
                f"第 {line.line} 项与第 {first} 项标识相同"
            )
        lines.append(line)
        if len(lines) > LINES_MAX:
            raise NoteUnreadable(f"more than {LINES_MAX} packages 超过 {LINES_MAX} 项")
    return lines


def _expect_usable(line: DispatchLine) -> None:
    try:
        size_bytes = len(line.identifier.encode())
    except UnicodeEncodeError:
        size_bytes = 0
    if not 0 < size_bytes <= _IDENTIFIER_BYTES_MAX:
        raise NoteUnreadable(
            f"package {line.line}: an identifier has 1 to {_IDENTIFIER_BYTES_MAX} bytes of UTF-8 "
            f"第 {line.line} 项标识为空或过长"
        )


def _text_of(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise NoteUnreadable("neither UTF-8 nor GB18030 既非 UTF-8 也非 GB18030")


def _columns(header: list[str]) -> list[str]:
    columns = [_COLUMNS.get(cell.strip(), "") for cell in header]
    named = [column for column in columns if column]
    if "identifier" not in named or len(set(named)) != len(named):
        raise NoteUnreadable(
            "the first line must name the column identifier, and each column once "
            "首行须有 identifier(标识)列,且各列不得重复"
        )
    return columns


def _line(number: int, cells: dict[str, str]) -> DispatchLine:
    return DispatchLine(
        number,
        cells.get("identifier", "").strip(),
        _amount(number, cells.get("file_count", "")),
        _amount(number, cells.get("content_bytes", "")),
    )


def _amount(number: int, cell: str) -> int | None:
    cell = cell.strip()
    if not cell:
        return None
    if not (cell.isascii() and cell.isdecimal() and len(cell) <= _DIGITS_MAX):
        raise NoteUnreadable(
            f"package {number}: a number has digits only 第 {number} 项:数量须为数字"
        )
    return int(cell)
