"""Metadata and content point at each other: no description without file, no file without one.

DA/T 70-2018 item 1-11 (元数据与内容关联一致性).
"""

from collections.abc import Iterator

from ingest_watch.check_profile import Weight
from ingest_watch.checks.check import (
    Check,
    Examined,
    Judge,
    JudgesEach,
    OfStatedFiles,
    Property,
    Text,
)
from ingest_watch.content_register import ContentRegister
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.records import StatedFile

_BROKEN = Rule(
    "link-broken", Severity.ERROR, "{place}: there is no file '{stated}'",
    "{place}：找不到文件“{stated}”", "DA/T 70 1-11",
)  # fmt: skip
_UNDESCRIBED = Rule(
    "file-undescribed", Severity.ERROR, "no metadata speaks of this file",
    "没有元数据描述该文件", "DA/T 70 1-11",
)  # fmt: skip


class _Links(JudgesEach):
    def __init__(self, register: ContentRegister, undescribed: Weight) -> None:
        self._register = register
        self._undescribed = undescribed

    def take(self, stated: StatedFile) -> Iterator[Finding]:
        if stated.path is None:
            yield _BROKEN.found(place=stated.place, stated=stated.stated_path)
        else:
            self._register.describe(stated.path)

    def finish(self) -> Iterator[Finding]:
        if self._undescribed == "ignore":
            return
        for path in self._register.undescribed():
            yield _UNDESCRIBED.found(path, severity=Severity(self._undescribed))


def _judge(examined: Examined) -> Judge[StatedFile]:
    return _Links(examined.register, examined.profile.content.undescribed)


CHECK = Check(
    "1-11",
    Text("Metadata and content belong together", "元数据与内容关联一致性检测"),
    Property.AUTHENTICITY,
    Text("links between metadata and content files", "元数据与内容数据文件之间的关联"),
    Text("each link followed, in both directions", "双向检测元数据记录的路径与实际文件"),
    OfStatedFiles(_judge),
)
