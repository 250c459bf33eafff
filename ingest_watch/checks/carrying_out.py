"""Carry out checks, each without ever passing by mistake.

DA/T 70-2018; docs/formats/profile.md (how outcomes combine). A check that raises could not run, and
takes no other with it; but what the disk under the package does is no outcome of any, and is raised
to whoever may try again. Checks of the same kind of thing share one reading. Knows no item of the
standard: those are the modules beside this one.
"""

import errno
import sqlite3
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ingest_watch.check_profile import CheckProfile
from ingest_watch.checks.check import (
    Check,
    CheckResult,
    Consequence,
    CouldNotRun,
    Examined,
    Judge,
    OfFiles,
    OfPackage,
    OfRecords,
    OfStatedFiles,
    Outcome,
    Undone,
)
from ingest_watch.checks.content_files import content_files, register_content
from ingest_watch.findings import Finding, PackageRejected, Rule, Severity
from ingest_watch.formats.package_format import NotApplicable
from ingest_watch.room import StagingFull
from ingest_watch.xml_reading import XmlFlaw
from monitoring.log import get_log

log = get_log(__name__)

# Of one check. More are counted and not kept: a package with so many has one cause.
FINDINGS_MAX = 10_000

METADATA_READABLE = "3-1"
ATTRIBUTES = "1-10"

_MORE = Rule(
    "more-findings", Severity.WARNING, "and {count} more of these, {errors} of them errors",
    "另有 {count} 项，其中错误 {errors} 项", "",
)  # fmt: skip
_RAISED = Rule(
    "check-raised", Severity.WARNING,
    "the check could not run ({kind}); see the intake's log, and have the package checked again",
    "该项检测未能执行（{kind}）；请查看接收日志并重新检测", "DA/T 70",
)  # fmt: skip
_UNREADABLE = Rule(
    "metadata-unread", Severity.WARNING,
    "the metadata could not be read to its end, so this could not be checked",
    "元数据未能读完，该项未能检测", "DA/T 70 3-1",
)  # fmt: skip

# Errors that tell of the disk, and nothing of the package or the check.
_OF_THE_DISK = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENODEV, errno.ESTALE})

# What one kind of question is asked of.
_Things = Callable[[Examined], Iterator[Any] | NotApplicable]
# Files before stated files: what these are compared with is found out there.
_STREAMS: tuple[tuple[type, _Things], ...] = (
    (OfFiles, content_files),
    (OfRecords, lambda examined: examined.package.records()),
    (OfStatedFiles, lambda examined: examined.package.stated_files()),
)


def carry_out_all(checks: Sequence[Check], examined: Examined) -> tuple[CheckResult, ...]:
    """Carry out what the profile asks for, in the order of `checks`.

    Raises PackageRejected for a package that kills what looks into it.
    """
    applying = [check for check in checks if check.number in examined.profile.checks]
    under_way = {check.number: _UnderWay(check) for check in applying}
    if any(isinstance(check.question, OfStatedFiles) for check in applying):
        register_content(examined)
    for each in under_way.values():
        if isinstance(each.question, OfPackage):
            each.ask_package(examined)
    for kind, things in _STREAMS:
        asked = [each for each in under_way.values() if isinstance(each.question, kind)]
        if kind is not OfFiles and _is_unreadable(under_way):
            # What half-read metadata lack is nothing to judge the package by.
            for each in asked:
                each.settle(Outcome.COULD_NOT_RUN, _UNREADABLE.found())
        _ask_each(asked, things, examined)
    return tuple(each.result(examined.profile) for each in under_way.values())


def _is_unreadable(under_way: Mapping[str, "_UnderWay"]) -> bool:
    readable = under_way.get(METADATA_READABLE)
    return readable is not None and readable.has_failed


def result_of(
    check: Check, profile: CheckProfile, outcome: Outcome, findings: tuple[Finding, ...]
) -> CheckResult:
    """A check's outcome under the code it has at this stage, with what the profile makes of it."""
    return CheckResult(
        check, profile.stage, outcome, _consequence(check, profile, outcome), findings
    )


def _consequence(check: Check, profile: CheckProfile, outcome: Outcome) -> Consequence:
    if outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
        return Consequence.NONE
    failed = outcome is Outcome.FAILED
    return Consequence(profile.consequence(check.number, failed=failed))


def _ask_each(asked: list["_UnderWay"], things: _Things, examined: Examined) -> None:
    """Let all of these judge in one reading."""
    judging = [each for each in asked if each.is_open and each.begin(examined)]
    # 1-10 compares with formats that are found out while files are read.
    tells_formats = things is content_files and ATTRIBUTES in examined.profile.checks
    if not judging and not tells_formats:
        return
    settled = _read_all(judging, things, examined)
    for each in judging:
        if settled is not None:
            each.settle(*settled)
        each.finish()


def _read_all(
    judging: list["_UnderWay"], things: _Things, examined: Examined
) -> tuple[Outcome, Finding] | None:
    """Hand everything to all of them; return the outcome of all if it could not be read."""
    try:
        found = things(examined)
        if isinstance(found, NotApplicable):
            return Outcome.NOT_APPLICABLE, found.finding
        for thing in found:
            for each in judging:
                each.take(thing)
    except (PackageRejected, MemoryError):
        raise
    except XmlFlaw as flaw:
        return Outcome.COULD_NOT_RUN, _UNREADABLE.found(flaw.finding.path)
    except Exception as error:  # noqa: BLE001 - a format's own bug must not pass packages
        return _could_not_run(error, ", ".join(each.check.number for each in judging))
    return None


def _could_not_run(error: Exception, checks: str) -> tuple[Outcome, Finding]:
    """What a bug comes to, put on record by kind and place: what it says may be the content's.

    Raises what tells of the disk.
    """
    if _is_the_disks(error):
        raise error
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    log.error("intake.check.raised", check=checks, kind=type(error).__name__, where=where)
    return Outcome.COULD_NOT_RUN, _RAISED.found(kind=type(error).__name__)


def _is_the_disks(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _OF_THE_DISK
    if isinstance(error, sqlite3.IntegrityError):
        return False
    # No package is opened as a database: it is the listing that could not be read.
    return isinstance(error, StagingFull | sqlite3.DatabaseError)


class _UnderWay:
    """One check while it is carried out."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.question = check.question
        self._judge: Judge[Any] | None = None
        self._settled: tuple[Outcome, Finding] | None = None
        self._kept: list[Finding] = []
        self._further = self._further_errors = 0
        self.has_failed = False
        self._undone: Undone | None = None

    @property
    def is_open(self) -> bool:
        """Whether its outcome is not settled yet."""
        return self._settled is None

    def ask_package(self, examined: Examined) -> None:
        """Ask the one question of it."""
        assert isinstance(self.question, OfPackage)
        examine = self.question.examine
        self._safely(lambda: self._answered(examine(examined)))

    def begin(self, examined: Examined) -> bool:
        """Make its judge; False when it has none to judge by."""
        question = self.question
        assert not isinstance(question, OfPackage)
        self._safely(lambda: self._answered(question.judge(examined)))
        return self._judge is not None and self._settled is None

    def take(self, thing: object) -> None:
        """Judge one thing."""
        judge = self._judge
        if judge is not None and self._settled is None:
            self._safely(lambda: self._add(judge.take(thing)))

    def finish(self) -> None:
        """Judge all of them together."""
        judge = self._judge
        if judge is not None and self._settled is None:
            self._safely(lambda: self._add(judge.finish()))
            self._undone = judge.undone

    def settle(self, outcome: Outcome, finding: Finding) -> None:
        """Whatever it found, this is its outcome."""
        if self._settled is None:
            self._settled = outcome, finding

    def result(self, profile: CheckProfile) -> CheckResult:
        """What became of it."""
        if self._settled is not None:
            outcome, finding = self._settled
            return result_of(self.check, profile, outcome, (finding,))
        if self._further:
            self._kept.append(_MORE.found(count=self._further, errors=self._further_errors))
        findings = tuple(self._kept)
        if self.has_failed:
            return result_of(self.check, profile, Outcome.FAILED, findings)
        if self._undone is None:
            return result_of(self.check, profile, Outcome.PASSED, findings)
        outcome = self._undone.outcome
        consequence = self._undone.consequence or _consequence(self.check, profile, outcome)
        return CheckResult(self.check, profile.stage, outcome, consequence, findings)

    def _answered(self, answer: Any) -> None:
        match answer:
            case NotApplicable(finding):
                self.settle(Outcome.NOT_APPLICABLE, finding)
            case CouldNotRun(finding):
                self.settle(Outcome.COULD_NOT_RUN, finding)
            case judge if hasattr(judge, "take"):
                self._judge = judge
            case findings:
                self._add(findings)

    def _add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            is_error = finding.severity is Severity.ERROR
            self.has_failed |= is_error
            if len(self._kept) < FINDINGS_MAX:
                self._kept.append(finding)
            else:
                self._further += 1
                self._further_errors += is_error

    def _safely(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (PackageRejected, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - a check's own bug must not pass packages
            self.settle(*_could_not_run(error, self.check.number))
