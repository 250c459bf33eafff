"""Content files have formats that the source may send.

DA/T 70-2018 item 3-3 (内容数据格式检测); GB/T 18894-2016, GB/T 33190-2016, DA/T 47-2009.
Formats are told by PRONOM's signatures, OFD by ofd.py.
"""

from collections.abc import Iterator

from ingest_watch.check_profile import Content
from ingest_watch.checks.check import (
    Check,
    ContentFile,
    CouldNotRun,
    Examined,
    Judge,
    JudgesEach,
    OfFiles,
    Outcome,
    Property,
    Text,
    Undone,
)
from ingest_watch.findings import Finding, Rule, Severity

_NO_IDENTIFIER = Rule(
    "format-identifier-none", Severity.WARNING,
    "format identification does not run here, so no format was told",
    "格式识别程序未运行，未能识别格式", "DA/T 70 3-3",
)  # fmt: skip
_UNKNOWN = Rule(
    "format-unidentified", Severity.ERROR, "the format of this file is not known",
    "无法识别该文件的格式", "DA/T 70 3-3",
)  # fmt: skip
_NOT_ALLOWED = Rule(
    "format-not-allowed", Severity.ERROR,
    "this file's format is {format}, which the source may not send; allowed are {allowed}",
    "该文件格式为 {format}，不在允许的格式之内（{allowed}）", "DA/T 70 3-3",
)  # fmt: skip


class _Formats(JudgesEach):
    def __init__(self, content: Content) -> None:
        self._allowed = {code for each in content.formats for code in each.formats}
        self._is_untold = False
        self._names = ", ".join(each.name for each in content.formats)

    def take(self, file: ContentFile) -> Iterator[Finding]:
        if not file.is_content or file.size_bytes == 0:
            return  # an empty file is 2-7's
        if file.identified is None:
            self._is_untold = True
            return
        found = file.identified.format
        if found is None:
            yield _UNKNOWN.found(file.path)
        elif self._allowed and found not in self._allowed:
            yield _NOT_ALLOWED.found(file.path, format=found, allowed=self._names)

    def finish(self) -> Iterator[Finding]:
        if self._is_untold:
            self.undone = Undone(Outcome.COULD_NOT_RUN)
            yield _NO_IDENTIFIER.found()


def _judge(examined: Examined) -> Judge[ContentFile] | CouldNotRun:
    if examined.instruments.identifier is None:
        return CouldNotRun(_NO_IDENTIFIER.found())
    return _Formats(examined.profile.content)


CHECK = Check(
    "3-3",
    Text("Formats of content", "内容数据格式检测"),
    Property.USABILITY,
    Text("content files", "内容数据文件"),
    Text(
        "format told from content (PRONOM; OFD) and compared with the profile's list",
        "依据文件内容识别格式（PRONOM、OFD），并与检测方案允许的格式比对",
    ),
    OfFiles(_judge),
)
