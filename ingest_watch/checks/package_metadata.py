"""The package has metadata at all, with every element that its standard asks for.

DA/T 70-2018 item 2-10 (信息包元数据完整性): the package as a whole. That each single record has its
elements is 2-3's, whose errors are not told twice.
"""

from collections.abc import Iterator

from ingest_watch.checks.check import Check, Examined, Judge, JudgesEach, OfRecords, Property, Text
from ingest_watch.checks.field_rules import fields_of
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Record

_NO_RECORD = Rule(
    "package-without-metadata", Severity.ERROR, "the package describes no record at all",
    "信息包中没有任何记录的元数据", "DA/T 70 2-10",
)  # fmt: skip
_NOWHERE = Rule(
    "package-element-missing", Severity.WARNING,
    "no record of the package has the element {field}, which is 必选",
    "信息包中没有任何记录含有必选数据项 {field}", "DA/T 70 2-10",
)  # fmt: skip


class _PackageMetadata(JudgesEach):
    def __init__(self, examined: Examined) -> None:
        rules = examined.profile.rules
        self._examined = examined
        self._lacking = {rule.field for rule in rules if rule.obligation == "必选"}
        self._is_empty = True

    def take(self, record: Record) -> Iterator[Finding]:
        self._is_empty = False
        if self._lacking:
            self._lacking = {name for name in self._lacking if not fields_of(record, name)}
        return iter(())

    def finish(self) -> Iterator[Finding]:
        if self._is_empty:
            self._examined.is_without_records = True
            yield _NO_RECORD.found()
            return
        for name in sorted(self._lacking):
            yield _NOWHERE.found(field=name)


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    return _PackageMetadata(examined)


CHECK = Check(
    "2-10",
    Text("Metadata of the package is complete", "信息包元数据完整性检测"),
    Property.COMPLETENESS,
    Text("metadata of the package", "信息包的元数据"),
    Text("elements against those of the standard that are 必选", "依据元数据标准的必选项检测"),
    OfRecords(_judge),
)
