"""Judge a package as `lantai check` does, in this process, and look at what was found."""

import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from ingest_watch.checks.report import CheckReport, Verdict
from ingest_watch.findings import Finding, Severity
from ingest_watch.format_identification import FormatService, OwnIdentifier, identifier_kind
from ingest_watch.instruments import Instruments
from ingest_watch.judge import Standards, judge
from ingest_watch.package_check import judge_package
from ingest_watch.staging import inspect_folder, stage_file
from ingest_watch.workers import Workers

# Another item of the standard, telling of a flaw that the format itself names more exactly: a
# column that the layout needs (1-12) is an element, too (2-3); a file that is not there (2-11)
# leaves a link that leads nowhere (1-11); a carrier made like another repeats its 档号 (1-8).
FOLLOWING = {
    "metadata-missing", "metadata-empty", "serial-start", "serial-gap", "package-without-metadata",
    "link-broken", "content-none", "content-empty", "content-unreadable", "format-unidentified",
    "file-undescribed", "metadata-duplicate", "package-element-missing", "metadata-unread",
    "attribute-size", "metadata-type", "metadata-length", "virus-scanner-none",
}  # fmt: skip


def check_package(
    path: Path, standards: Standards, instruments: Instruments | None = None
) -> CheckReport:
    with tempfile.TemporaryDirectory(prefix="lantai-check-") as folder:
        return judge_package(path, Path(folder), standards, instruments)


def report_as(path: Path, format_name: str) -> CheckReport:
    return check_package(path, Standards(formats=(format_name,)), instruments())


def report_of_batch(path: Path) -> CheckReport:
    """What the intake says of a batch as a whole, before its cases are judged by themselves."""
    with tempfile.TemporaryDirectory(prefix="lantai-check-") as folder:
        listing = Path(folder) / "listing"
        if path.is_dir():
            staged = inspect_folder(path, listing)
        else:
            staged = stage_file(path, Path(folder) / "package", listing, formats=("case-batch",))
        return judge(staged, Standards(formats=("case-batch",)), instruments())


@cache
def instruments() -> Instruments:
    """Of all tests of one process: to start an identifier takes most of a second."""
    service = FormatService(Workers(1, identifier_kind()))
    return Instruments(datetime.now(UTC).date(), OwnIdentifier(service))


def codes_as(path: Path, format_name: str, severity: Severity = Severity.ERROR) -> set[str]:
    """The codes found in the package at `path`."""
    return codes_of(report_as(path, format_name), severity)


def codes_of(report: CheckReport, severity: Severity = Severity.ERROR) -> set[str]:
    """The codes found, of one severity; the verdict must be what the errors say."""
    errors = {finding.code for finding in report.findings(Severity.ERROR)}
    assert report.verdict is (Verdict.REJECTED if errors else Verdict.ACCEPTABLE), report
    found = {finding.code for finding in report.findings(severity)}
    return found - FOLLOWING or (found if severity is Severity.ERROR else set())


def checks_finding(report: CheckReport, code: str) -> set[str]:
    """The numbers of the checks that found `code`."""
    return {
        check.code.partition("-")[2]
        for check in report.checks
        if code in {finding.code for finding in check.findings}
    }


def all_findings(report: CheckReport) -> list[Finding]:
    return [finding for check in report.checks for finding in check.findings]
