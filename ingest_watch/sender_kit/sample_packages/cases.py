"""政务服务事项办件与批次样例 · Samples of government-service cases, and of batches of them.

GB/T 42727-2023 as a receiver implements it: one zip for each 办件, with 基本信息元数据.xml,
管理过程元数据.xml and the files by kind; a batch is a folder of such zips with a 移交目录.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sample_packages.files import (  # type: ignore[import-not-found]  # lies in the same folder
    Sample,
    changed,
    elements,
    pdf,
    replaced,
    zipped,
)

_BASE_INFO, _PROCESS, _LISTING = "基本信息元数据.xml", "管理过程元数据.xml", "移交目录.xml"
_RESULT = "结果文件/批复.txt"
_FILES = {
    "申报文件/申请表.txt": "申请表（样例）\n".encode(),
    "申报文件/平面图.pdf": pdf("Site plan (sample)"),
    "过程文件/受理通知书.txt": "受理通知书（样例）\n".encode(),
    _RESULT: "批复（样例）\n".encode(),
}
_LETTERS = {"申报文件": "A", "过程文件": "B", "结果文件": "C"}
_UNIT = "11350100MB0123456X"
_TASK, _OTHER_TASK = "000131001000", "000199009000"
_FACTS = {
    "region_code": "350100", "information_system_description": "审批系统",
    "archives_identifier": "435001", "archives_name": "示例市档案馆",
    "fonds_constituting_unit_name": "示例市行政审批局", "lead_department": "审批一处",
    "fonds_identifier": "J001", "social_code": _UNIT, "retention_period": "D30",
    "security_classification": "公开", "project_id": "20210301000001",
    "task_name": "建设工程规划许可", "task_version": "1", "task_type": "行政许可",
    "project_name": "某小区规划许可（样例）", "service_type": "承诺件",
    "archive_time": "2021-04-01 10:00:00", "apply_name": "张某某（样例）", "apply_type": "自然人",
    "card_type": "其他", "contacted_card": "SAMPLE-0001", "address": "示例市示例路1号",
    "legal_man": "", "legal_man_id_type": "", "legal_man_id_number": "", "is_project": "否",
    "project_code": "", "project_title": "", "project_address": "",
    "receive_department": "示例市行政审批局", "receive_time": "2021-03-01 09:00:00",
    "transact_time": "2021-03-05 17:00:00", "result": "准予", "result_code": "",
    "accept_num": "SL20210301000001", "remarks": "",
}  # fmt: skip


def case() -> Iterable[Sample]:
    """Every sample of one case. A bad one's 电子文件号 says what is wrong with it."""
    yield Sample(f"{_code(1)}.zip", zipped(_case(_code(1)), "gbk"))
    yield Sample(f"{_code(2)}.zip", zipped(_case(_code(2))))
    # A matter of its own: outside the scope of a source whose table does not have it.
    yield Sample(f"{_code(9)}.zip", zipped(_case(_code(9), task_code=_OTHER_TASK), "gbk"))
    size = f"<computer_file_size>{len(_FILES[_RESULT])}</computer_file_size>"
    for name, code, change in (
        ("missing-file", "case-file-missing", {_RESULT: None}),
        ("unlisted-file", "case-surplus", {"过程文件/草稿.txt": b"draft\n"}),
        ("no-base-info", "case-base-info-missing", {_BASE_INFO: None}),
        ("no-process", "case-process-missing", {_PROCESS: None}),
        ("wrong-size", "case-file-size", (size, size.replace(">", ">9", 1))),
        ("wrong-total", "case-count", ("<total_number>4<", "<total_number>5<")),
        ("other-code", "case-code-name", ("<electronic_record_code>", "<electronic_record_code>x")),
        ("other-folder", "case-folder-title", ('title="过程文件"', 'title="其他文件"')),
        ("no-retention", "metadata-empty", ("<retention_period>D30", "<retention_period>")),
        ("wrong-file-code", "case-file-code", ("<file_code>C", "<file_code>A")),
    ):
        files = _spoiled(_case(name), _BASE_INFO, change)
        yield Sample(f"{name}.zip", zipped(files, "gbk"), code)


def case_batch() -> Iterable[Sample]:
    """Every sample of a batch."""
    yield Sample("20210401-001", _batch("20210401-001", [1, 2, 3]))
    # The batch is as its listing says: the cases in it fare each by itself.
    lacking = zipped(changed(_case(_code(6)), {_RESULT: None}), "gbk")
    batch = _batch("20210401-002", [4, 5], {f"{_code(6)}.zip": lacking})
    yield Sample("20210401-002", batch, parts={f"{_code(6)}.zip": "case-file-missing"})
    batch = _batch("20210401-003", [1, 2])
    first = f"{_code(1)}.zip"
    digest = hashlib.sha256(batch[first]).hexdigest()
    for name, code, change in (
        ("missing-zip", "batch-zip-missing", {first: None}),
        ("unlisted-zip", "batch-zip-surplus", {f"{_code(3)}.zip": batch[first]}),
        ("surplus-file", "batch-surplus", {"说明.txt": b"surplus\n"}),
        ("altered-zip", "batch-digest-mismatch", {first: batch[first][:-1] + b"\x01"}),
        ("no-digest", "batch-digest-missing", (digest, "")),
        ("unclear-digest", "batch-digest-unclear", (digest, digest[1:])),
        ("wrong-bytes", "batch-bytes", ("<归档信息包字节数>", "<归档信息包字节数>9")),
        ("no-transactor", "batch-header", ("王某某", "")),
        ("number-twice", "batch-number-twice",
         (f"<documentNumber>{_code(2)}", f"<documentNumber>{_code(1)}")),
        ("not-xml", "xml-not-well-formed", ("</transfer>", "")),
    ):  # fmt: skip
        yield Sample(name, _spoiled(batch, _LISTING, change), code)


def _spoiled(
    files: Mapping[str, bytes], document: str, change: Mapping[str, bytes | None] | tuple[str, str]
) -> dict[str, bytes]:
    """With files exchanged, or one text of the document."""
    if isinstance(change, tuple):
        change = {document: replaced(files[document], *change)}
    spoiled: dict[str, bytes] = changed(files, change)
    return spoiled


def _code(number: int) -> str:
    return f"{_UNIT}-2021-{number:06}"


def _case(code: str, task_code: str = _TASK) -> dict[str, bytes]:
    facts = {"electronic_record_code": code, "task_code": task_code, **_FACTS}
    told = elements({**facts, "total_number": str(len(_FILES))})
    listed = "".join(_listed(number, path) for number, path in enumerate(_FILES, 1))
    step = elements({"step": "受理", "time": "2021-03-01 09:00:00"})
    return {
        _BASE_INFO: _document("base_info", f"{told}<fileset>{listed}</fileset>"),
        _PROCESS: _document("process_info", f"<process>{step}</process>"),
        **_FILES,
    }


def _listed(number: int, path: str) -> str:
    title, _, name = path.partition("/")
    file = {
        "file_code": f"{_LETTERS[title]}{number}",
        "file_standard_name": name,
        "file_actual_name": name,
        "format_information": name.rpartition(".")[2],
        "computer_file_name": name,
        "computer_file_size": str(len(_FILES[path])),
        "computer_file_creation_time": "2021-03-01 09:00:00",
    }
    return f'<folder id="{number}" title="{title}"><file>{elements(file)}</file></folder>'


def _batch(
    name: str, numbers: list[int], others: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    zips = {f"{_code(number)}.zip": zipped(_case(_code(number)), "gbk") for number in numbers}
    zips.update(others or {})
    rows = ""
    for path, content in zips.items():
        row = {
            "documentNumber": path[: -len(".zip")], "fondsIdentifier": "J001",
            "categoryCode": "ZW", "year": "2021", "archiveTime": "2021-04-01", "taskCode": _TASK,
            "taskVersion": "1", "regionCode": "350100", "socialCode": _UNIT,
            "projectName": "某小区规划许可（样例）",
            # SM3 is taken too, where the sender has it.
            "digitalSummary": hashlib.sha256(content).hexdigest(),
            "softwareEnvironment": f"D:\\export\\{path}", "归档信息包字节数": str(len(content)),
        }  # fmt: skip
        rows += f"<directory>{elements(row)}</directory>"
    head = {"batchName": name, "transactor": "王某某",
            "exchangeTime": "2021-04-01 10:00:00"}  # fmt: skip
    listing = _document("transfer", f"{elements(head)}<directories>{rows}</directories>")
    return {_LISTING: listing, **zips}


def _document(root: str, body: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{body}</{root}>\n'.encode()
