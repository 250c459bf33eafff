"""One check of DA/T 70-2018 as a value, and how it is carried out without ever passing by mistake.

DA/T 70-2018 (四性检测), items and outcomes; docs/formats/answers.md (check-report). A check that
raises could not run. What a check looks at is in the module that declares it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable, OpenedPackage
from ingest_watch.staging import StagedPackage
from monitoring.log import get_log

log = get_log(__name__)

# Of one check. More are counted and not kept: a package with so many has one cause.
FINDINGS_MAX = 10_000

_MORE = Rule(
    "more-findings", Severity.WARNING, "and {count} more of these, {errors} of them errors",
    "另有 {count} 项，其中错误 {errors} 项", "",
)  # fmt: skip
_RAISED = Rule(
    "check-raised", Severity.WARNING,
    "the check could not run ({kind}); see the intake's log, and have the package checked again",
    "该项检测未能执行（{kind}）；请查看接收日志并重新检测", "DA/T 70",
)  # fmt: skip


class Property(StrEnum):
    """The four properties (四性)."""

    AUTHENTICITY = "authenticity"  # 真实性
    COMPLETENESS = "completeness"  # 完整性
    USABILITY = "usability"  # 可用性
    SAFETY = "safety"  # 安全性


class Outcome(StrEnum):
    """What became of a check. Only `passed` says that something was shown."""

    PASSED = "passed"  # 通过
    FAILED = "failed"  # 未通过
    COULD_NOT_RUN = "could-not-run"  # 未检测
    TO_BE_JUDGED = "to-be-judged"  # 人工待检
    NOT_APPLICABLE = "not-applicable"  # 不适用


@dataclass(frozen=True, slots=True)
class CouldNotRun:
    """The check has no means to run here."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Examined:
    """What checks may look at."""

    staged: StagedPackage
    package: OpenedPackage


Examination = Iterator[Finding] | NotApplicable | CouldNotRun


@dataclass(frozen=True, slots=True)
class Check:
    """One item of the standard."""

    number: str  # "1-1"; the stage stands before it in a report
    title: str
    title_zh: str
    property: Property
    examine: Callable[[Examined], Examination]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check that was carried out, or not."""

    code: str  # "YJ-1-1"
    title: str
    title_zh: str
    property: Property
    outcome: Outcome
    findings: tuple[Finding, ...]


def carry_out(check: Check, stage: str, examined: Examined) -> CheckResult:
    """Run one check; whatever it raises becomes `could-not-run`."""
    try:
        outcome, findings = _judged(check.examine(examined))
    except Exception as error:  # a check's own bug must not pass packages
        log.exception("intake.check.raised", check=check.number)
        outcome = Outcome.COULD_NOT_RUN
        findings = (_RAISED.found(kind=type(error).__name__),)
    return result_of(check, stage, outcome, findings)


def result_of(
    check: Check, stage: str, outcome: Outcome, findings: tuple[Finding, ...]
) -> CheckResult:
    """Put a check's outcome under the code it has at this stage."""
    return CheckResult(
        f"{stage}-{check.number}", check.title, check.title_zh, check.property, outcome, findings
    )


def _judged(examination: Examination) -> tuple[Outcome, tuple[Finding, ...]]:
    match examination:
        case NotApplicable(finding):
            return Outcome.NOT_APPLICABLE, (finding,)
        case CouldNotRun(finding):
            return Outcome.COULD_NOT_RUN, (finding,)
        case findings:
            kept = list(islice(findings, FINDINGS_MAX))
            failed = any(finding.severity is Severity.ERROR for finding in kept)
            count = errors = 0
            for finding in findings:
                count += 1
                errors += finding.severity is Severity.ERROR
            if count > 0:
                kept.append(_MORE.found(count=count, errors=errors))
            outcome = Outcome.FAILED if failed or errors > 0 else Outcome.PASSED
            return outcome, tuple(kept)
