"""No metadata element that a record must have is empty.

DA/T 70-2018 item 2-4 (元数据必填著录项目).
"""

from collections.abc import Iterator

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Check, Examined, Judge, JudgesEach, OfRecords, Property, Text
from ingest_watch.checks.field_rules import fields_of, is_due, no_rule
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Record

_EMPTY = Rule(
    "metadata-empty", Severity.ERROR, "{place}: the element {field} ({obligation}) is empty",
    "{place}：{obligation}数据项 {field} 为空", "DA/T 70 2-4",
)  # fmt: skip


class _Filled(JudgesEach):
    def __init__(self, rules: tuple[FieldRule, ...]) -> None:
        self._rules = rules

    def take(self, record: Record) -> Iterator[Finding]:
        for rule in self._rules:
            fields = fields_of(record, rule.field)
            if fields and is_due(rule, record) and not any(field.value for field in fields):
                yield _EMPTY.found(
                    record.path, place=record.place, field=rule.field, obligation=rule.obligation
                )


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    rules = tuple(rule for rule in examined.profile.rules if rule.obligation != "可选")
    return _Filled(rules) if rules else no_rule()


CHECK = Check(
    "2-4",
    Text("Mandatory metadata is filled in", "元数据必填著录项目检测"),
    Property.COMPLETENESS,
    Text("metadata of every record", "各条记录的元数据"),
    Text("elements that must be there are not empty", "检测必填数据项是否为空"),
    OfRecords(_judge),
)
