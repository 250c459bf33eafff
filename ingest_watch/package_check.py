"""Check one package where it lies, and store nothing: what `lantai check` has a reader do.

docs/decisions/0006; docs/formats/answers.md (check-report). A folder is judged where it is, a file
is unpacked into the owner's private folder, which is the owner's to remove. What comes back is
the report as JSON, because that is plain whatever the reader has become.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from ingest_watch.findings import PackageRejected
from ingest_watch.format_identification import AskingIdentifier
from ingest_watch.instruments import Instruments
from ingest_watch.opening_rules import KILLED_THE_READER
from ingest_watch.scan_service import AskingScanner
from storage.errors import Refusal

if TYPE_CHECKING:
    from ingest_watch.checks.report import CheckReport
    from ingest_watch.judge import Standards
    from ingest_watch.staging import StagedPackage


class StandardsUnknown(Refusal):
    """There is no such format, or its profile cannot be used."""

    code: ClassVar[str] = "standards-unknown"


@dataclass(frozen=True, slots=True)
class CheckJob:
    """One package to check, and what it is held to."""

    path: Path
    private: Path  # the reader's, and empty
    today: date
    format_name: str | None = None
    profile_name: str | None = None  # a shipped one, or a file
    has_scanner: bool = False


@dataclass(frozen=True, slots=True)
class Death:
    """The readers that died of this job."""

    job: CheckJob
    cause: str


# The functions below run in a reader. What they need is loaded in it and not in its owner, who
# would spend most of the time of a small check on that.


def check(job: CheckJob) -> bytes:
    """Judge the package. Raises StandardsUnknown, PackageChanged, StagingFull, OSError."""
    scanner = AskingScanner() if job.has_scanner else None
    instruments = Instruments(job.today, AskingIdentifier(), scanner)
    return judge_package(job.path, job.private, _standards(job), instruments).as_json()


def report_death(death: Death) -> bytes:
    """The report of a package that killed its readers."""
    from ingest_watch.judge import judge_refusal

    rejection = PackageRejected(KILLED_THE_READER.found(cause=death.cause))
    return judge_refusal(rejection, _standards(death.job)).as_json()


def judge_package(
    path: Path, private: Path, standards: "Standards", instruments: Instruments | None
) -> "CheckReport":
    """Open and judge the package at `path`, writing below `private` alone."""
    from ingest_watch.judge import judge, judge_refusal
    from ingest_watch.staging import inspect_folder, stage_file

    listing = private / "listing.sqlite"
    try:
        if path.is_dir():
            staged = inspect_folder(path, listing)
        else:
            staged = stage_file(path, private / "package", listing, formats=standards.formats)
        report = judge(staged, standards, instruments)
    except PackageRejected as refusal:
        return judge_refusal(refusal, standards)
    if not report.parts:
        return report
    return _with_parts(staged, report, private, standards, instruments)


def _with_parts(
    staged: "StagedPackage",
    batch: "CheckReport",
    private: Path,
    standards: "Standards",
    instruments: Instruments | None,
) -> "CheckReport":
    """Judge each part of a batch, too, one after the other."""
    from ingest_watch.formats.registry import part_formats
    from ingest_watch.part_reports import with_parts

    of_parts = replace(standards, formats=part_formats((batch.package_format or "",)))

    def judged() -> "Iterator[tuple[str, CheckReport]]":
        for part in batch.parts:
            file = staged.folder / os.fsdecode(part.raw_path or part.path.encode())
            with TemporaryDirectory(prefix="part-", dir=private) as folder:
                yield part.path, judge_package(file, Path(folder), of_parts, instruments)

    return with_parts(batch, judged())


def _standards(job: CheckJob) -> "Standards":
    from ingest_watch.check_profile import SHIPPED, ProfileRefused, named_profile
    from ingest_watch.formats.registry import FORMATS, part_formats
    from ingest_watch.judge import Standards

    if job.format_name is not None and job.format_name not in FORMATS:
        raise StandardsUnknown(
            f"there is no format {job.format_name!r}: name one of {', '.join(sorted(FORMATS))}. "
            "没有此信息包格式。"
        )
    name = job.profile_name
    if name not in (None, *SHIPPED):
        name = str(Path(name).resolve())
    try:
        profile = None if name is None else named_profile(name)
    except ProfileRefused as refusal:
        raise StandardsUnknown(str(refusal)) from refusal
    formats = tuple(FORMATS) if job.format_name is None else (job.format_name,)
    if profile is None:
        return Standards(None if job.format_name is None else formats)
    fitting = tuple(
        each for each in formats if {each, *part_formats((each,))} & set(profile.formats)
    )
    if not fitting:
        raise StandardsUnknown(
            f"the profile {job.profile_name!r} is for {', '.join(profile.formats)} and not for "
            f"{job.format_name}: leave --format or --profile out. 检测方案不适用于该信息包格式。"
        )
    return Standards(fitting, profile)
