"""Virus check: no scanner is attached to this intake yet, and the report says so.

DA/T 70-2018 item 4-2 (病毒感染检测). It is recorded as not run, never as passed.
"""

from ingest_watch.checks.check import Check, CouldNotRun, Examination, Examined, Property
from ingest_watch.findings import Rule, Severity

_NO_SCANNER = Rule(
    "virus-scanner-none", Severity.NOTE, "no virus scanner is configured, so nothing was scanned",
    "未配置杀毒软件，未进行病毒检测", "DA/T 70 4-2",
)  # fmt: skip


def _examine(_examined: Examined) -> Examination:
    return CouldNotRun(_NO_SCANNER.found())


CHECK = Check("4-2", "Virus check", "病毒感染检测", Property.SAFETY, _examine)
