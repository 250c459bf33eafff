"""Judge a package of one format, as `lantai check --format` does, and look at what was found."""

from pathlib import Path

from daemon.cli.check import check_package
from ingest_watch.checks.report import CheckReport, Verdict
from ingest_watch.findings import Finding, Severity
from ingest_watch.judge import Standards


def report_as(path: Path, format_name: str) -> CheckReport:
    return check_package(path, Standards(formats=(format_name,)))


def codes_as(path: Path, format_name: str, severity: Severity = Severity.ERROR) -> set[str]:
    """The codes found, of one severity; the verdict must be what the errors say."""
    report = report_as(path, format_name)
    errors = {finding.code for finding in report.findings(Severity.ERROR)}
    assert report.verdict is (Verdict.REJECTED if errors else Verdict.ACCEPTABLE), report
    return {finding.code for finding in report.findings(severity)}


def checks_finding(report: CheckReport, code: str) -> set[str]:
    """The numbers of the checks that found `code`."""
    return {
        check.code.partition("-")[2]
        for check in report.checks
        if code in {finding.code for finding in check.findings}
    }


def all_findings(report: CheckReport) -> list[Finding]:
    return [finding for check in report.checks for finding in check.findings]
