"""What a check found: values with a stable code and a text in English and Chinese.

docs/formats/answers.md (findings). A `Rule` is declared once, beside the code that judges it, and
cites its source; a `Finding` is one breach of it. Names and values taken from a package are shown
escaped, because these texts reach terminals, logs and pages. Nothing here decides a verdict.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from storage.errors import LantaiError, Refusal

# Control characters (C0, DEL, C1), line separators, and characters that reorder or hide text.
_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]|\\\\"
)


def shown(text: str) -> str:
    """Return `text` fit for a terminal or a page: unsafe characters as `\\x1b`, `\\u202e`, …

    Reversible: a backslash becomes two.
    """
    return _UNSHOWABLE.sub(lambda match: _escape(match.group()), text)


class Severity(StrEnum):
    """How much a finding weighs: an error fails its check, the others are told."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact that a check established, in words that a sender and an archivist can read."""

    severity: Severity
    code: str
    path: str | None  # relative to the package, shown escaped; None when it concerns the whole
    message: str
    message_zh: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that packages are judged by. `code` is public and never reused."""

    code: str
    severity: Severity
    english: str  # str.format templates over the same facts
    chinese: str
    source: str  # where the rule stands

    def found(
        self, path: str | None = None, *, severity: Severity | None = None, **facts: str | int
    ) -> Finding:
        """Make a finding about `path`; `severity` overrides where a version is more lenient."""
        safe = {
            name: shown(fact) if isinstance(fact, str) else fact for name, fact in facts.items()
        }
        return Finding(
            severity or self.severity,
            self.code,
            None if path is None else shown(path),
            self.english.format_map(safe),
            self.chinese.format_map(safe),
        )


class PackageRejected(Refusal):
    """The package cannot be opened safely; `findings` say why, in two languages."""

    code: ClassVar[str] = "package-rejected"

    def __init__(self, *findings: Finding) -> None:
        super().__init__(*findings)
        self.findings = findings

    def __str__(self) -> str:
        return "; ".join(
            f"{finding.code}: {finding.path or ''} {finding.message}" for finding in self.findings
        )


class PackageChanged(LantaiError):
    """The package changed while it was read: it is not complete yet, so wait and look again."""

    code: ClassVar[str] = "package-changed"


def _escape(character: str) -> str:
    point = ord(character)
    if character == "\\":
        return "\\\\"
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
