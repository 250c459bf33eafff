"""Values of metadata lie where they can lie: no year 3026, no record from tomorrow.

DA/T 70-2018 item 1-5 (元数据项数据值合理性). What has the wrong type is 1-3's.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Check, Examined, Judge, OfRecords, Property, Text
from ingest_watch.checks.field_rules import by_rules, shown_value
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Field, Record
from ingest_watch.stated_values import date_of, year_of

_IMPLAUSIBLE = Rule(
    "metadata-implausible", Severity.ERROR,
    "{place}: {field} is '{value}', which is not within {least} to {most}",
    "{place}：{field} 的值“{value}”超出合理范围（{least} 至 {most}）", "DA/T 70 1-5",
)  # fmt: skip
_TODAY = "today"

_Value = date | Decimal


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    today = examined.instruments.today

    def judge_value(rule: FieldRule, record: Record, field: Field) -> Iterator[Finding]:
        value = _comparable(rule, field.value)
        if value is None:
            return
        least, most = _bound(rule, rule.minimum, today), _bound(rule, rule.maximum, today)
        if (least is not None and value < least) or (most is not None and value > most):  # type: ignore[operator]  # one rule's values are of one type
            yield _IMPLAUSIBLE.found(
                record.path,
                place=record.place,
                field=field.name,
                value=shown_value(rule, field.value),
                least="…" if least is None else str(least),
                most="…" if most is None else str(most),
            )

    return by_rules(examined, _concerns, judge_value)


def _concerns(rule: FieldRule) -> bool:
    return rule.minimum is not None or rule.maximum is not None


def _bound(rule: FieldRule, bound: int | str | None, today: date) -> _Value | None:
    if bound is None:
        return None
    if bound == _TODAY:
        return Decimal(today.year) if rule.kind == "year" else today
    return _comparable(rule, str(bound))


def _comparable(rule: FieldRule, value: str) -> _Value | None:
    if rule.kind == "date":
        return date_of(value)
    if rule.kind == "year":
        year = year_of(value)
        return None if year is None else Decimal(year)
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


CHECK = Check(
    "1-5",
    Text("Metadata values are plausible", "元数据项数据值合理性检测"),
    Property.AUTHENTICITY,
    Text("metadata in the package", "信息包中的元数据"),
    Text("each value against the profile's ranges", "依据检测方案规定的合理范围检测"),
    OfRecords(_judge),
)
