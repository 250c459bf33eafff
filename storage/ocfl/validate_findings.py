"""What a validation says: findings with the specification's own codes, and the report of them.

OCFL 1.0 and 1.1, "Validation Codes": E… where a MUST is broken, W… where a SHOULD is. Values only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from storage.ocfl.validate_rules import RULES

Severity = Literal["error", "warning"]
SpecificationVersion = Literal["1.0", "1.1"]

# A hostile value is never printed whole.
_SHOWN_CHARACTERS_MAX = 160


@dataclass(frozen=True, slots=True)
class Finding:
    code: str  # "E036", as the specification prints it
    severity: Severity
    path: str  # relative to what was validated; "." is that folder itself
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on an object or a storage root."""

    kind: Literal["object", "root"]
    findings: tuple[Finding, ...]
    objects: int  # how many objects were judged

    @property
    def valid(self) -> bool:
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(finding.code for finding in self.findings)


@dataclass(slots=True)
class Findings:
    """Gathers findings, each of them once, with paths below `prefix`."""

    prefix: str = ""
    _found: dict[Finding, None] = field(default_factory=dict)

    def add(self, code: str, path: str, message: str) -> None:
        assert code in RULES
        severity: Severity = "error" if code.startswith("E") else "warning"
        self._found[Finding(code, severity, self._below(path), message)] = None

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def _below(self, path: str) -> str:
        if not self.prefix:
            return path
        return self.prefix if path == "." else f"{self.prefix}/{path}"


def shown(value: object) -> str:
    """A value of a stranger's JSON, short and on one line."""
    match value:
        case str():
            cut = value[:_SHOWN_CHARACTERS_MAX]
            return repr(cut) if cut == value else f"{cut!r}…"
        case dict():
            return "an object"
        case list():
            return "an array"
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case _:
            return "a number"


def shown_list(values: list[str], most: int = 3) -> str:
    """The first few of many, and how many there are."""
    listed = ", ".join(shown(value) for value in values[:most])
    return listed if len(values) <= most else f"{listed} and {len(values) - most} more"
