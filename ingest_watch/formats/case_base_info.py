"""Read 基本信息元数据.xml: the simple elements of `base_info`, and the files of its fileset.

Element names are those of an implementation of 《福州市政务服务事项电子文件归档技术规范》, its
misspelling included; docs/formats/case.md. Files are handed on as they come and not kept. What is
in `base_info` is personal data: findings name elements only.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest_watch.findings import Finding
from ingest_watch.formats.case_rules import (
    CODE_MISSING,
    ELEMENT_TWICE,
    ELEMENTS_MISSING,
    ELEMENTS_UNKNOWN,
    FILESET_MISSING,
    FOLDER_TITLE,
    ROOT,
)
from ingest_watch.records import Field
from ingest_watch.xml_reading import XML_LIMIT, End, Leaf, Start, XmlFlaw, xml_events, xml_leaves

CODE = "electronic_record_code"
TOTAL = "total_number"
# The letter that the file codes of a folder begin with.
LETTERS = {"申报文件": "A", "过程文件": "B", "结果文件": "C"}
_ELEMENTS = (
    CODE, "region_code", "task_code", "information_system_dcscription", "archives_identifier",
    "archives_name", "fonds_constituting_unit_name", "lead_department", "fonds_identifier",
    "social_code", "retention_period", "security_classification", "project_id", "task_name",
    "task_version", "task_type", "project_name", "service_type", "archive_time", "apply_name",
    "apply_type", "card_type", "contacted_card", "address", "legal_man", "legal_man_id_type",
    "legal_man_id_number", "is_project", "project_code", "project_title", "project_address",
    "receive_department", "receive_time", "transact_time", "result", "result_code", "accept_num",
    TOTAL, "remarks",
)  # fmt: skip
_SPELLED_RIGHT = {"information_system_description": "information_system_dcscription"}
_FIELDS_MAX = 1000
# Element names that one finding lists, and characters of one.
_SHOWN_NAMES_MAX, _SHOWN_MAX = 50, 60


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One <file> of the fileset, as sent."""

    number: int  # from 1, in the order of the document
    title: str  # of its folder
    fields: dict[str, str]

    @property
    def place(self) -> str:
        """Where it stands, for people; no name of a file is in it."""
        return f"fileset, file {self.number}"


@dataclass(slots=True)
class BaseInfo:
    """The simple elements, in their order, and how many files are listed."""

    fields: list[Field] = field(default_factory=list)
    file_count: int = 0

    def value(self, name: str) -> str:
        """Return the value of an element, "" if it has none."""
        return next((each.value for each in self.fields if each.name == name), "")


class BaseInfoReader:
    """One pass over the document at `path`."""

    def __init__(
        self, path: str, tell: Callable[[Finding], None], keep: Callable[[CaseFile], None]
    ) -> None:
        self._path = path
        self._tell = tell
        self._keep = keep
        self._info = BaseInfo()
        self._open: list[str] = []
        self._folder_count = 0
        self._title = ""
        self._file: dict[str, str] = {}

    def read(self, stream: BinaryIO) -> BaseInfo | None:
        """Read it all; None if it is another document. Raises XmlFlaw."""
        for part in xml_leaves(xml_events(stream, self._path), self._path):
            root = part.path[0] if isinstance(part, Leaf) else part.name
            if not self._open and root != "base_info":
                self._tell(ROOT.found(self._path))
                return None
            self._take(part)
        for finding in self._flaws():
            self._tell(finding)
        return self._info

    def _take(self, part: Leaf | Start | End) -> None:
        match part:
            case Start(name, _, attributes):
                self._open.append(name)
                if name == "folder":
                    self._begin_folder(attributes.get("title", ""))
                elif name == "file":
                    self._file = {}
            case Leaf():
                self._take_leaf(part)
            case End(name):
                self._open.pop()
                if name == "file":
                    self._end_file(self._file)

    def _take_leaf(self, leaf: Leaf) -> None:
        name = leaf.path[-1]
        if name == "folder":
            self._begin_folder(leaf.attributes.get("title", ""))
        elif name == "file":
            self._end_file({})
        elif self._open[-1:] == ["file"]:
            self._expect_few(self._file)
            self._file.setdefault(name, leaf.text)
        elif len(leaf.path) == 2 and name != "fileset":
            self._expect_few(self._info.fields)
            self._info.fields.append(Field(name, leaf.text, leaf.line))

    def _begin_folder(self, title: str) -> None:
        self._folder_count += 1
        self._title = title.strip()
        if self._title not in LETTERS:
            self._tell(FOLDER_TITLE.found(self._path, folder=self._folder_count))

    def _end_file(self, fields: dict[str, str]) -> None:
        self._info.file_count += 1
        self._keep(CaseFile(self._info.file_count, self._title, fields))

    def _expect_few(self, fields: list[Field] | dict[str, str]) -> None:
        if len(fields) >= _FIELDS_MAX:
            detail = f"more than {_FIELDS_MAX} elements in one"
            raise XmlFlaw(XML_LIMIT.found(self._path, detail=detail))

    def _flaws(self) -> Iterator[Finding]:
        names = Counter(_SPELLED_RIGHT.get(each.name, each.name) for each in self._info.fields)
        for name, count in names.items():
            if count > 1:
                yield ELEMENT_TWICE.found(self._path, element=name[:_SHOWN_MAX])
        if not self._info.value(CODE):
            yield CODE_MISSING.found(self._path)
        if missing := [name for name in _ELEMENTS if name not in names]:
            yield ELEMENTS_MISSING.found(self._path, elements=_shown(missing))
        if unknown := [name for name in names if name not in _ELEMENTS]:
            yield ELEMENTS_UNKNOWN.found(self._path, elements=_shown(unknown))
        if self._info.file_count == 0:
            yield FILESET_MISSING.found(self._path)


def _shown(names: list[str]) -> str:
    few = [name[:_SHOWN_MAX] for name in names[:_SHOWN_NAMES_MAX]]
    return ", ".join(few) + (", …" if len(names) > len(few) else "")
