"""The package is within what its source may hand over, and not more secret than that.

DA/T 70-2018 item 2-9 (归档范围); docs/formats/scope.md (密级). Notes the
package's matter, class and retention. What is outside is for a person to judge, and is no
error of the package's.
"""

from collections.abc import Iterator

from ingest_watch.check_profile import Scope
from ingest_watch.checks.check import (
    Check,
    Consequence,
    Examined,
    Judge,
    OfRecords,
    Outcome,
    Property,
    Text,
    Undone,
)
from ingest_watch.checks.field_rules import no_rule
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Record
from ingest_watch.scope import (
    RETENTIONS,
    PackageScope,
    ScopeEntry,
    ScopeTable,
    classification_of,
    is_above,
    is_classified,
    longer_retention,
    retention_of,
)

_PAGE = "docs/formats/scope.md"
_NO_TABLE = Rule(
    "scope-table-broken", Severity.WARNING,
    "the source's scope-and-retention table cannot be used, so this could not be checked",
    "该来源的归档范围与保管期限表无法使用，该项未能检测", _PAGE,
)  # fmt: skip
_NO_MATTER = Rule(
    "scope-matter-missing", Severity.WARNING, "{place}: no matter code says what this belongs to",
    "{place}：缺少事项编码，无法判定归档范围", _PAGE,
)  # fmt: skip
_OUTSIDE = Rule(
    "scope-outside", Severity.WARNING,
    "{place}: the matter '{matter}' is not in the source's scope-and-retention table",
    "{place}：事项“{matter}”不在该来源的归档范围与保管期限表内", _PAGE,
)  # fmt: skip
_ABOVE = Rule(
    "scope-above-ceiling", Severity.WARNING,
    "{place}: the classification {classification} is above the ceiling {ceiling} of its matter",
    "{place}：密级“{classification}”高于该事项的上限“{ceiling}”", _PAGE,
)  # fmt: skip
_CLASSIFIED = Rule(
    "scope-classified", Severity.WARNING,
    "{place}: the classification '{classification}' is none that this archive may keep unasked",
    "{place}：密级“{classification}”未经许可，本馆不得直接接收", "docs/formats/scope.md",
)  # fmt: skip
_RETENTION = Rule(
    "scope-retention-unknown", Severity.WARNING,
    "{place}: the retention '{retention}' is none of Y, D30, D10",
    "{place}：保管期限“{retention}”不是永久、定期30年或定期10年", _PAGE,
)  # fmt: skip
_SHORTER = Rule(
    "scope-retention-shorter", Severity.WARNING,
    "{place}: the retention {retention} is shorter than the table's {wanted}; the longer one holds",
    "{place}：保管期限 {retention} 短于归档范围与保管期限表规定的 {wanted}，以较长者为准", _PAGE,
)  # fmt: skip

_OF_PROFILE = Undone(Outcome.TO_BE_JUDGED)
# Whatever the profile says of this check: secrecy is not its to waive but by `licensed`.
_ALWAYS_HELD = Undone(Outcome.TO_BE_JUDGED, Consequence.HOLD)


class _WithinScope:
    """Judges record by record, and joins what they say of the package."""

    def __init__(self, rules: Scope, table: ScopeTable | None, examined: Examined) -> None:
        self._rules = rules
        self._table = table
        self._examined = examined
        self._joined: PackageScope | None = None
        self.undone: Undone | None = None
        if table is not None and table.broken:
            self.undone = Undone(Outcome.COULD_NOT_RUN)

    def take(self, record: Record) -> Iterator[Finding]:
        matter = _first(record, self._rules.matter)
        entry = None
        if self._table is not None and not self._table.broken:
            entry = self._table.entries.get(matter or "")
            if entry is None:
                yield self._outside(record, matter)
        yield from self._classification(record, entry)
        retention, findings = _retention(record, _first(record, self._rules.retention), entry)
        yield from findings
        scope = PackageScope(matter, entry.record_class or None if entry else None, retention)
        self._joined = scope if self._joined is None else self._joined.joined(scope)

    def finish(self) -> Iterator[Finding]:
        if self._joined is not None:
            self._examined.scope = self._joined
        if self._table is not None and self._table.broken:
            yield _NO_TABLE.found()

    def _outside(self, record: Record, matter: str | None) -> Finding:
        self._judge_later(_OF_PROFILE)
        if matter is None:
            return _NO_MATTER.found(record.path, place=record.place)
        return _OUTSIDE.found(record.path, place=record.place, matter=matter)

    def _classification(self, record: Record, entry: ScopeEntry | None) -> Iterator[Finding]:
        stated = _first(record, self._rules.classification)
        if stated is None:
            return
        level = classification_of(stated)
        if is_classified(level) and level not in self._rules.licensed:
            self._judge_later(_ALWAYS_HELD)
            yield _CLASSIFIED.found(record.path, place=record.place, classification=stated)
        elif level is not None and entry is not None and is_above(level, entry.ceiling):
            self._judge_later(_OF_PROFILE)
            yield _ABOVE.found(
                record.path, place=record.place, classification=level, ceiling=entry.ceiling
            )

    def _judge_later(self, undone: Undone) -> None:
        if self.undone is not _ALWAYS_HELD:
            self.undone = undone


def _retention(
    record: Record, stated: str | None, entry: ScopeEntry | None
) -> tuple[str | None, list[Finding]]:
    """How long the record is kept, and what is odd about what its sender says of that."""
    wanted = None if entry is None else entry.retention
    if stated is None:
        return wanted, []
    code = retention_of(stated)
    if code is None:
        return wanted, [_RETENTION.found(record.path, place=record.place, retention=stated)]
    if wanted is not None and RETENTIONS.index(code) > RETENTIONS.index(wanted):
        remark = _SHORTER.found(record.path, place=record.place, retention=code, wanted=wanted)
        return wanted, [remark]
    return longer_retention(code, wanted), []


def _first(record: Record, name: str | None) -> str | None:
    if name is None:
        return None
    return next((value for value in record.values(name) if value), None)


def _judge(examined: Examined) -> Judge[Record] | NotApplicable:
    rules = examined.profile.scope
    if rules is None:
        return no_rule()
    return _WithinScope(rules, examined.scope_table, examined)


CHECK = Check(
    "2-9",
    Text("Within the scope of the source", "归档范围检测"),
    Property.COMPLETENESS,
    Text("matter, retention and classification of every record", "各条记录的事项、保管期限和密级"),
    Text(
        "compared with the source's scope-and-retention table",
        "与该来源的归档范围与保管期限表比对",
    ),
    OfRecords(_judge),
)
