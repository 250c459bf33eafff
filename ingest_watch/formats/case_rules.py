"""The rules of a government-service case, each with its text.

GB/T 42727-2023 (before it DA/T 85-2019), as far as an implementation shows them that follows
《福州市政务服务事项电子文件归档技术规范》; docs/formats/case.md is the table. Texts only.
`base_info` is personal data: a text names an element, never what stands in it.
"""

from ingest_watch.findings import Rule, Severity

_SOURCE = "GB/T 42727-2023"


def _error(code: str, english: str, chinese: str) -> Rule:
    return Rule(code, Severity.ERROR, english, chinese, _SOURCE)


def _warning(code: str, english: str, chinese: str) -> Rule:
    return Rule(code, Severity.WARNING, english, chinese, _SOURCE)


BASE_INFO_MISSING = _error(
    "case-base-info-missing", "基本信息元数据.xml is missing", "缺少基本信息元数据.xml"
)
PROCESS_MISSING = _error(
    "case-process-missing", "管理过程元数据.xml is missing", "缺少管理过程元数据.xml"
)
NAME_VARIANT = _warning(
    "case-name-variant", "the name must be written {name}", "该名称应写作 {name}"
)
TOP_FOLDER = _warning(
    "case-top-folder", "the zip holds one folder around everything; it was left out",
    "zip 内另有一层顶级文件夹，展开时已去除",
)  # fmt: skip
ROOT = _error(
    "case-root", "the root element must be base_info", "根元素应为 base_info"
)  # fmt: skip
PROCESS_EMPTY = _error(
    "case-process-empty", "no step of the procedure is in it", "其中没有任何过程信息"
)
ELEMENT_TWICE = _error(
    "case-element-twice", "the element {element} stands more than once", "元素 {element} 出现多次"
)
ELEMENTS_MISSING = _warning(
    "case-elements-missing", "base_info lacks {elements}", "base_info 缺少 {elements}"
)
ELEMENTS_UNKNOWN = _warning(
    "case-elements-unknown", "base_info has elements that are not provided for: {elements}",
    "base_info 含有规定以外的元素：{elements}",
)  # fmt: skip
CODE_MISSING = _error(
    "case-code-missing", "electronic_record_code is missing or empty",
    "electronic_record_code（电子文件号）缺少或为空",
)  # fmt: skip
CODE_NAME = _error(
    "case-code-name", "electronic_record_code is not the name of the package",
    "electronic_record_code（电子文件号）与信息包名称不一致",
)  # fmt: skip
CODE_ESCAPED = _warning(
    "case-code-escaped",
    "the name of the package is electronic_record_code without characters that names cannot have",
    "信息包名称为去除文件名禁用字符后的 electronic_record_code（电子文件号）",
)
FILESET_MISSING = _error(
    "case-fileset-missing", "base_info lists no file: there is no fileset, or none in it",
    "base_info 未列出任何文件：缺少 fileset 或其中没有 file",
)  # fmt: skip
FOLDER_TITLE = _error(
    "case-folder-title", "the title of folder {folder} is not 申报文件, 过程文件 or 结果文件",
    "第 {folder} 个 folder 的 title 不是申报文件、过程文件或结果文件",
)  # fmt: skip
FILE_CODE = _error(
    "case-file-code", "{place}: file_code must begin with {letter}",
    "{place} 的 file_code 应以 {letter} 开头",
)  # fmt: skip
FILE_UNNAMED = _error(
    "case-file-unnamed", "{place} has neither file_actual_name nor computer_file_name",
    "{place} 既无 file_actual_name，也无 computer_file_name",
)  # fmt: skip
FILE_OUTSIDE = _error(
    "case-file-outside", "{place} names what lies outside its folder", "{place} 指向所在文件夹之外"
)
FILE_MISSING = _error(
    "case-file-missing", "{place} lists the file, and it is not in the package",
    "{place} 列出该文件，但信息包中没有",
)  # fmt: skip
FILE_SIMILAR = _warning(
    "case-file-similar", "{place} writes the name in another Unicode form",
    "{place} 中文件名的 Unicode 规范化形式不同",
)  # fmt: skip
FILE_OTHER_NAME = _warning(
    "case-file-other-name", "{place}: the file has its computer_file_name, not file_actual_name",
    "{place} 对应的文件以 computer_file_name 命名，而非 file_actual_name",
)  # fmt: skip
FILE_TWICE = _error(
    "case-file-twice", "the fileset lists the file {count} times", "fileset 将该文件列出 {count} 次"
)
FILE_SIZE = _error(
    "case-file-size", "computer_file_size is {stated}; the file has {actual} bytes",
    "computer_file_size 为 {stated}，文件实为 {actual} 字节",
)  # fmt: skip
SIZE_UNCLEAR = _warning(
    "case-size-unclear", "{place}: computer_file_size is no whole number of bytes",
    "{place} 的 computer_file_size 不是整数字节数",
)  # fmt: skip
SURPLUS = _error("case-surplus", "the fileset does not list this file", "fileset 未列出该文件")
TOTAL_UNCLEAR = _error(
    "case-total-unclear",
    "total_number is missing or no whole number",
    "total_number 缺少或不是整数",
)
COUNT = _error(
    "case-count", "total_number is {stated}; the fileset lists {actual}",
    "total_number 为 {stated}，fileset 实列 {actual}",
)  # fmt: skip
COUNT_WITH_DOCUMENTS = _warning(
    "case-count-with-documents", "total_number counts the two metadata documents too",
    "total_number 将两个元数据文件计算在内",
)  # fmt: skip
UNREAD = Rule(
    "case-unread", Severity.NOTE, "基本信息元数据.xml is missing or cannot be read",
    "缺少或无法读取基本信息元数据.xml，该项无从检测", _SOURCE,
)  # fmt: skip
