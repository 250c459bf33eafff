"""Content files open: their beginning, and where it is cheap their end, is what their format asks.

DA/T 70-2018 item 3-4 (内容数据的可读性). By name suffix and first bytes; nothing is rendered, and a
format that content_opening.py does not know is not judged.
"""

from collections.abc import Iterator

from ingest_watch.checks.check import (
    Check,
    ContentFile,
    Examined,
    Judge,
    JudgesEach,
    OfFiles,
    Property,
    Text,
)
from ingest_watch.content_opening import Unopened, open_content
from ingest_watch.findings import Finding, Rule, Severity

_UNREADABLE = Rule(
    "content-unreadable", Severity.ERROR, "this {format} file does not open: {detail}",
    "该 {format} 文件无法打开：{detail}", "DA/T 70 3-4",
)  # fmt: skip


class _Readable(JudgesEach):
    def take(self, file: ContentFile) -> Iterator[Finding]:
        if not file.is_content or file.size_bytes == 0:
            return  # an empty file is 2-7's
        try:
            open_content(file.location, file.path, file.size_bytes)
        except Unopened as flaw:
            yield _UNREADABLE.found(file.path, format=flaw.format, detail=str(flaw))


def _judge(_examined: Examined) -> Judge[ContentFile]:
    return _Readable()


CHECK = Check(
    "3-4",
    Text("Content can be read", "内容数据的可读性检测"),
    Property.USABILITY,
    Text("content files", "内容数据文件"),
    Text(
        "OFD, PDF, images, XML and zip-based files opened",
        "打开 OFD、PDF、图像、XML 及基于 zip 的文件进行检测",
    ),
    OfFiles(_judge),
)
