"""Judge one staged package by the four properties, and say what is to become of it.

DA/T 70-2018; docs/formats/profile.md (how outcomes combine), answers.md (check-report).
A package is acceptable when nothing that its profile weighs keeps it out. Reads the staged copy
only; storing, answering and waiting are for others.
"""

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ingest_watch.check_profile import CheckProfile, Seals, profile_of_format
from ingest_watch.checks.all_checks import CHECKS, OPENING
from ingest_watch.checks.carrying_out import carry_out_all, result_of
from ingest_watch.checks.check import CheckResult, Consequence, Examined, Outcome
from ingest_watch.checks.report import CheckReport, Verdict
from ingest_watch.content_register import ContentRegister
from ingest_watch.findings import Finding, PackageRejected, Rule, Severity
from ingest_watch.formats.package_format import Opening, PackageFormat
from ingest_watch.formats.registry import FORMATS, only_format, recognised_format
from ingest_watch.instruments import Instruments
from ingest_watch.listing import Listing
from ingest_watch.scope import ScopeTable
from ingest_watch.seals.trust import NO_TRUST, Trust, trust_from_folder
from ingest_watch.staging import StagedPackage

_FORMAT_UNKNOWN = Rule(
    "format-unknown", Severity.ERROR,
    "this is not a package of an accepted format ({formats}): how each looks at its top is in "
    "docs/formats and in the sender's kit; an archive holds the package and nothing beside it",
    "不是可接受格式的信息包（{formats}）：各格式的顶层结构见 docs/formats 与移交方工具包；"
    "压缩包内只能有信息包本身",
    "docs/formats/new-format.md",
)  # fmt: skip
_NOT_OPENED = Rule(
    "not-opened", Severity.NOTE, "the package was refused before this could be checked",
    "信息包未能打开，该项未检测", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standards:
    """What a source's packages are held to."""

    formats: tuple[str, ...] | None = None  # None: every registered format
    profile: CheckProfile | None = None  # None: the shipped one of the package's format
    scope: ScopeTable | None = None

    def profile_for(self, package_format: str | None) -> CheckProfile:
        """The profile for a package of this format; None when that is not known.

        The source's own if it is for this format; of a batch and its cases it may be for either.
        """
        known = package_format or (self.formats or ("",))[0]
        if self.profile is not None and (not known or known in self.profile.formats):
            return self.profile
        return profile_of_format(known)


DEFAULT_STANDARDS = Standards()


def judge(
    package: StagedPackage,
    standards: Standards = DEFAULT_STANDARDS,
    instruments: Instruments | None = None,
) -> CheckReport:
    """Carry out every check that applies to a staged package.

    A format that must decode does so beside the package's listing. Raises OSError if the staging
    disk fails, and PackageRejected if decoding it would not be safe.
    """
    with Listing.open(package.listing) as listing:
        package_format = _format_of(package, listing, standards)
        if package_format is None:
            formats = ", ".join(standards.formats or FORMATS)
            return refused((_FORMAT_UNKNOWN.found(formats=formats),), standards)
        profile = standards.profile_for(package_format.name)
        opening = Opening(
            package.folder,
            listing,
            package.listing.parent,
            package.name,
            partial(_trusted, profile.seals),
            package.names_encoding,
            package.limits,
        )
        opened = package_format.open(opening)
        with closing(opened):
            examined = Examined(
                package,
                opened,
                listing,
                profile,
                instruments or Instruments(today=datetime.now(UTC).date()),
                ContentRegister(listing),
                standards.scope,
            )
            results = carry_out_all(CHECKS, examined)
            return CheckReport(
                package_format.name,
                verdict_by(results),
                results,
                opened.external_identifiers,
                opened.decoded,
                tuple(opened.parts()),
                examined.scope,
            )


def _trusted(seals: Seals) -> Trust:
    """What the profile trusts now. Raises OSError and ValueError: then no seal can be judged."""
    found = NO_TRUST if seals.trust_folder is None else trust_from_folder(Path(seals.trust_folder))
    untrusted = None if seals.untrusted == "ignore" else Severity(seals.untrusted)
    return replace(found, untrusted=untrusted)


def _format_of(
    package: StagedPackage, listing: Listing, standards: Standards
) -> PackageFormat | None:
    if package.kept_whole_as is not None:
        return FORMATS[package.kept_whole_as]
    recognised = recognised_format(listing.names_in(""), standards.formats) or recognised_format(
        listing.names_one_down(), standards.formats
    )
    return recognised or only_format(standards.formats)


def judge_refusal(
    refusal: PackageRejected, standards: Standards = DEFAULT_STANDARDS
) -> CheckReport:
    """Make the report of a package that staging refused to open."""
    return refused(refusal.findings, standards)


def refused(findings: tuple[Finding, ...], standards: Standards) -> CheckReport:
    """Make a report in which nothing but opening was carried out, and failed."""
    profile = standards.profile_for(None)
    results = tuple(
        CheckResult(check, profile.stage, Outcome.FAILED, Consequence.REJECT, findings)
        if check is OPENING
        else result_of(check, profile, Outcome.COULD_NOT_RUN, (_NOT_OPENED.found(),))
        for check in CHECKS
        if check is OPENING or check.number in profile.checks
    )
    return CheckReport(None, Verdict.REJECTED, results)


def verdict_by(results: tuple[CheckResult, ...]) -> Verdict:
    """The verdict that follows from all results: the heaviest consequence decides."""
    consequences = {result.consequence for result in results}
    if Consequence.REJECT in consequences:
        return Verdict.REJECTED
    return Verdict.NOT_JUDGED if Consequence.HOLD in consequences else Verdict.ACCEPTABLE
