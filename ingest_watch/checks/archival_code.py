"""档号 follow their rule, and agree with the elements that they are made of.

DA/T 70-2018 item 1-7 (档号规范性); DA/T 13-2022. Codes are compared as NFC; a look-alike
of the middle dot is a warning, and nothing is ever rewritten.
"""

import re
import unicodedata
from collections.abc import Iterator

from ingest_watch.check_profile import ArchivalCode
from ingest_watch.checks.check import Check, Examined, Judge, JudgesEach, OfRecords, Property, Text
from ingest_watch.checks.field_rules import fields_of, no_rule
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Record

_FORM = Rule(
    "archival-code", Severity.ERROR, "{place}: the 档号 '{code}' does not follow its rule",
    "{place}：档号“{code}”不符合编制规则", "DA/T 13-2022",
)  # fmt: skip
_COMPONENT = Rule(
    "archival-code-component", Severity.ERROR,
    "{place}: the 档号 '{code}' says {component} '{value}', and the element {field} does not",
    "{place}：档号“{code}”中的{component}为“{value}”，与数据项 {field} 不一致", "DA/T 13-2022",
)  # fmt: skip
_LOOK_ALIKE = Rule(
    "archival-code-look-alike", Severity.WARNING,
    "{place}: the 档号 '{code}' holds {points}, which only looks like the middle dot U+00B7",
    "{place}：档号“{code}”含有与间隔号（U+00B7）相似的字符 {points}", "DA/T 13-2022",
)  # fmt: skip
_NOT_COMPOSED = Rule(
    "archival-code-normalisation", Severity.WARNING,
    "{place}: the 档号 '{code}' is not in Unicode's composed form (NFC)",
    "{place}：档号“{code}”不是 Unicode 规范组合形式（NFC）", "DA/T 13-2022",
)  # fmt: skip

_MIDDLE_DOT = "\u00b7"
_LOOK_ALIKES = re.compile("[\u2022\u2027\u2219\u22c5\u30fb\uff65.．]")


class _Codes(JudgesEach):
    def __init__(self, rule: ArchivalCode) -> None:
        self._rule = rule
        self._pattern = re.compile(rule.pattern)

    def take(self, record: Record) -> Iterator[Finding]:
        for field in fields_of(record, self._rule.field):
            if field.value:
                yield from self._judge(record, field.value)

    def _judge(self, record: Record, code: str) -> Iterator[Finding]:
        composed = unicodedata.normalize("NFC", code)
        if composed != code:
            yield _NOT_COMPOSED.found(record.path, place=record.place, code=code)
        match = self._pattern.fullmatch(composed)
        if match is None and (found := _LOOK_ALIKES.findall(composed)):
            match = self._pattern.fullmatch(_LOOK_ALIKES.sub(_MIDDLE_DOT, composed))
            if match is not None:
                points = ", ".join(f"U+{ord(each):04X}" for each in dict.fromkeys(found))
                yield _LOOK_ALIKE.found(record.path, place=record.place, code=code, points=points)
        if match is None:
            yield _FORM.found(record.path, place=record.place, code=code)
            return
        for component, field in self._rule.same_as.items():
            stated, value = record.values(field), match[component]
            if value is not None and stated and value not in stated:
                yield _COMPONENT.found(
                    record.path, place=record.place, code=code, component=component, value=value,
                    field=field,
                )  # fmt: skip


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    rule = examined.profile.archival_code
    return no_rule() if rule is None else _Codes(rule)


CHECK = Check(
    "1-7",
    Text("档号 follow their rule", "档号规范性检测"),
    Property.AUTHENTICITY,
    Text("档号 in the metadata", "元数据中的档号"),
    Text(
        "each 档号 against the rule of the profile (DA/T 13)",
        "依据检测方案规定的档号编制规则（DA/T 13）检测",
    ),
    OfRecords(_judge),
)
