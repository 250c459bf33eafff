"""Government-service cases and batches of them for tests: right by default, wrong where wanted."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from tests.bags import ZipPart, zip_bytes

BASE_INFO = "基本信息元数据.xml"
PROCESS = "管理过程元数据.xml"
CODE = "11350100MB0123456X-2021-000001"
FILES = {
    "申报文件/申请表.txt": "申请表\n".encode(),
    "申报文件/身份证.txt": "身份证复印件\n".encode(),
    "过程文件/受理通知书.txt": "受理通知书\n".encode(),
    "结果文件/批复.txt": "批复\n".encode(),
}
ELEMENTS = {
    "electronic_record_code": CODE, "region_code": "350100", "task_code": "000131001000",
    "information_system_dcscription": "审批系统", "archives_identifier": "435001",
    "archives_name": "某市档案馆", "fonds_constituting_unit_name": "某市行政审批局",
    "lead_department": "审批一处", "fonds_identifier": "J001", "social_code": "11350100MB0123456X",
    "retention_period": "D30", "security_classification": "公开", "project_id": "20210301000001",
    "task_name": "某事项", "task_version": "1", "task_type": "行政许可", "project_name": "某办件",
    "service_type": "承诺件", "archive_time": "2021-04-01 10:00:00", "apply_name": "张某某",
    "apply_type": "自然人", "card_type": "身份证", "contacted_card": "350100199001011234",
    "address": "某区某路1号", "legal_man": "李某某", "legal_man_id_type": "身份证",
    "legal_man_id_number": "350100198001014321", "is_project": "否", "project_code": "",
    "project_title": "", "project_address": "", "receive_department": "某市行政审批局",
    "receive_time": "2021-03-01 09:00:00", "transact_time": "2021-03-05 17:00:00",
    "result": "准予", "result_code": "", "accept_num": "SL20210301000001", "remarks": "",
}  # fmt: skip
# None of these may be found in a finding.
PERSONAL = ("张某某", "350100199001011234", "某区某路1号", "李某某", "350100198001014321")
_LETTERS = {"申报文件": "A", "过程文件": "B", "结果文件": "C"}


def listed(files: Mapping[str, bytes] = FILES) -> list[tuple[str, dict[str, str | None]]]:
    """Folder title and elements of one <file> for each file."""
    entries: list[tuple[str, dict[str, str | None]]] = []
    for number, (path, content) in enumerate(files.items(), 1):
        title, _, name = path.partition("/")
        entries.append(
            (
                title,
                {
                    "file_code": f"{_LETTERS.get(title, 'A')}{number}",
                    "file_standard_name": name,
                    "file_actual_name": name,
                    "format_information": name.rpartition(".")[2],
                    "computer_file_name": name,
                    "computer_file_size": str(len(content)),
                    "computer_file_creation_time": "2021-03-01 09:00:00",
                },
            )
        )
    return entries


def with_entry(number: int, title: str | None = None, **changed: str | None) -> str:
    """The fileset of the usual files with one <file> changed; None leaves an element out."""
    entries = listed()
    old_title, elements = entries[number]
    entries[number] = (old_title if title is None else title, {**elements, **changed})
    return fileset(entries)


def fileset(entries: Iterable[tuple[str, Mapping[str, str | None]]] | None = None) -> str:
    """A <fileset>, a <folder> for each file: what lies together need not stand together."""
    text = ""
    for title, elements in listed() if entries is None else entries:
        text += (
            f'<folder id="1" title="{escape(title)}"><file>{_elements(elements)}</file></folder>'
        )
    return f"<fileset>{text}</fileset>"


def base_info(files: str | None = None, **changed: str | None) -> bytes:
    """基本信息元数据.xml; `changed` replaces an element, or leaves it out."""
    elements = {**ELEMENTS, "total_number": str(len(FILES)), **changed}
    body = _elements(elements) + (fileset() if files is None else files)
    return f'<?xml version="1.0" encoding="UTF-8"?><base_info>{body}</base_info>'.encode()


def process() -> bytes:
    return (
        b'<?xml version="1.0" encoding="UTF-8"?><process_info><process><step>2</step>'
        b"<time>2021-03-01 09:00:00</time></process></process_info>"
    )


def case_files(changed: Mapping[str, bytes | None] | None = None) -> dict[str, bytes]:
    """The files of one case, by path; `changed` adds, replaces or removes."""
    files = {BASE_INFO: base_info(), PROCESS: process(), **FILES, **(changed or {})}
    return {path: content for path, content in files.items() if content is not None}


def case_parts(files: Mapping[str, bytes] | None = None, codec: str = "gbk") -> list[ZipPart]:
    """The entries of a case's zip, written on Windows: names in GBK, and not declared."""
    flags = 0x800 if codec == "utf-8" else 0
    return [
        ZipPart(path.encode(codec), content, flags=flags, made_on=0, mode=0)
        for path, content in (case_files() if files is None else files).items()
    ]


def case_zip(files: Mapping[str, bytes] | None = None, codec: str = "gbk") -> bytes:
    return zip_bytes(case_parts(files, codec))


def numbered_case(code: str) -> bytes:
    """The zip of a case of this electronic_record_code."""
    return case_zip(case_files({BASE_INFO: base_info(electronic_record_code=code)}))


@dataclass
class Batch:
    """A batch of `count` cases; tests change a part of it before `files` puts it together."""

    count: int = 2
    first: int = 1  # the number of the first case
    digest: str = "sm3"
    zips: dict[str, bytes] = field(default_factory=dict)
    directories: list[dict[str, str | None]] = field(default_factory=list)
    header: dict[str, str | None] = field(default_factory=dict)
    root: str = "transfer"
    row: str = "directory"  # the element of one case
    body: str = "{head}<directories>{rows}</directories>"
    name: str = "移交目录.xml"
    repeated: str | None = None  # a field that the first directory has twice
    others: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.header = {
            "batchName": "20210401-001",
            "transactor": "王某某",
            "exchangeTime": "2021-04-01 10:00:00",
            **self.header,
        }
        for number in range(self.first, self.first + self.count):
            code = f"{CODE[:-6]}{number:06}"
            content = numbered_case(code)
            self.zips[f"{code}.zip"] = content
            self.directories.append(
                {
                    "documentNumber": code, "fondsIdentifier": "J001", "categoryCode": "ZW",
                    "year": "2021", "archiveTime": "2021-04-01", "taskCode": "000131001000",
                    "taskVersion": "1", "regionCode": "350100",
                    "socialCode": "11350100MB0123456X", "projectName": "某办件",
                    "digitalSummary": hashlib.new(self.digest, content).hexdigest(),
                    "softwareEnvironment": f"D:\\export\\{code}.zip",
                    "归档信息包字节数": str(len(content)),
                }
            )  # fmt: skip

    def listing(self) -> bytes:
        """The 移交目录."""
        rows = "".join(f"<{self.row}>{_elements(row)}</{self.row}>" for row in self.directories)
        if self.repeated is not None:
            again = f"<{self.repeated}>again</{self.repeated}></{self.row}>"
            rows = rows.replace(f"</{self.row}>", again, 1)
        body = self.body.format(head=_elements(self.header), rows=rows)
        text = f'<?xml version="1.0" encoding="UTF-8"?><{self.root}>{body}</{self.root}>'
        return text.encode()

    def files(self) -> dict[str, bytes]:
        """Everything in the batch's folder."""
        return {self.name: self.listing(), **self.zips, **self.others}


def _elements(elements: Mapping[str, str | None]) -> str:
    return "".join(
        f"<{name}>{escape(text)}</{name}>" for name, text in elements.items() if text is not None
    )
