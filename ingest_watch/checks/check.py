"""One check of DA/T 70-2018 as a value: what it looks at, how, and what became of it.

DA/T 70-2018 (四性检测), items and outcomes; docs/formats/answers.md (check-report). How checks are
carried out is carrying_out.py's; what one looks at is in the module that declares it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar

from ingest_watch.check_profile import CheckProfile
from ingest_watch.content_register import ContentRegister
from ingest_watch.findings import Finding
from ingest_watch.formats.package_format import NotApplicable, OpenedPackage
from ingest_watch.instruments import Identified, Instruments
from ingest_watch.listing import Listing
from ingest_watch.records import Record, StatedFile
from ingest_watch.scope import PackageScope, ScopeTable
from ingest_watch.staging import StagedPackage


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


class Consequence(StrEnum):
    """What an outcome does to the package, by its profile."""

    NONE = "none"
    REMARK = "remark"  # it is told, and keeps nothing out
    HOLD = "hold"  # a person decides
    REJECT = "reject"  # veto 一票否决


@dataclass(frozen=True, slots=True)
class CouldNotRun:
    """The check has no means to run here."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Undone:
    """A check that found no error and has not shown that there is none."""

    outcome: Outcome  # could-not-run or to-be-judged
    consequence: Consequence | None = None  # None: what the profile says


@dataclass(frozen=True, slots=True)
class Text:
    """Words that both a sender and an archivist read."""

    english: str
    chinese: str


@dataclass(slots=True)
class Examined:
    """What checks may look at, and the facts that they establish beside their outcomes."""

    staged: StagedPackage
    package: OpenedPackage
    listing: Listing
    profile: CheckProfile
    instruments: Instruments
    register: ContentRegister
    scope_table: ScopeTable | None = None
    scope: PackageScope = field(default_factory=PackageScope)
    is_without_records: bool = False  # told by 2-10, so that 2-7 does not tell it again


@dataclass(frozen=True, slots=True)
class ContentFile:
    """One file of the package as it lies on our disk."""

    path: str  # shown in findings
    location: Path
    size_bytes: int
    is_content: bool  # by [content].files; else it only describes
    identified: Identified | None = None  # None: its format was not asked for, or not found out


Item = TypeVar("Item", contravariant=True)


class Judge(Protocol[Item]):
    """Judges one thing after the other; keeps what it needs to, and that in little memory."""

    def take(self, item: Item) -> Iterable[Finding]:
        """What is wrong with this one."""
        ...

    def finish(self) -> Iterable[Finding]:
        """What is wrong with all of them together."""
        ...

    @property
    def undone(self) -> Undone | None:
        """Asked last: why the check is not passed although it found no error."""
        ...


class JudgesEach:
    """A judge that finds nothing in all of them together; a check overrides what it needs."""

    undone: Undone | None = None

    def finish(self) -> Iterable[Finding]:
        return ()


@dataclass(frozen=True, slots=True)
class OfRecords:
    """A check of every record; all of these share one reading of the metadata."""

    judge: Callable[[Examined], Judge[Record] | NotApplicable]


@dataclass(frozen=True, slots=True)
class OfStatedFiles:
    """A check of every file that the metadata describes."""

    judge: Callable[[Examined], Judge[StatedFile] | NotApplicable]


@dataclass(frozen=True, slots=True)
class OfFiles:
    """A check of every file on the disk, received or decoded."""

    judge: Callable[[Examined], Judge[ContentFile] | NotApplicable | CouldNotRun]


Examination = Iterator[Finding] | NotApplicable | CouldNotRun


@dataclass(frozen=True, slots=True)
class OfPackage:
    """A check that asks the package once."""

    examine: Callable[[Examined], Examination]


Question = OfPackage | OfRecords | OfStatedFiles | OfFiles


@dataclass(frozen=True, slots=True)
class Check:
    """One item of the standard."""

    number: str  # "1-1"; the stage stands before it in a report
    title: Text
    property: Property
    object: Text
    method: Text
    question: Question


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check that was carried out, or not."""

    check: Check
    stage: str
    outcome: Outcome
    consequence: Consequence
    findings: tuple[Finding, ...]

    @property
    def code(self) -> str:
        """As the standard writes it: "YJ-1-1"."""
        return f"{self.stage}-{self.check.number}"
