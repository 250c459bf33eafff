"""Content files are as large, and of the name and format, that their metadata says.

DA/T 70-2018 item 1-10 (内容数据的电子属性一致性); DA/T 46-2009 M47-M49. Sizes with a unit
are taken as coarse as they are written ("127 KB").
"""

import re
from collections.abc import Iterator

from ingest_watch.check_profile import AllowedFormat, shipped_families
from ingest_watch.checks.check import (
    Check,
    Examined,
    Judge,
    JudgesEach,
    OfStatedFiles,
    Outcome,
    Property,
    Text,
    Undone,
)
from ingest_watch.content_register import ContentRegister, RegisteredFile
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.records import StatedFile
from ingest_watch.stated_values import size_of

_SIZE = Rule(
    "attribute-size", Severity.ERROR,
    "{place}: the size is stated as '{stated}', and the file has {actual} bytes",
    "{place}：登记大小为“{stated}”，实际为 {actual} 字节", "DA/T 46 M49",
)  # fmt: skip
_NO_SIZE = Rule(
    "attribute-size-unreadable", Severity.WARNING, "{place}: the size '{stated}' cannot be read",
    "{place}：无法解读登记大小“{stated}”", "DA/T 46 M49",
)  # fmt: skip
_SUFFIX = Rule(
    "attribute-suffix", Severity.ERROR,
    "{place}: the name ends in .{suffix}, and the content is {actual}",
    "{place}：文件扩展名为 .{suffix}，实际格式为 {actual}", "DA/T 46 M48",
)  # fmt: skip
_FORMAT = Rule(
    "attribute-format", Severity.ERROR,
    "{place}: the format is stated as '{stated}', and the content is {actual}",
    "{place}：登记格式为“{stated}”，实际格式为 {actual}", "DA/T 46 M47",
)  # fmt: skip
_UNTOLD = Rule(
    "attribute-format-untold", Severity.WARNING,
    "formats are stated and could not be told, so they were not compared",
    "元数据登记了格式，但未能识别实际格式，无法比对", "DA/T 46 M47",
)  # fmt: skip
_PRONOM = re.compile(r"x-fmt/\d+|fmt/\d+", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]+", re.ASCII)


class _Attributes(JudgesEach):
    def __init__(self, register: ContentRegister, further: tuple[AllowedFormat, ...]) -> None:
        self._register = register
        self._families = (*shipped_families().values(), *further)

    def take(self, stated: StatedFile) -> Iterator[Finding]:
        if stated.path is None or (file := self._register.find(stated.path)) is None:
            return  # 1-11 tells of it
        yield from _judge_size(stated, file)
        if stated.format and not file.is_identified and file.size_bytes > 0:
            self.undone = Undone(Outcome.COULD_NOT_RUN)
        if file.format is None:
            return
        yield from self._judge_suffix(stated, file.path, file.format)
        yield from self._judge_format(stated, file.path, file.format)

    def finish(self) -> Iterator[Finding]:
        if self.undone is not None:
            yield _UNTOLD.found()

    def _judge_suffix(self, stated: StatedFile, path: str, actual: str) -> Iterator[Finding]:
        suffix = _suffix_of(path)
        fitting = self._suffixes_of(actual)
        if suffix and fitting and suffix not in fitting and self._is_known(suffix):
            yield _SUFFIX.found(path, place=stated.place, suffix=suffix, actual=actual)

    def _judge_format(self, stated: StatedFile, path: str, actual: str) -> Iterator[Finding]:
        """By PRONOM identifier where one is stated, else by the name of a known format."""
        if not stated.format:
            return
        identifiers = _PRONOM.findall(stated.format)
        words = {word.lower() for word in _WORD.findall(stated.format)}
        known = {word for word in words if self._is_known(word)}
        if identifiers:
            fits = actual in identifiers
        else:
            fits = (
                not known
                or not self._suffixes_of(actual)
                or bool(known & self._suffixes_of(actual))
            )
        if not fits:
            yield _FORMAT.found(path, place=stated.place, stated=stated.format, actual=actual)

    def _suffixes_of(self, format_code: str | None) -> set[str]:
        fitting = (each.suffixes for each in self._families if format_code in each.formats)
        return {suffix for suffixes in fitting for suffix in suffixes}

    def _is_known(self, suffix: str) -> bool:
        return any(suffix in each.suffixes for each in self._families)


def _judge_size(stated: StatedFile, file: RegisteredFile) -> Iterator[Finding]:
    if not stated.size:
        return
    size = size_of(stated.size)
    if size is None:
        yield _NO_SIZE.found(file.path, place=stated.place, stated=stated.size[:60])
    elif not size.fits(file.size_bytes):
        yield _SIZE.found(file.path, place=stated.place, stated=stated.size, actual=file.size_bytes)


def _suffix_of(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def _judge(examined: Examined) -> Judge[StatedFile]:
    return _Attributes(examined.register, examined.profile.content.further)


CHECK = Check(
    "1-10",
    Text("Electronic attributes of content", "内容数据的电子属性一致性检测"),
    Property.AUTHENTICITY,
    Text("content files that the metadata describe", "元数据所描述的内容数据文件"),
    Text(
        "real size, name and format compared with those recorded",
        "捕获文件的实际大小、名称和格式，与登记的电子属性比对",
    ),
    OfStatedFiles(_judge),
)
