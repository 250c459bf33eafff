"""Judge one staged package by the four properties, and say what is to become of it.

DA/T 70-2018; docs/formats/answers.md (check-report). A package is acceptable when no check failed
and every check that its profile needs was carried out. Reads the staged copy only; storing,
answering and waiting are for others.
"""

from contextlib import closing
from dataclasses import dataclass

from ingest_watch.checks.all_checks import CHECKS, OPENING
from ingest_watch.checks.check import CheckResult, Examined, Outcome, carry_out, result_of
from ingest_watch.checks.report import CheckReport, Verdict
from ingest_watch.findings import Finding, PackageRejected, Rule, Severity
from ingest_watch.formats.package_format import Opening, PackageFormat
from ingest_watch.formats.registry import FORMATS, recognised_format
from ingest_watch.listing import Listing
from ingest_watch.staging import StagedPackage

_FORMAT_UNKNOWN = Rule(
    "format-unknown", Severity.ERROR,
    "this is not a package of an accepted format ({formats}); a bag has bagit.txt in its top "
    "folder, and an archive holds that one folder and nothing beside it",
    "不是可接受格式的信息包（{formats}）；BagIt 包的顶层文件夹中须有 bagit.txt，"
    "压缩包内只能有这一个文件夹",
    "docs/formats/bagit.md",
)  # fmt: skip
_NOT_OPENED = Rule(
    "not-opened", Severity.NOTE, "the package was refused before this could be checked",
    "信息包未能打开，该项未检测", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckProfile:
    """What a source's packages are held to."""

    stage: str = "YJ"  # 移交; "GD" when archiving
    formats: tuple[str, ...] | None = None  # None: every registered format
    # Checks that may be left undone without keeping the package out; the report still says so.
    dispensable: frozenset[str] = frozenset({"4-2"})


DEFAULT_PROFILE = CheckProfile()


def judge(package: StagedPackage, profile: CheckProfile = DEFAULT_PROFILE) -> CheckReport:
    """Carry out every check on a staged package.

    A format that must decode does so beside the package's listing. Raises OSError if the staging
    disk fails, and PackageRejected if decoding it would not be safe.
    """
    with Listing.open(package.listing) as listing:
        package_format = _format_of(package, listing, profile)
        if package_format is None:
            formats = ", ".join(profile.formats) if profile.formats else "BagIt"
            return refused((_FORMAT_UNKNOWN.found(formats=formats),), profile)
        opened = package_format.open(Opening(package.folder, listing, package.listing.parent))
        with closing(opened):
            examined = Examined(package, opened)
            results = tuple(carry_out(check, profile.stage, examined) for check in CHECKS)
            return CheckReport(
                package_format.name,
                _verdict(results, profile),
                results,
                opened.external_identifiers,
                opened.decoded,
                tuple(opened.parts()),
            )


def _format_of(
    package: StagedPackage, listing: Listing, profile: CheckProfile
) -> PackageFormat | None:
    if package.kept_whole_as is not None:
        return FORMATS[package.kept_whole_as]
    return recognised_format(listing.landmarks(), profile.formats)


def judge_refusal(refusal: PackageRejected, profile: CheckProfile = DEFAULT_PROFILE) -> CheckReport:
    """Make the report of a package that staging refused to open."""
    return refused(refusal.findings, profile)


def refused(findings: tuple[Finding, ...], profile: CheckProfile) -> CheckReport:
    """Make a report in which nothing but opening was carried out, and failed."""
    results = tuple(
        result_of(check, profile.stage, Outcome.FAILED, findings)
        if check is OPENING
        else result_of(check, profile.stage, Outcome.COULD_NOT_RUN, (_NOT_OPENED.found(),))
        for check in CHECKS
    )
    return CheckReport(None, Verdict.REJECTED, results)


def _verdict(results: tuple[CheckResult, ...], profile: CheckProfile) -> Verdict:
    if any(result.outcome is Outcome.FAILED for result in results):
        return Verdict.REJECTED
    undone = {Outcome.COULD_NOT_RUN, Outcome.TO_BE_JUDGED}
    for check, result in zip(CHECKS, results, strict=True):
        if result.outcome in undone and check.number not in profile.dispensable:
            return Verdict.NOT_JUDGED
    return Verdict.ACCEPTABLE
