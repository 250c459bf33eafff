"""A source's profile: which checks its packages are held to, and what each failure means.

DA/T 70-2018 (items), DA/T 46-2009 (必选, 条件选, 可选); docs/formats/profile.md explains every key.
TOML 1.0 read into frozen structs that refuse unknown keys. The shipped profiles lie in profiles/;
a source may name one of them or a file of its own. Reads profiles, and judges nothing.
"""

import re
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from storage.errors import Refusal

# What a check's outcome does to the package: veto (一票否决), a person decides, or it is only told.
Consequence = Literal["reject", "hold", "remark"]
Weight = Literal["error", "warning", "ignore"]
Kind = Literal["text", "integer", "decimal", "date", "year", "digest"]
CheckNumber = Annotated[str, Meta(pattern=r"^[1-4]-[0-9]{1,2}$")]
Expression = Annotated[str, Meta(min_length=1, max_length=500)]
Count = Annotated[int, Meta(ge=0)]


class ProfileRefused(Refusal):
    """A profile cannot be used; the message names the file, the place and the remedy."""

    code: ClassVar[str] = "profile-refused"


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Root of all tables: frozen, and a key that is not known is an error."""


class CheckRule(Table, frozen=True):
    """[checks]: one check that applies, and what follows from it."""

    failed: Consequence = "reject"
    undone: Consequence = "hold"  # it could not run, or a person must judge


class FieldRule(Table, frozen=True):
    """[[rules]]: what one metadata element of every record must be."""

    field: Annotated[str, Meta(min_length=1)]  # whole, or its last element
    obligation: Literal["必选", "条件选", "可选"] = "可选"
    when: Annotated[str, Meta(pattern=r"^[^:]+:.*$")] | None = None  # 条件选: "field:value"
    personal: bool = False  # its values are shown in no finding
    length_min: Count | None = None  # characters
    length_max: Count | None = None
    kind: Kind = "text"
    values: tuple[str, ...] = ()  # the code list; empty: any
    minimum: int | str | None = None  # of integers, decimals, years, dates ("today" too)
    maximum: int | str | None = None
    pattern: Expression | None = None  # a regular expression for the whole value
    repeatable: bool = True  # within one record
    unique: Literal["error", "warning"] | None = None  # no two records share a value
    serial: Count | None = None  # numbers run on from this one, without gap


class Characters(Table, frozen=True):
    """[characters]: what signs of damage in any value weigh (1-6)."""

    control: Weight = "error"  # and whatever XML 1.0 does not allow
    replacement: Weight = "error"  # U+FFFD: a character was lost on the way
    private_use: Weight = "warning"  # legible with the sender's font only
    mojibake: Weight = "warning"  # text read in a wrong encoding


class ArchivalCode(Table, frozen=True):
    """[archival_code]: the rule for 档号 (1-7)."""

    pattern: Expression  # named groups are the components
    field: str = "档号"
    same_as: dict[str, str] = {}  # component → element of the record that must be equal


class AllowedFormat(Table, frozen=True):
    """[[content.further]]: formats of one name that content files may have (3-3)."""

    name: Annotated[str, Meta(min_length=1)]
    formats: Annotated[tuple[str, ...], Meta(min_length=1)]  # PRONOM identifiers, or "ofd"
    suffixes: tuple[str, ...] = ()  # that fit it, lower case, without dot; empty: any


class Content(Table, frozen=True):
    """[content]: what content files may be."""

    files: tuple[str, ...] = ("*",)  # which they are: paths with `*` for anything
    allowed: tuple[str, ...] = ()  # families of profiles/content-formats.toml
    further: tuple[AllowedFormat, ...] = ()
    undescribed: Weight = "error"  # a content file that no metadata speaks of (1-11)

    @property
    def formats(self) -> tuple[AllowedFormat, ...]:
        """All that is allowed; empty: whatever is identified."""
        families = shipped_families()
        return (*(families[name] for name in self.allowed), *self.further)


class Virus(Table, frozen=True):
    """[virus]: what the scanner must be, and files that it cannot take."""

    signature_days_max: Annotated[int, Meta(ge=1)] = 60
    away: Consequence = "hold"  # it is configured, and does not answer or fails on a file
    too_large_allowed: Consequence = "remark"  # of a format that [content] allows
    too_large_other: Consequence = "hold"


class Seals(Table, frozen=True):
    """[seals]: what signatures may rest on, and what one means that nobody vouches for (1-1)."""

    # Anchors and revocation lists; read anew for each package that has signatures.
    trust_folder: Annotated[str, Meta(pattern="^/")] | None = None
    untrusted: Weight = "warning"


class Scope(Table, frozen=True):
    """[scope]: the elements that say what matter a record belongs to (2-9)."""

    matter: str | None = None
    retention: str | None = None
    classification: str | None = None
    # 密级 that this site is licensed to keep besides 公开, 内部 and 非密.
    licensed: tuple[Literal["秘密", "机密", "绝密"], ...] = ()


class Limits(Table, frozen=True):
    """[limits]: of one package; never above the product's own (docs/formats/package.md)."""

    files_max: Annotated[int, Meta(ge=1, le=1_010_000)] = 1_010_000
    content_bytes_max: Annotated[int, Meta(ge=1, le=10 * 1024**4)] = 10 * 1024**4


class CheckProfile(Table, frozen=True):
    """One profile."""

    title: str
    title_zh: str
    formats: Annotated[tuple[str, ...], Meta(min_length=1)]  # package formats that it fits
    checks: Annotated[dict[CheckNumber, CheckRule], Meta(min_length=1)]  # no others apply
    stage: Literal["YJ", "GD"] = "YJ"  # 移交, or 归档
    rules: tuple[FieldRule, ...] = ()
    characters: Characters = Characters()
    archival_code: ArchivalCode | None = None
    content: Content = Content()
    virus: Virus = Virus()
    seals: Seals = Seals()
    scope: Scope | None = None
    limits: Limits = Limits()

    def consequence(self, number: str, *, failed: bool) -> Consequence:
        """What a failure (or not having run) of this check means. It must apply."""
        rule = self.checks[number]
        return rule.failed if failed else rule.undone


SHIPPED = ("bagit", "eep", "carrier", "case", "case-batch", "csip")


def named_profile(name: str) -> CheckProfile:
    """The profile that a source names: a shipped one, or the file at an absolute path.

    Raises ProfileRefused.
    """
    if name in SHIPPED:
        return shipped_profile(name)
    if not name.startswith("/"):
        raise ProfileRefused(
            f"there is no profile {name!r}: name one of {', '.join(SHIPPED)}, or a file by its "
            "absolute path. 没有此检测方案。"
        )
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileRefused(f"{name}: cannot be read: {error}. 无法读取检测方案。") from error
    return read_profile(text, name)


class _Families(Table, frozen=True):
    families: tuple[AllowedFormat, ...]


@cache
def shipped_families() -> dict[str, AllowedFormat]:
    """The families of content formats that profiles allow by name."""
    text = (files("ingest_watch") / "profiles" / "content-formats.toml").read_text(encoding="utf-8")
    read = msgspec.convert(tomllib.loads(text), _Families)
    return {family.name: family for family in read.families}


@cache
def shipped_profile(name: str) -> CheckProfile:
    """The shipped profile of this name."""
    resource = files("ingest_watch") / "profiles" / f"{name}.toml"
    return read_profile(resource.read_text(encoding="utf-8"), str(resource))


def profile_of_format(package_format: str) -> CheckProfile:
    """What packages of a format are held to when their source names no profile."""
    for name in SHIPPED:
        profile = shipped_profile(name)
        if package_format in profile.formats:
            return profile
    return shipped_profile(SHIPPED[0])


def read_profile(text: str, shown_path: str) -> CheckProfile:
    """Read a profile. Raises ProfileRefused naming the file and the offending place."""
    try:
        profile = msgspec.convert(tomllib.loads(text), CheckProfile)
    except tomllib.TOMLDecodeError as error:
        raise ProfileRefused(f"{shown_path}: is not TOML: {error}. 不是有效的 TOML。") from error
    except msgspec.ValidationError as error:
        raise ProfileRefused(f"{shown_path}: {_in_words(error)}. 检测方案有误。") from error
    for flaw in _flaws(profile):
        raise ProfileRefused(f"{shown_path}: {flaw}. 检测方案有误。")
    return profile


def _in_words(error: msgspec.ValidationError) -> str:
    problem, _, place = str(error).partition(" - at `$")
    return f"{place.rstrip('`').lstrip('.') or 'the file'}: {problem[:1].lower()}{problem[1:]}"


def _flaws(profile: CheckProfile) -> list[str]:
    """What the shapes alone cannot say."""
    flaws = []
    for number, rule in enumerate(profile.rules):
        if (rule.obligation == "条件选") != (rule.when is not None):
            flaws.append(f'rules[{number}]: 条件选 and `when = "field:value"` go together')
        if rule.pattern is not None and (why := _flaw_of(rule.pattern)):
            flaws.append(f"rules[{number}].pattern: {why}")
    unknown_families = sorted(set(profile.content.allowed) - shipped_families().keys())
    flaws += [f"content.allowed: there is no family {name!r}" for name in unknown_families]
    code = profile.archival_code
    if code is not None:
        why = _flaw_of(code.pattern)
        if why:
            flaws.append(f"archival_code.pattern: {why}")
        elif unknown := sorted(code.same_as.keys() - re.compile(code.pattern).groupindex.keys()):
            flaws.append(f"archival_code.same_as: the pattern has no group {unknown[0]!r}")
    return flaws


def _flaw_of(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    return ""
