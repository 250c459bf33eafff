"""No two records of the package share what must be one record's alone.

DA/T 70-2018 item 1-8 (元数据项数据重复性): within the package; what is kept already is compared by
identifier when the package is stored. Values lie in the listing's file, so that a million cost
no memory.
"""

import hashlib
from collections.abc import Iterator

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Check, Examined, Judge, JudgesEach, OfRecords, Property, Text
from ingest_watch.checks.field_rules import fields_of, no_rule, shown_value
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.listing import Listing
from ingest_watch.records import Record

_DUPLICATE = Rule(
    "metadata-duplicate", Severity.ERROR,
    "{place}: {field} '{value}' stands in another record, too: {earlier}",
    "{place}：{field} 的值“{value}”与另一条记录重复：{earlier}", "DA/T 70 1-8",
)  # fmt: skip
_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS seen_value (
    field TEXT, digest BLOB, place TEXT, PRIMARY KEY (field, digest)
) WITHOUT ROWID
"""


class _Duplicates(JudgesEach):
    def __init__(self, rules: tuple[FieldRule, ...], listing: Listing) -> None:
        self._rules = rules
        self._listing = listing
        listing.query(_TABLE)

    def take(self, record: Record) -> Iterator[Finding]:
        for rule in self._rules:
            for value in {field.value for field in fields_of(record, rule.field)} - {""}:
                earlier = self._seen(rule.field, value, record.place)
                if earlier is not None:
                    yield _DUPLICATE.found(
                        record.path,
                        severity=Severity(rule.unique or Severity.ERROR),
                        place=record.place,
                        field=rule.field,
                        value=shown_value(rule, value),
                        earlier=earlier,
                    )

    def _seen(self, field: str, value: str, place: str) -> str | None:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
        row = self._listing.query(
            "SELECT place FROM seen_value WHERE field = ? AND digest = ?", field, digest
        ).fetchone()
        if row is not None:
            return str(row[0])
        self._listing.query("INSERT INTO seen_value VALUES (?, ?, ?)", field, digest, place)
        return None


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    rules = tuple(rule for rule in examined.profile.rules if rule.unique is not None)
    return _Duplicates(rules, examined.listing) if rules else no_rule()


CHECK = Check(
    "1-8",
    Text("Duplicate metadata values", "元数据项数据重复性检测"),
    Property.AUTHENTICITY,
    Text("the elements that the profile calls unique", "检测方案规定不可重复的数据项"),
    Text("values of all records compared with each other", "比对信息包内各条记录的数据值"),
    OfRecords(_judge),
)
