"""Read the scope-and-retention table (归档范围与保管期限表) that a source's business side keeps.

docs/formats/scope.md; RFC 4180 (CSV) in UTF-8 or GB18030, with a header. Reads a file again when it
changes; a new table with a mistake in it leaves the old one in force. What a table means is
scope.py's.
"""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ingest_watch.scope import (
    CLASSIFICATIONS,
    RETENTIONS,
    ScopeEntry,
    ScopeTable,
    classification_of,
    retention_of,
)
from monitoring.log import get_log
from storage.errors import Refusal

log = get_log(__name__)

TABLE_BYTES_MAX = 8 * 1024 * 1024
_COLUMNS = {
    "事项编码": "matter", "matter": "matter",
    "保管期限": "retention", "retention": "retention",
    "类别": "class", "class": "class",
    "密级上限": "ceiling", "ceiling": "ceiling",
    "事项名称": "name", "name": "name",
    "备注": "remarks", "remarks": "remarks",
}  # fmt: skip
_NEEDED = ("matter", "retention")
_CEILING = "内部"


class ScopeTableRefused(Refusal):
    """The table has a mistake; the message names the file, the line and the remedy."""

    code: ClassVar[str] = "scope-table-refused"


def read_scope_table(path: Path) -> ScopeTable:
    """Read the table at `path`. Raises ScopeTableRefused."""
    try:
        with path.open("rb") as stream:
            content = stream.read(TABLE_BYTES_MAX + 1)
    except OSError as error:
        raise ScopeTableRefused(f"{path}: cannot be read: {error.strerror} 无法读取") from error
    if len(content) > TABLE_BYTES_MAX:
        raise ScopeTableRefused(f"{path}: has more than {TABLE_BYTES_MAX} bytes 文件过大")
    try:
        return _parsed(_decoded(content))
    except _Flaw as flaw:
        raise ScopeTableRefused(f"{path}, line {flaw.line} 第 {flaw.line} 行: {flaw}") from flaw


class ScopeTableFile:
    """The table of one source as it is now in force."""

    def __init__(self, source: str, path: Path) -> None:
        self._source = source
        self._path = path
        self._read: tuple[int, int, int] | None = None
        self._table = ScopeTable({}, broken="it was never read")
        self.flaw = ""  # of the newest file, while an older table is in force or none is

    def current(self) -> ScopeTable:
        """The newest table without a mistake; one that says that it is broken if there is none."""
        stamp = self._stamp()
        if stamp != self._read or stamp is None:
            self._take_up(stamp)
        return self._table

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _take_up(self, stamp: tuple[int, int, int] | None) -> None:
        self._read = stamp
        try:
            self._table = read_scope_table(self._path)
        except ScopeTableRefused as refusal:
            if self.flaw != str(refusal):
                log.error("intake.scope.refused", source=self._source, reason=str(refusal))
            self.flaw = str(refusal)
            if self._table.broken:
                self._table = replace(self._table, broken=self.flaw)
        else:
            log.info("intake.scope.read", source=self._source, matters=len(self._table.entries))
            self.flaw = ""


class _Flaw(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _Flaw(1, "neither UTF-8 nor GB18030 既不是 UTF-8 也不是 GB18030")


def _parsed(text: str) -> ScopeTable:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    entries: dict[str, ScopeEntry] = {}
    try:
        columns = _header(next(rows, []))
        for row in rows:
            if any(cell.strip() for cell in row):
                _add(entries, columns, row, rows.line_num)
    except csv.Error as error:
        raise _Flaw(rows.line_num, f"not CSV: {error} 不是有效的 CSV") from error
    if not entries:
        raise _Flaw(1, "the table is empty 表中没有数据")
    return ScopeTable(entries)


def _header(row: list[str]) -> list[str]:
    columns = []
    for cell in row:
        name = cell.strip()
        if name.lower() not in _COLUMNS:
            known = ", ".join(_COLUMNS)
            raise _Flaw(1, f"unknown column {name!r}; known are {known} 未知的列")
        columns.append(_COLUMNS[name.lower()])
    for needed in _NEEDED:
        if columns.count(needed) != 1:
            raise _Flaw(1, f"the column {needed!r} must stand once 事项编码、保管期限各须有一列")
    return columns


def _add(entries: dict[str, ScopeEntry], columns: list[str], row: list[str], line: int) -> None:
    if len(row) != len(columns):
        raise _Flaw(line, f"{len(row)} cells, not {len(columns)} 单元格数量与表头不符")
    cells = {column: cell.strip() for column, cell in zip(columns, row, strict=True)}
    matter = cells["matter"]
    if not matter:
        raise _Flaw(line, "no matter code 缺少事项编码")
    if matter in entries:
        raise _Flaw(line, f"the matter {matter!r} stands twice 事项编码重复")
    retention = retention_of(cells["retention"])
    if retention is None:
        codes = ", ".join(RETENTIONS)
        raise _Flaw(line, f"no retention {cells['retention']!r}; use {codes} 保管期限有误")
    ceiling = classification_of(cells.get("ceiling") or _CEILING)
    if ceiling is None:
        codes = ", ".join(CLASSIFICATIONS)
        raise _Flaw(line, f"no classification {cells['ceiling']!r}; use {codes} 密级上限有误")
    entries[matter] = ScopeEntry(retention, cells.get("class", ""), ceiling)
