"""Values of metadata that have a code list stand in it.

DA/T 70-2018 item 1-4 (设定值域的元数据项值域符合度).
"""

from collections.abc import Iterator

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Check, Examined, Judge, OfRecords, Property, Text
from ingest_watch.checks.field_rules import by_rules, shown_value
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Field, Record

_NOT_LISTED = Rule(
    "metadata-value", Severity.ERROR,
    "{place}: {field} is '{value}', which is none of: {values}",
    "{place}：{field} 的值“{value}”不在值域内：{values}", "DA/T 70 1-4",
)  # fmt: skip


def _judge_value(rule: FieldRule, record: Record, field: Field) -> Iterator[Finding]:
    if field.value not in rule.values:
        yield _NOT_LISTED.found(
            record.path,
            place=record.place,
            field=field.name,
            value=shown_value(rule, field.value),
            values=", ".join(rule.values),
        )


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    return by_rules(examined, lambda rule: bool(rule.values), _judge_value)


CHECK = Check(
    "1-4",
    Text("Metadata values in their code lists", "设定值域的元数据项值域符合度检测"),
    Property.AUTHENTICITY,
    Text("metadata in the package", "信息包中的元数据"),
    Text("each value against the profile's code lists", "依据检测方案规定的值域检测"),
    OfRecords(_judge),
)
