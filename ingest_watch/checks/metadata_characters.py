"""Values of metadata hold no characters that show damage.

DA/T 70-2018 item 1-6 (元数据项数据包含特殊字符); XML 1.0 section 2.2 (Char). Values are not shown,
code points are.
"""

import re
from collections.abc import Iterator

from ingest_watch.check_profile import Characters, Weight
from ingest_watch.checks.check import Check, Examined, Judge, JudgesEach, OfRecords, Property, Text
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Record

_CHARACTER = Rule(
    "metadata-character", Severity.ERROR,
    "{place}: {field} holds {kind} ({points})",
    "{place}：{field} 含有{kind_zh}（{points}）", "DA/T 70 1-6",
)  # fmt: skip

# What XML does not allow, and control characters that no text needs.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_REPLACEMENT = re.compile("\ufffd")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")
# GB18030 read as Latin-1 or code page 437; UTF-8 read as GB18030 (锟斤拷: U+FFFD twice) or Latin-1.
_MOJIBAKE = re.compile(
    "[\u00c0-\u00ff]{4}|(?:[\u00a1-\u00fe][\u00a1-\u00fe]){3}|[\u2550-\u259f]{3}|锟斤拷|烫烫烫|屯屯屯"
    "|(?:[\u00e4-\u00e9][\u0080-\u00bf]{2}){2}"
)
_POINTS_MAX = 5


class _Characters(JudgesEach):
    def __init__(self, weights: Characters) -> None:
        self._kinds: tuple[tuple[Weight, re.Pattern[str], str, str], ...] = (
            (weights.control, _CONTROL,
             "characters that XML or text may not hold", "非法字符或控制字符"),
            (weights.replacement, _REPLACEMENT,
             "a replacement character: text was lost", "替换字符，原文已丢失"),
            (weights.private_use, _PRIVATE_USE, "private-use characters", "私用区字符"),
            (weights.mojibake, _MOJIBAKE, "signs of a wrong encoding", "疑似乱码"),
        )  # fmt: skip

    def take(self, record: Record) -> Iterator[Finding]:
        for field in record.fields:
            if field.value.isascii() and field.value.isprintable():
                continue
            for weight, pattern, kind, kind_zh in self._kinds:
                if weight != "ignore" and (found := pattern.findall(field.value)):
                    yield _CHARACTER.found(
                        record.path,
                        severity=Severity(weight),
                        place=record.place,
                        field=field.name,
                        kind=kind,
                        kind_zh=kind_zh,
                        points=_points("".join(found)),
                    )


def _points(characters: str) -> str:
    return ", ".join(f"U+{ord(each):04X}" for each in dict.fromkeys(characters[:_POINTS_MAX]))


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    return _Characters(examined.profile.characters)


CHECK = Check(
    "1-6",
    Text("Special characters in metadata", "元数据项数据包含特殊字符检测"),
    Property.AUTHENTICITY,
    Text("metadata in the package", "信息包中的元数据"),
    Text(
        "every value searched for control, private-use and replacement characters and mojibake",
        "检测各数据项是否含有控制字符、私用区字符、替换字符和乱码",
    ),
    OfRecords(_judge),
)
