"""Read a 移交目录: what stands in its head, and one directory for each case.

As an implementation of 《福州市政务服务事项电子文件归档技术规范》 exchanges it; the table is
docs/formats/case-batch.md. Element names are known, their nesting is not, so a directory is
whatever holds such elements. Directories are yielded and not kept.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest_watch.findings import Finding
from ingest_watch.formats.case_batch_rules import FIELD_TWICE, HEADER, NUMBER_MISSING, TIME
from ingest_watch.records import Field, Record
from ingest_watch.xml_reading import XML_LIMIT, Leaf, Start, XmlFlaw, xml_events, xml_leaves

NUMBER = "documentNumber"
DIGEST = "digitalSummary"
PATH = "softwareEnvironment"
BYTES = "归档信息包字节数"
BATCH_NAME = "batchName"
_HEADER = (BATCH_NAME, "transactor", "exchangeTime")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_OF_DIRECTORY = frozenset(
    {
        NUMBER, DIGEST, PATH, BYTES, "fondsIdentifier", "categoryCode", "year", "archiveTime",
        "taskCode", "taskVersion", "regionCode", "socialCode", "projectName",
    }
)  # fmt: skip
_FIELDS_MAX = 1000
_SHOWN_MAX = 60


@dataclass(slots=True)
class Heading:
    """What stands outside of all directories, and how many there are."""

    fields: dict[str, str] = field(default_factory=dict)
    directory_count: int = 0


class BatchListing:
    """One pass over the 移交目录 at `path`."""

    def __init__(self, path: str, tell: Callable[[Finding], None]) -> None:
        self._path = path
        self._tell = tell
        self.heading = Heading()
        self._open: list[list[Field]] = []  # the leaves of each element that is open

    def directories(self, stream: BinaryIO) -> Iterator[Record]:
        """Yield every directory; the heading is whole afterwards. Raises XmlFlaw."""
        for part in xml_leaves(xml_events(stream, self._path), self._path):
            match part:
                case Start():
                    self._open.append([])
                case Leaf(path, _, text, line):
                    self._add(Field(path[-1], text, line))
                case _:
                    fields = self._open.pop()
                    if self._open and _is_directory(fields):
                        yield self._directory(fields)
                    else:
                        self.heading.fields.update((each.name, each.value) for each in fields)
        self._judge_heading()

    def _add(self, leaf: Field) -> None:
        if not self._open:
            return
        fields = self._open[-1]
        if len(fields) >= _FIELDS_MAX:
            detail = f"more than {_FIELDS_MAX} elements in one"
            raise XmlFlaw(XML_LIMIT.found(self._path, detail=detail))
        fields.append(leaf)

    def _directory(self, fields: list[Field]) -> Record:
        self.heading.directory_count += 1
        place = f"{self._path}, {self.heading.directory_count}"
        names = [each.name for each in fields]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                element = name[:_SHOWN_MAX]
                self._tell(FIELD_TWICE.found(self._path, place=place, element=element))
        record = Record(place, self._path, tuple(fields))
        if not any(record.values(NUMBER)):
            self._tell(NUMBER_MISSING.found(self._path, place=place))
        return record

    def _judge_heading(self) -> None:
        for element in _HEADER:
            if not self.heading.fields.get(element):
                self._tell(HEADER.found(self._path, element=element))
        time = self.heading.fields.get("exchangeTime")
        if time and _TIME.fullmatch(time) is None:
            self._tell(TIME.found(self._path))


def _is_directory(fields: list[Field]) -> bool:
    """The sum of all bytes stands in the head under the name it has in a directory."""
    names = {each.name for each in fields}
    return bool(names & _OF_DIRECTORY) and not names & set(_HEADER)
