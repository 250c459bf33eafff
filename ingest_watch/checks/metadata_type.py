"""Values of metadata have the type and the form that they must have.

DA/T 70-2018 item 1-3 (元数据项数据类型、格式); forms of dates: stated_values.py.
"""

import re
from collections.abc import Callable, Iterator

from ingest_watch.check_profile import FieldRule, Kind
from ingest_watch.checks.check import Check, Examined, Judge, OfRecords, Property, Text
from ingest_watch.checks.field_rules import EachValue, fields_of, no_rule, shown_value
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Field, Record
from ingest_watch.stated_values import date_of, year_of

_TYPE = Rule(
    "metadata-type", Severity.ERROR, "{place}: {field} is no {kind}: '{value}'",
    "{place}：{field} 不是有效的{kind_zh}：“{value}”", "DA/T 70 1-3",
)  # fmt: skip
_PATTERN = Rule(
    "metadata-pattern", Severity.ERROR, "{place}: {field} has not the form it must have: '{value}'",
    "{place}：{field} 不符合规定格式：“{value}”", "DA/T 70 1-3",
)  # fmt: skip
_REPEATED = Rule(
    "metadata-repeated", Severity.ERROR,
    "{place}: {field} stands {count} times, and may stand once",
    "{place}：{field} 出现 {count} 次，不可重复", "DA/T 70 1-3",
)  # fmt: skip

_INTEGER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?", re.ASCII)
_DIGEST = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{96,128}")
_IS: dict[Kind, Callable[[str], object]] = {
    "text": lambda _value: True,
    "integer": _INTEGER.fullmatch,
    "decimal": _DECIMAL.fullmatch,
    "date": date_of,
    "year": year_of,
    "digest": _DIGEST.fullmatch,
}
_CHINESE: dict[Kind, str] = {
    "text": "文本", "integer": "整数", "decimal": "数值", "date": "日期", "year": "年度",
    "digest": "摘要值",
}  # fmt: skip


class _Types(EachValue):
    """Values, and how often they stand in one record."""

    def take(self, record: Record) -> Iterator[Finding]:
        yield from super().take(record)
        for rule in self._rules:
            count = 0 if rule.repeatable else len(fields_of(record, rule.field))
            if count > 1:
                yield _REPEATED.found(
                    record.path, place=record.place, field=rule.field, count=count
                )


def _judge_value(rule: FieldRule, record: Record, field: Field) -> Iterator[Finding]:
    value = shown_value(rule, field.value)
    if not _IS[rule.kind](field.value):
        yield _TYPE.found(
            record.path, place=record.place, field=field.name, value=value, kind=rule.kind,
            kind_zh=_CHINESE[rule.kind],
        )  # fmt: skip
    elif rule.pattern is not None and not re.fullmatch(rule.pattern, field.value):
        yield _PATTERN.found(record.path, place=record.place, field=field.name, value=value)


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    rules = tuple(rule for rule in examined.profile.rules if _concerns(rule))
    return _Types(rules, _judge_value) if rules else no_rule()


def _concerns(rule: FieldRule) -> bool:
    return rule.kind != "text" or rule.pattern is not None or not rule.repeatable


CHECK = Check(
    "1-3",
    Text("Type and form of metadata values", "元数据项数据类型、格式检测"),
    Property.AUTHENTICITY,
    Text("metadata in the package", "信息包中的元数据"),
    Text("each value against the profile's types and patterns", "依据检测方案规定的类型和格式检测"),
    OfRecords(_judge),
)
