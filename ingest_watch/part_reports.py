"""One check report of a batch and of what is in it, for a sender who checks before sending.

docs/formats/case-batch.md: in the intake each case is judged, answered and rejected by itself; a
check of the whole batch tells in one report whatever would keep one of its cases out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ingest_watch.checks.all_checks import CHECKS
from ingest_watch.checks.check import CheckResult, Consequence
from ingest_watch.checks.report import CheckReport, Verdict
from ingest_watch.judge import verdict_by

_WEIGHTS = tuple(Consequence)


def with_parts(batch: CheckReport, parts: Iterable[tuple[str, CheckReport]]) -> CheckReport:
    """Add to the report of a batch what keeps out any of its parts, by check and path."""
    results = {result.check.number: result for result in batch.checks}
    for path, report in parts:
        for result in _deciding(report):
            found = tuple(replace(each, path=_within(path, each.path)) for each in result.findings)
            part = replace(result, findings=found)
            number = result.check.number
            results[number] = _merged(results[number], part) if number in results else part
    ordered = tuple(results[each.number] for each in CHECKS if each.number in results)
    return replace(batch, checks=ordered, verdict=verdict_by(ordered))


def _deciding(report: CheckReport) -> Iterator[CheckResult]:
    """The results for which it is not acceptable."""
    wanted = Consequence.REJECT if report.verdict is Verdict.REJECTED else Consequence.HOLD
    return (result for result in report.checks if result.consequence is wanted)


def _merged(one: CheckResult, other: CheckResult) -> CheckResult:
    heavier = max(one, other, key=lambda result: _WEIGHTS.index(result.consequence))
    return replace(heavier, findings=one.findings + other.findings)


def _within(part: str, path: str | None) -> str:
    return part if path is None else f"{part}/{path}"
