"""A virus scanner runs here, and its signatures are recent.

DA/T 70-2018 item 4-1 (系统环境中是否安装杀毒软件).
"""

from collections.abc import Iterator

from ingest_watch.checks.check import (
    Check,
    CouldNotRun,
    Examination,
    Examined,
    OfPackage,
    Property,
    Text,
)
from ingest_watch.checks.virus import NO_SCANNER
from ingest_watch.findings import Finding, Rule, Severity

_SCANNER = Rule(
    "virus-scanner", Severity.NOTE, "{version}", "{version}", "DA/T 70 4-1",
)  # fmt: skip
_OLD = Rule(
    "virus-signatures-old", Severity.ERROR,
    "the scanner's signatures are {days} days old; {limit} are allowed: update them",
    "杀毒软件病毒库已有 {days} 天未更新，上限为 {limit} 天，请更新", "DA/T 70 4-1",
)  # fmt: skip
_UNDATED = Rule(
    "virus-signatures-undated", Severity.WARNING,
    "the scanner does not say how old its signatures are", "杀毒软件未说明病毒库日期",
    "DA/T 70 4-1",
)  # fmt: skip
_AWAY = Rule(
    "virus-scanner-away", Severity.WARNING, "the virus scanner does not answer",
    "杀毒软件无响应", "DA/T 70 4-1",
)  # fmt: skip


def _examine(examined: Examined) -> Examination:
    scanner = examined.instruments.scanner
    if scanner is None:
        return CouldNotRun(NO_SCANNER.found())
    try:
        version, signed_on = scanner.version()
    except OSError:
        return CouldNotRun(_AWAY.found())
    days = None if signed_on is None else (examined.instruments.today - signed_on).days
    return _judged(version, days, examined.profile.virus.signature_days_max)


def _judged(version: str, days: int | None, days_max: int) -> Iterator[Finding]:
    yield _SCANNER.found(version=version)
    if days is None:
        yield _UNDATED.found()
    elif days > days_max:
        yield _OLD.found(days=days, limit=days_max)


CHECK = Check(
    "4-1",
    Text("A virus scanner is installed", "系统环境中是否安装杀毒软件检测"),
    Property.SAFETY,
    Text("the virus scanner of the intake", "接收系统的杀毒软件"),
    Text(
        "scanner asked for its version and the day of its signatures",
        "查询杀毒软件版本和病毒库日期",
    ),
    OfPackage(_examine),
)
