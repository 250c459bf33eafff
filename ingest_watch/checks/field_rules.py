"""What all checks of metadata values share: which values a rule is about, and how one is shown.

DA/T 46-2009 (obligations), ingest_watch/check_profile.py (FieldRule). Judges nothing itself.
"""

from collections.abc import Callable, Iterable, Iterator

from ingest_watch.check_profile import FieldRule
from ingest_watch.checks.check import Examined, Judge, JudgesEach
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.records import Field, Record

_SHOWN_CHARACTERS_MAX = 60
_NO_RULE = Rule(
    "no-rule", Severity.NOTE, "the source's profile has no rule of the kind",
    "该来源的检测方案未规定此项", "",
)  # fmt: skip

JudgeValue = Callable[[FieldRule, Record, Field], Iterable[Finding]]


def no_rule() -> NotApplicable:
    """The profile has nothing that this check could hold a package to."""
    return NotApplicable(_NO_RULE.found())


def fields_of(record: Record, name: str) -> tuple[Field, ...]:
    """The elements of this name: whole, or by its last part."""
    return tuple(
        field for field in record.fields if field.name == name or field.name.endswith("/" + name)
    )


def is_due(rule: FieldRule, record: Record) -> bool:
    """Whether the record must have the element."""
    if rule.when is None:
        return rule.obligation == "必选"
    name, _, value = rule.when.partition(":")
    return value in record.values(name)


def shown_value(rule: FieldRule, value: str) -> str:
    """A value for a finding: short, and never one of personal data."""
    if rule.personal:
        return "…"
    if len(value) > _SHOWN_CHARACTERS_MAX:
        return value[:_SHOWN_CHARACTERS_MAX] + "…"
    return value


class EachValue(JudgesEach):
    """Judges every filled value that a rule of this kind is about."""

    def __init__(self, rules: tuple[FieldRule, ...], judge_value: JudgeValue) -> None:
        self._rules = rules
        self._judge_value = judge_value

    def take(self, record: Record) -> Iterator[Finding]:
        for rule in self._rules:
            for field in fields_of(record, rule.field):
                if field.value:
                    yield from self._judge_value(rule, record, field)


def by_rules(
    examined: Examined, concerns: Callable[[FieldRule], bool], judge_value: JudgeValue
) -> Judge[Record] | NotApplicable:
    """A judge by those rules of the profile that concern it, if there are any."""
    rules = tuple(rule for rule in examined.profile.rules if concerns(rule))
    return EachValue(rules, judge_value) if rules else no_rule()
