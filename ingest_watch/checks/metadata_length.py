"""Values of metadata are as long as they may be.

DA/T 70-2018 item 1-2 (元数据项数据长度); lengths are the profile's, in characters.
"""

from collections.abc import Iterator

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Check, Examined, Judge, OfRecords, Property, Text
from ingest_watch.checks.field_rules import by_rules
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Field, Record

_LENGTH = Rule(
    "metadata-length", Severity.ERROR,
    "{place}: {field} has {length} characters, not {least} to {most}",
    "{place}：{field} 长度为 {length} 个字符，应为 {least} 至 {most}", "DA/T 70 1-2",
)  # fmt: skip


def _judge_value(rule: FieldRule, record: Record, field: Field) -> Iterator[Finding]:
    length, least = len(field.value), rule.length_min or 0
    if length < least or (rule.length_max is not None and length > rule.length_max):
        most = "…" if rule.length_max is None else str(rule.length_max)
        yield _LENGTH.found(
            record.path, place=record.place, field=field.name, length=length, least=least, most=most
        )


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    return by_rules(examined, _concerns, _judge_value)


def _concerns(rule: FieldRule) -> bool:
    return rule.length_min is not None or rule.length_max is not None


CHECK = Check(
    "1-2",
    Text("Length of metadata values", "元数据项数据长度检测"),
    Property.AUTHENTICITY,
    Text("metadata in the package", "信息包中的元数据"),
    Text("each value against the profile's lengths", "依据检测方案规定的长度检测各数据项"),
    OfRecords(_judge),
)
