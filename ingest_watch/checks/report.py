"""The check report: every check of one package, and the verdict.

docs/formats/answers.md (`lantai/check-report.json`). Members are written in the order of that page,
without any time or path of ours, so equal packages have equal reports.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum

from ingest_watch.checks.check import CheckResult, Consequence
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.formats.package_format import Decoded, Part
from ingest_watch.scope import PackageScope

FORMAT = "lantai.check-report.v1"

_UNSAID = Rule(
    "check-could-not-run", Severity.WARNING, "a check could not run", "有检测项未能执行", "DA/T 70",
)  # fmt: skip


class Verdict(StrEnum):
    """What is to become of the package."""

    ACCEPTABLE = "acceptable"
    REJECTED = "rejected"
    NOT_JUDGED = "not-judged"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All checks of one package."""

    package_format: str | None
    verdict: Verdict
    checks: tuple[CheckResult, ...]
    # What the sender calls the package, where the format has a place for it. Not in the report.
    external_identifiers: tuple[str, ...] = ()
    # Files that staff can open, where what was received had to be decoded. Not in the report.
    decoded: Decoded | None = None
    # The packages that a batch holds. Not in the report.
    parts: tuple[Part, ...] = ()
    scope: PackageScope = field(default_factory=PackageScope)

    def findings(self, severity: Severity) -> tuple[Finding, ...]:
        """Return all findings of this weight, in the order of the checks."""
        return tuple(
            finding
            for check in self.checks
            for finding in check.findings
            if finding.severity is severity
        )

    def reasons(self) -> tuple[Finding, ...]:
        """Return why it is not acceptable: what the checks found that keep it out."""
        wanted = Consequence.REJECT if self.verdict is Verdict.REJECTED else Consequence.HOLD
        deciding = [check for check in self.checks if check.consequence is wanted]
        found = [finding for check in deciding for finding in check.findings]
        errors = tuple(finding for finding in found if finding.severity is Severity.ERROR)
        return errors or tuple(found) or (_UNSAID.found(),)

    def as_json(self) -> bytes:
        """Return the report as docs/formats/answers.md has it: UTF-8, two-space indent, LF."""
        document = {
            "format": FORMAT,
            "package_format": self.package_format,
            "verdict": self.verdict.value,
            "checks": [check_members(check) for check in self.checks],
            "matter": self.scope.matter,
            "record_class": self.scope.record_class,
            "retention": self.scope.retention,
        }
        return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def check_members(result: CheckResult) -> dict[str, object]:
    """Return one check as JSON members."""
    check = result.check
    return {
        "code": result.code,
        "title": check.title.english,
        "title_zh": check.title.chinese,
        "property": check.property.value,
        "object": check.object.english,
        "object_zh": check.object.chinese,
        "method": check.method.english,
        "method_zh": check.method.chinese,
        "outcome": result.outcome.value,
        "consequence": result.consequence.value,
        "findings": [
            {
                "severity": finding.severity.value,
                "code": finding.code,
                "path": finding.path,
                "message": finding.message,
                "message_zh": finding.message_zh,
            }
            for finding in result.findings
        ],
    }
