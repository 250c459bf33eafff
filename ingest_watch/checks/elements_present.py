"""Every record has the metadata elements that it must have.

DA/T 70-2018 item 2-3 (元数据项完整性); DA/T 46-2009 (必选, 条件选). An element that is there
and empty is 2-4's.
"""

from collections.abc import Iterator

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Check, Examined, Judge, JudgesEach, OfRecords, Property, Text
from ingest_watch.checks.field_rules import fields_of, is_due, no_rule
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Record

_MISSING = Rule(
    "metadata-missing", Severity.ERROR, "{place}: the element {field} ({obligation}) is missing",
    "{place}：缺少{obligation}数据项 {field}", "DA/T 70 2-3",
)  # fmt: skip


class _Present(JudgesEach):
    def __init__(self, rules: tuple[FieldRule, ...]) -> None:
        self._rules = rules

    def take(self, record: Record) -> Iterator[Finding]:
        for rule in self._rules:
            if is_due(rule, record) and not fields_of(record, rule.field):
                yield _MISSING.found(
                    record.path, place=record.place, field=rule.field, obligation=rule.obligation
                )


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    rules = tuple(rule for rule in examined.profile.rules if rule.obligation != "可选")
    return _Present(rules) if rules else no_rule()


CHECK = Check(
    "2-3",
    Text("Metadata elements are complete", "元数据项完整性检测"),
    Property.COMPLETENESS,
    Text("metadata of every record", "各条记录的元数据"),
    Text(
        "elements against the profile's 必选 and 条件选", "依据检测方案规定的必选、条件选数据项检测"
    ),
    OfRecords(_judge),
)
