"""Read a 目录: 文件目录.XML or 案卷目录.XML, one record after the other.

档发〔2012〕7号 annex 2; docs/formats/carrier.md. Yields records as they come and keeps none, so a
目录 may have a million. Judges columns; what they say is for the profile's rules, and whether the
content that they name is there for carrier_content.py.
"""

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.carrier_layout import CATALOGUES
from ingest_watch.formats.carrier_rules import (
    BYTE_ORDER_MARK,
    COLUMN_EXTRA,
    COLUMN_MISSING,
    COLUMN_NESTED,
    COLUMN_TWICE,
    ENCODING_OTHER,
    ENCODING_WRONG,
    ENTRY_NAME,
    NAMES_SEVERAL,
    ROOT,
    ROOT_VARIANT,
)
from ingest_watch.records import Field, Record
from ingest_watch.xml_reading import (
    DOCUMENT_BYTES_MAX,
    PIECE_BYTES,
    XML_LIMIT,
    End,
    Leaf,
    Start,
    XmlFlaw,
    xml_events,
    xml_leaves,
)

CONTENT_NAME = "电子档案名称"
_REQUIRED = ("顺序号", "档号", "责任者", "题名", "日期", "密级", CONTENT_NAME)
_REMARKS = "备注"
_ROOT_VARIANT = "目录"
_PROVIDED = frozenset({"gb18030", "gb2312", "utf-8"})
# Of one record.
_COLUMNS_MAX = 1000
# Characters of a sender's element name in a finding.
_SHOWN_MAX = 100
# Different columns that are told once each.
_TOLD_ONCE_MAX = 1000
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Tell = Callable[[Finding], None]


class RootUnknown(Exception):
    """The document is no 目录 of its kind; `finding` says so."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def catalogue_records(stream: BinaryIO, path: str, fixed_name: str, tell: Tell) -> Iterator[Record]:
    """Yield every record of the 目录 at `path`, telling what is wrong with its columns.

    Raises XmlFlaw and RootUnknown.
    """
    reading = _Reading(path, fixed_name, tell)
    for part in xml_leaves(xml_events(stream, path), path):
        record = reading.take(part)
        if record is not None:
            yield record


class _Reading:
    """Where one pass over a 目录 stands."""

    def __init__(self, path: str, fixed_name: str, tell: Tell) -> None:
        self._path = path
        self._entry_name = CATALOGUES[fixed_name]
        self._root_name = fixed_name.removesuffix(".XML")
        self._tell = tell
        self._told_once: set[tuple[str, str]] = set()
        self._depth = 0
        self._count = 0
        self._fields: list[Field] = []

    def take(self, part: Leaf | Start | End) -> Record | None:
        """Take the next part of the document; return a record that ended with it."""
        match part:
            case Start():
                self._depth += 1
                self._opened(part)
            case Leaf(path, _, text, line):
                if self._depth == 0:
                    self._expect_root(path[-1])
                elif self._depth == 1:
                    self._begin(path[-1], line)
                    return self._finished()
                elif self._depth == 2:
                    self._add(Field(path[-1], text, line))
            case End():
                self._depth -= 1
                if self._depth == 1:
                    return self._finished()
        return None

    def _opened(self, start: Start) -> None:
        if self._depth == 1:
            self._expect_root(start.name)
        elif self._depth == 2:
            self._begin(start.name, start.line)
        elif self._depth == 3:
            column = start.name[:_SHOWN_MAX]
            self._tell(COLUMN_NESTED.found(self._path, place=self._place(), column=column))
            self._add(Field(start.name, "", start.line))

    def _add(self, field: Field) -> None:
        if len(self._fields) >= _COLUMNS_MAX:
            detail = f"{self._place()} has more than {_COLUMNS_MAX} columns"
            raise XmlFlaw(XML_LIMIT.found(self._path, detail=detail))
        self._fields.append(field)

    def _expect_root(self, name: str) -> None:
        if name == _ROOT_VARIANT:
            self._tell(ROOT_VARIANT.found(self._path, expected=self._root_name))
        elif name != self._root_name:
            raise RootUnknown(
                ROOT.found(self._path, actual=name[:_SHOWN_MAX], expected=self._root_name)
            )

    def _begin(self, name: str, line: int) -> None:
        self._count += 1
        self._fields = []
        if name != self._entry_name:
            expected = self._entry_name
            self._tell(
                ENTRY_NAME.found(self._path, line=line, actual=name[:_SHOWN_MAX], expected=expected)
            )

    def _place(self) -> str:
        return f"{self._entry_name} {self._count}"

    def _finished(self) -> Record:
        self._judge_columns(Counter(field.name for field in self._fields))
        place = f"{self._path}, {self._place()}"
        return Record(place, self._path, tuple(self._fields))

    def _judge_columns(self, names: Counter[str]) -> None:
        for column in _REQUIRED:
            if column not in names:
                found = COLUMN_MISSING.found(self._path, place=self._place(), column=column)
                self._tell(found)
        if _REMARKS not in names:
            self._tell_once(_REMARKS, "missing")
        for column, count in names.items():
            if count > 1:
                rule = NAMES_SEVERAL if column == CONTENT_NAME else COLUMN_TWICE
                self._tell(rule.found(self._path, place=self._place(), column=column[:_SHOWN_MAX]))
            if column not in _REQUIRED and column != _REMARKS:
                self._tell_once(column, "extra")

    def _tell_once(self, column: str, what: str) -> None:
        """Tell what a sender's program does to every record for the first that it does it to."""
        if (column, what) in self._told_once or len(self._told_once) > _TOLD_ONCE_MAX:
            return
        self._told_once.add((column, what))
        if what == "extra":
            self._tell(COLUMN_EXTRA.found(self._path, column=column[:_SHOWN_MAX]))
        else:
            remark = COLUMN_MISSING.found(
                self._path, severity=Severity.WARNING, place=self._place(), column=column
            )
            self._tell(remark)


def encoding_flaw(stream: BinaryIO, path: str, tell: Tell) -> Finding | None:
    """Judge how the document says it is written; return why it cannot be read, if it cannot.

    Leaves the stream at its start.
    """
    start = stream.read(PIECE_BYTES)
    stream.seek(0)
    if start.startswith(_MARKS):
        tell(BYTE_ORDER_MARK.found(path))
    declared = _DECLARED.match(start.removeprefix(codecs.BOM_UTF8))
    name = "utf-8" if declared is None else declared[1].decode().lower()
    if start.startswith(_MARKS[1:]):
        name = "utf-16"
    if name not in _PROVIDED:
        tell(ENCODING_OTHER.found(path, encoding=name))
    elif name != "utf-8" and not start.startswith(_MARKS) and _is_utf8(stream):
        return ENCODING_WRONG.found(path, encoding=name)
    return None


def _is_utf8(stream: BinaryIO) -> bool:
    """Tell whether it is UTF-8 and more than ASCII, which no GB18030 with Chinese names is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_ascii = True
    read_bytes = 0
    try:
        while read_bytes < DOCUMENT_BYTES_MAX and (piece := stream.read(PIECE_BYTES)):
            read_bytes += len(piece)
            is_ascii = is_ascii and piece.isascii()
            decoder.decode(piece)
    except UnicodeDecodeError:
        return False
    finally:
        stream.seek(0)
    return not is_ascii
