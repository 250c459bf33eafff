"""Numbers that must run on do: from their start, each once, without a gap.

DA/T 70-2018 item 2-6 (连续性元数据项); DA/T 22-2015.
"""

from array import array
from collections.abc import Iterator
from itertools import pairwise

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Check, Examined, Judge, JudgesEach, OfRecords, Property, Text
from ingest_watch.checks.field_rules import fields_of, no_rule
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Record

_GAP = Rule(
    "serial-gap", Severity.ERROR, "{document}: {field} leaps from {before} to {after}",
    "{document}：{field} 不连续，从 {before} 跳到 {after}", "DA/T 70 2-6",
)  # fmt: skip
_START = Rule(
    "serial-start", Severity.ERROR, "{document}: {field} begins with {first}, not with {start}",
    "{document}：{field} 从 {first} 开始，应从 {start} 开始", "DA/T 70 2-6",
)  # fmt: skip
_TWICE = Rule(
    "serial-twice", Severity.ERROR, "{document}: {field} {number} stands more than once",
    "{document}：{field} {number} 重复", "DA/T 70 2-6",
)  # fmt: skip
_DIGITS_MAX = 18


class _Serial(JudgesEach):
    """Numbers by rule and document: each counts for itself, or goes on where its like ends."""

    def __init__(self, rules: tuple[FieldRule, ...]) -> None:
        self._rules = rules
        self._numbers: dict[tuple[str, str], array[int]] = {}

    def take(self, record: Record) -> Iterator[Finding]:
        for rule in self._rules:
            for field in fields_of(record, rule.field):
                if field.value.isascii() and field.value.isdecimal():
                    numbers = self._numbers.setdefault((record.path, rule.field), array("q"))
                    numbers.append(int(field.value[:_DIGITS_MAX]))
        return iter(())

    def finish(self) -> Iterator[Finding]:
        starts = {rule.field: rule.serial or 0 for rule in self._rules}
        ends = {
            (_name(document), field, max(each)) for (document, field), each in self._numbers.items()
        }
        for (document, field), numbers in self._numbers.items():
            ordered = array("q", sorted(numbers))
            goes_on = (_name(document), field, ordered[0] - 1) in ends
            if ordered[0] != starts[field] and not goes_on:
                yield _START.found(
                    document, document=document, field=field, first=ordered[0], start=starts[field]
                )
            yield from _leaps(document, field, ordered)


def _name(document: str) -> str:
    """What the same catalogue of another carrier is called, too."""
    return document.rpartition("/")[2]


def _leaps(document: str, field: str, ordered: "array[int]") -> Iterator[Finding]:
    for before, after in pairwise(ordered):
        if after == before:
            yield _TWICE.found(document, document=document, field=field, number=after)
        elif after > before + 1:
            yield _GAP.found(document, document=document, field=field, before=before, after=after)


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    rules = tuple(rule for rule in examined.profile.rules if rule.serial is not None)
    return _Serial(rules) if rules else no_rule()


CHECK = Check(
    "2-6",
    Text("Serial numbers run on", "连续性元数据项检测"),
    Property.COMPLETENESS,
    Text("the numbers that the profile calls serial", "检测方案规定须连续的数据项"),
    Text("start, gaps and doubles of each document", "检测各目录中的起始号、断号和重号"),
    OfRecords(_judge),
)
