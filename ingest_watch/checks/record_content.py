"""Records have content, and none of it is empty.

DA/T 70-2018 item 2-7 (内容数据完整性). A file that is missing altogether is told by 1-11.
"""

from collections.abc import Iterator

from ingest_watch.checks.check import (
    Check,
    Examined,
    Judge,
    JudgesEach,
    OfStatedFiles,
    Property,
    Text,
)
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.records import StatedFile

_NONE = Rule(
    "content-none", Severity.ERROR, "the metadata describe no content file at all",
    "元数据未描述任何内容数据文件", "DA/T 70 2-7",
)  # fmt: skip
_EMPTY = Rule(
    "content-empty", Severity.ERROR, "{place}: the file is empty",
    "{place}：文件为空", "DA/T 70 2-7",
)  # fmt: skip


class _Content(JudgesEach):
    def __init__(self, examined: Examined) -> None:
        self._examined = examined
        self._register = examined.register
        self._has_any = False

    def take(self, stated: StatedFile) -> Iterator[Finding]:
        self._has_any = True
        file = None if stated.path is None else self._register.find(stated.path)
        if file is not None and file.size_bytes == 0:
            yield _EMPTY.found(file.path, place=stated.place)

    def finish(self) -> Iterator[Finding]:
        if not self._has_any and not self._examined.is_without_records:
            yield _NONE.found()


def _judge(examined: Examined) -> Judge[StatedFile]:
    return _Content(examined)


CHECK = Check(
    "2-7",
    Text("Records have their content", "内容数据完整性检测"),
    Property.COMPLETENESS,
    Text("content files that the metadata describe", "元数据所描述的内容数据文件"),
    Text("each is there and not empty", "检测内容数据文件是否存在且不为空"),
    OfStatedFiles(_judge),
)
