"""`lantai check`: judge one package without storing it.

docs/formats/answers.md (check-report), docs/decisions/0006. The package is opened by a confined
process as the intake's are: a folder where it is, a file in a private temporary folder. Exit
status: 0 acceptable, 1 rejected, 2 usage, 3 could not be judged.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import click
import msgspec

from ingest_watch.findings import PackageChanged, shown
from ingest_watch.format_identification import FormatService, identifier_kind
from ingest_watch.package_check import CheckJob, Death, StandardsUnknown, report_death
from ingest_watch.package_check import check as check_package
from ingest_watch.reader_kind import reader_kind
from ingest_watch.reader_services import ReaderServices
from ingest_watch.room import StagingFull
from ingest_watch.worker_process import start_server
from ingest_watch.workers import (
    WorkerDied,
    WorkerFailed,
    WorkerKind,
    WorkerOverdue,
    Workers,
    WorkersUnconfined,
)

EXIT_STATUS = {"acceptable": 0, "rejected": 1, "not-judged": 3}

_VERDICTS = {
    "acceptable": "acceptable / 可接收",
    "rejected": "rejected / 不予接收",
    "not-judged": "could not be judged / 未能判定",
}
_SEVERITIES = {
    "error": "error / 错误",
    "warning": "warning / 警告",
    "note": "note / 说明",
}
_OUTCOMES = {
    "passed": "passed / 通过",
    "failed": "FAILED / 未通过",
    "could-not-run": "not run / 未检测",
    "to-be-judged": "to be judged / 人工待检",
    "not-applicable": "not applicable / 不适用",
}
# As the intake has it where nothing else is configured.
_HOURS_PER_TEBIBYTE = 4
_MINUTE_S = 60
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_NOT_JUDGED = (
    PackageChanged, StagingFull, WorkerOverdue, WorkerFailed, WorkersUnconfined, WorkerDied,
    OSError, EOFError, msgspec.DecodeError,
)  # fmt: skip


class _Finding(msgspec.Struct, frozen=True):
    severity: Literal["error", "warning", "note"]
    code: str
    path: str | None
    message: str
    message_zh: str


class _Check(msgspec.Struct, frozen=True):
    code: str
    title: str
    title_zh: str
    outcome: Literal["passed", "failed", "could-not-run", "to-be-judged", "not-applicable"]
    findings: tuple[_Finding, ...]


class _Report(msgspec.Struct, frozen=True):
    """What is shown of a check report."""

    package_format: str | None
    verdict: Literal["acceptable", "rejected", "not-judged"]
    checks: tuple[_Check, ...]


@dataclass(frozen=True, slots=True)
class _Means:
    """What a package is opened with."""

    clamd_socket: Path | None
    minutes_max: float | None
    unconfined: bool


@click.command("check")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "format_name",
    metavar="FORMAT",
    help="Accept this package format only: bagit, carrier, case, case-batch, csip or eep."
    " / 仅接受此格式。",
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
    "--minutes-max",
    type=click.FloatRange(min=0, min_open=True),
    help="Give up after so long, and not after half an hour and four hours for each TiB."
    " / 检测时限（分钟）。",
)
@click.option(
    "--unconfined",
    is_flag=True,
    help="Open it even where this machine cannot confine the process that does."
    " / 无法限制读取进程时仍继续。",
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
    *,
    clamd_socket: Path | None,
    minutes_max: float | None,
    unconfined: bool,
    as_json: bool,
) -> None:
    """Judge the package at PATH without storing it. / 检测信息包但不入库。

    PATH is a folder, or a zip, tar or tar.gz. Exit status 0: acceptable, warnings are printed.
    1: rejected, every reason is printed. 2: usage. 3: could not be judged, or a person must decide.
    """
    means = _Means(clamd_socket, minutes_max, unconfined)
    job = partial(
        CheckJob,
        path.resolve(),
        today=datetime.now(UTC).date(),
        format_name=format_name,
        profile_name=profile_name,
        has_scanner=clamd_socket is not None,
    )
    try:
        sent = _checked(job, means)
        report = msgspec.json.decode(sent, type=_Report)
    except StandardsUnknown as refusal:
        raise click.UsageError(str(refusal)) from refusal
    except _NOT_JUDGED as error:
        sent, report = _unjudged(_why_not(path, error))
    if as_json:
        click.echo(sent, nl=False)
    else:
        _print(path, report)
    context.exit(EXIT_STATUS[report.verdict])


def _checked(job_in: Callable[..., CheckJob], means: _Means) -> bytes:
    """Have a reader check it; nothing is left behind, whatever becomes of the reader."""
    with (
        tempfile.TemporaryDirectory(prefix="lantai-check-") as folder,
        _one_reader(means) as reader,
    ):
        job = job_in(private=Path(folder))
        try:
            return reader.carry_out(check_package, job)
        except WorkerDied as death:
            return reader.carry_out(report_death, Death(job, death.cause))


@contextmanager
def _one_reader(means: _Means) -> Iterator[Workers]:
    """A reader as the intake has it. Raises WorkersUnconfined."""
    kind = _kind(means)
    start_server(kind.preload)
    identifier = Workers(1, identifier_kind())
    services = ReaderServices(FormatService(identifier), means.clamd_socket)
    reader = Workers(1, kind, services.answer)
    try:
        _expect_confined(reader, means)
        yield reader
    finally:
        reader.close()
        identifier.close()


def _kind(means: _Means) -> WorkerKind:
    kind = reader_kind(_HOURS_PER_TEBIBYTE)
    if means.minutes_max is None:
        return kind
    time_s = means.minutes_max * _MINUTE_S
    return replace(kind, allowance=replace(kind.allowance, time_s=time_s, time_s_per_tebibyte=0))


def _expect_confined(reader: Workers, means: _Means) -> None:
    lacking = ", ".join(reader.tried())
    if not lacking:
        return
    if not means.unconfined:
        raise WorkersUnconfined(
            f"this machine cannot give the process that opens the package {lacking}: use a kernel "
            "with seccomp filters, or --unconfined for a package that you trust "
            "/ 本机无法限制读取进程"
        )
    click.echo(f"opened WITHOUT {lacking} / 读取进程未受限制", err=True)


def _why_not(path: Path, error: Exception) -> str:
    match error:
        case PackageChanged():
            return f"{error}; check it again when it is complete / 信息包仍在变化，请稍后重试"
        case StagingFull():
            return str(error)
        case WorkerOverdue():
            return f"{error}, or with a longer --minutes-max / 检测超时"
        case WorkerFailed() | WorkersUnconfined():
            return f"{error} / 检测未能进行"
        case OSError():
            return f"cannot read {path}: {error.strerror or error} / 无法读取"
        case _:
            return "the process that opens packages did not start / 读取进程未能启动"


def _unjudged(reason: str) -> tuple[bytes, _Report]:
    """Say on standard error why nothing can be said of the package."""
    # Loads every check, which the reader has done for all other cases.
    from ingest_watch.checks.report import CheckReport, Verdict

    click.echo(shown(reason), err=True)
    sent = CheckReport(None, Verdict.NOT_JUDGED, ()).as_json()
    return sent, msgspec.json.decode(sent, type=_Report)


def _print(path: Path, report: _Report) -> None:
    package_format = report.package_format or "unknown format / 格式不明"
    _say(f"{shown(str(path))}: {_VERDICTS[report.verdict]} ({package_format})")
    # What keeps it out stands first; the others follow in the order of the standard.
    for result in sorted(report.checks, key=lambda check: check.outcome != "failed"):
        _say(f"  {result.code:8} {_OUTCOMES[result.outcome]}: {result.title_zh} {result.title}")
        for finding in result.findings:
            _print_finding(finding)


def _print_finding(finding: _Finding) -> None:
    where = "" if finding.path is None else f" {finding.path}:"
    _say(f"    {_SEVERITIES[finding.severity]} [{finding.code}]{where} {finding.message}")
    _say(f"      {finding.message_zh}")


def _say(line: str) -> None:
    """One line. What a package says is escaped in it, unless it has taken its reader over."""
    click.echo(_CONTROLS.sub("?", line))
