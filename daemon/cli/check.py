"""`lantai check`: judge one package without storing it.

docs/formats/answers.md (check-report). A folder is judged where it is, an archive is unpacked
into a private temporary folder. Exit status: 0 acceptable, 1 rejected, 2 usage, 3 could not be
judged.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from ingest_watch.check_profile import SHIPPED, ProfileRefused, named_profile
from ingest_watch.checks.check import Outcome
from ingest_watch.checks.report import CheckReport, Verdict
from ingest_watch.clamd import Clamd
from ingest_watch.findings import Finding, PackageChanged, PackageRejected, Severity, shown
from ingest_watch.format_identification import own_identifier
from ingest_watch.formats.registry import FORMATS
from ingest_watch.instruments import Instruments
from ingest_watch.judge import Standards, judge, judge_refusal
from ingest_watch.room import StagingFull
from ingest_watch.staging import inspect_folder, stage_file

EXIT_STATUS = {Verdict.ACCEPTABLE: 0, Verdict.REJECTED: 1, Verdict.NOT_JUDGED: 3}

_VERDICTS = {
    Verdict.ACCEPTABLE: "acceptable / 可接收",
    Verdict.REJECTED: "rejected / 不予接收",
    Verdict.NOT_JUDGED: "could not be judged / 未能判定",
}
_SEVERITIES = {
    Severity.ERROR: "error / 错误",
    Severity.WARNING: "warning / 警告",
    Severity.NOTE: "note / 说明",
}
_OUTCOMES = {
    Outcome.PASSED: "passed / 通过",
    Outcome.FAILED: "FAILED / 未通过",
    Outcome.COULD_NOT_RUN: "not run / 未检测",
    Outcome.TO_BE_JUDGED: "to be judged / 人工待检",
    Outcome.NOT_APPLICABLE: "not applicable / 不适用",
}


@click.command("check")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(sorted(FORMATS)),
    help="Accept this package format only. / 仅接受此格式。",
)
@click.option(
    "--profile",
    "profile_name",
    help="Hold it to this profile: a shipped name, or a file. / 检测方案：内置名称或文件。",
)
@click.option(
    "--clamd",
    "clamd_socket",
    type=click.Path(exists=True, path_type=Path),
    help="Scan for viruses through clamd's Unix socket. / 通过 clamd 的套接字检测病毒。",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the check report as JSON. / 输出 JSON。"
)
@click.pass_context
def check(
    context: click.Context,
    path: Path,
    format_name: str | None,
    profile_name: str | None,
    clamd_socket: Path | None,
    *,
    as_json: bool,
) -> None:
    """Judge the package at PATH without storing it. / 检测信息包但不入库。

    PATH is a folder, or a zip, tar or tar.gz. Exit status 0: acceptable, warnings are printed.
    1: rejected, every reason is printed. 2: usage. 3: could not be judged, or a person must decide.
    """
    try:
        standards = Standards(
            formats=None if format_name is None else (format_name,),
            profile=None if profile_name is None else named_profile(_absolute(profile_name)),
        )
        with own_identifier() as identifier:
            scanner = None if clamd_socket is None else Clamd(clamd_socket)
            instruments = Instruments(datetime.now(UTC).date(), identifier, scanner)
            report = check_package(path.resolve(), standards, instruments)
    except ProfileRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    except PackageChanged as error:
        report = _unjudged(
            f"{error}; check it again when it is complete / 信息包仍在变化，请稍后重试"
        )
    except StagingFull as error:
        report = _unjudged(f"{error} / 临时空间不足")
    except OSError as error:
        report = _unjudged(f"cannot read {path}: {error.strerror} / 无法读取")
    if as_json:
        click.echo(report.as_json(), nl=False)
    else:
        _print(path, report)
    context.exit(EXIT_STATUS[report.verdict])


def _absolute(profile_name: str) -> str:
    """A profile's name as it is, a file's by its whole path."""
    if profile_name in SHIPPED:
        return profile_name
    return str(Path(profile_name).resolve())


def check_package(
    path: Path, standards: Standards, instruments: Instruments | None = None
) -> CheckReport:
    """Open and judge the package at `path`, leaving nothing behind."""
    with tempfile.TemporaryDirectory(prefix="lantai-check-") as folder:
        private = Path(folder)
        listing = private / "listing.sqlite"
        try:
            if path.is_dir():
                staged = inspect_folder(path, listing)
            else:
                staged = stage_file(path, private / "package", listing, formats=standards.formats)
            return judge(staged, standards, instruments)
        except PackageRejected as refusal:
            return judge_refusal(refusal, standards)


def _unjudged(reason: str) -> CheckReport:
    """Say on standard error why nothing can be said of the package."""
    click.echo(shown(reason), err=True)
    return CheckReport(None, Verdict.NOT_JUDGED, ())


def _print(path: Path, report: CheckReport) -> None:
    package_format = report.package_format or "unknown format / 格式不明"
    click.echo(f"{shown(str(path))}: {_VERDICTS[report.verdict]} ({package_format})")
    for result in report.checks:
        click.echo(
            f"  {result.code:8} {_OUTCOMES[result.outcome]}:"
            f" {result.check.title.chinese} {result.check.title.english}"
        )
        for finding in result.findings:
            _print_finding(finding)


def _print_finding(finding: Finding) -> None:
    where = "" if finding.path is None else f" {finding.path}:"
    click.echo(f"    {_SEVERITIES[finding.severity]} [{finding.code}]{where} {finding.message}")
    click.echo(f"      {finding.message_zh}")
