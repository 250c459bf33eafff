"""What is worth telling about the names in a package, whatever its format.

Attack catalogue A14-A19; RFC 8493 section 6.1.1 and 6.1.2 (portability). Two names that only
differ in Unicode form cannot be told apart by anyone, so they are refused; everything else is
kept exactly and told.
"""

from collections.abc import Iterator

from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.listing import Listing
from ingest_watch.names import composed, peculiarities
from ingest_watch.opening_rules import NAME_NOT_UTF8

_SOURCE = "RFC 8493 §6.1"

NAME_TWINS = Rule(
    "name-twins", Severity.ERROR,
    "two names differ only in Unicode form: '{other}'; nobody could tell them apart",
    "两个文件名仅 Unicode 规范化形式不同：“{other}”；无法分辨", _SOURCE,
)  # fmt: skip
CASE_TWINS = Rule(
    "name-case-twins", Severity.WARNING,
    "two names differ only in case: '{other}'; many systems can hold only one of them",
    "两个文件名仅大小写不同：“{other}”；许多系统只能保存其一", _SOURCE,
)  # fmt: skip
FOLDER_EMPTY = Rule(
    "folder-empty", Severity.WARNING, "the folder is empty, and empty folders are not kept",
    "该文件夹为空；空文件夹不予保存", _SOURCE,
)  # fmt: skip
_REMARKS = {
    "control": Rule(
        "name-control", Severity.WARNING, "the name holds control characters or line breaks",
        "文件名含控制字符或换行符", _SOURCE,
    ),
    "reordering": Rule(
        "name-reordering", Severity.WARNING,
        "the name holds invisible or text-reversing characters, and reads as something else",
        "文件名含不可见或反转文字方向的字符，显示与实际不符", _SOURCE,
    ),
    "mixed-scripts": Rule(
        "name-mixed-scripts", Severity.WARNING,
        "the name mixes Latin with Greek or Cyrillic letters that look alike",
        "文件名混用形似的拉丁、希腊或西里尔字母", _SOURCE,
    ),
    "reserved": Rule(
        "name-reserved", Severity.WARNING, "Windows reserves this name",
        "该名称为 Windows 保留名称", _SOURCE,
    ),
    "forbidden": Rule(
        "name-forbidden", Severity.WARNING,
        "Windows cannot hold this name (one of < > : \" | ? * \\, or a dot or space at the end)",
        "Windows 无法保存该名称（含 < > : \" | ? * \\ 之一，或以点、空格结尾）", _SOURCE,
    ),
    "system-file": Rule(
        "system-file", Severity.WARNING,
        "an operating system left this file or folder behind; it is hardly a record",
        "该项为操作系统遗留文件，通常不属于档案", _SOURCE,
    ),
}  # fmt: skip


def name_remarks(listing: Listing) -> Iterator[Finding]:
    """Yield what there is to say about every name in the package."""
    yield from _twins(listing, "file")
    yield from _twins(listing, "folder")
    for path, raw in listing.query("SELECT path, raw FROM file ORDER BY path"):
        if raw is not None and raw.decode("gb18030", "replace") != path:
            yield NAME_NOT_UTF8.found(path)
        for peculiarity in peculiarities(path):
            yield _REMARKS[peculiarity].found(path)
    # The character after '/' is '0', so these are all paths below the folder.
    for row in listing.query(
        "SELECT path FROM folder WHERE path != 'data' AND NOT EXISTS (SELECT 1 FROM file"
        " WHERE file.path > folder.path || '/' AND file.path < folder.path || '0') ORDER BY path"
    ):
        yield FOLDER_EMPTY.found(row[0])


def _twins(listing: Listing, table: str) -> Iterator[Finding]:
    if table == "file":
        clashes = "SELECT folded FROM file GROUP BY folded HAVING count(*) > 1"
        members = "SELECT path FROM file WHERE folded = ? ORDER BY path"
    else:
        clashes = "SELECT folded(path) FROM folder GROUP BY 1 HAVING count(*) > 1"
        members = "SELECT path FROM folder WHERE folded(path) = ? ORDER BY path"
    for (clash,) in listing.query(clashes).fetchall():
        first, *others = [row[0] for row in listing.query(members, clash)]
        for other in others:
            same = composed(first) == composed(other)
            yield (NAME_TWINS if same else CASE_TWINS).found(first, other=other)
