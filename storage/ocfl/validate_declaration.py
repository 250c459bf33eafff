"""The version declaration of an object or a storage root: one NAMASTE file, `0=ocfl_…`.

OCFL 1.1 sections 3.2 (E003 to E007) and 4.2 (E069, E075 to E080). Does not look at anything else in
the folder.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from storage.ocfl.validate_findings import Findings, SpecificationVersion, shown
from storage.ocfl.validate_reading import Entry, Kind, read_up_to, reason

VERSIONS: tuple[SpecificationVersion, ...] = ("1.0", "1.1")
_NAMASTE = re.compile(r"(?P<tag>[^=]*)=(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DeclarationRules:
    """The same six rules, under the codes of the section they stand in."""

    prefix: str
    missing: str
    several: str
    pattern: str
    tag: str
    value: str
    text: str


OBJECT_RULES = DeclarationRules(
    "ocfl_object_", "E003", "E003", pattern="E004", tag="E005", value="E006", text="E007"
)
ROOT_RULES = DeclarationRules(
    "ocfl_", "E069", "E076", pattern="E077", tag="E078", value="E079", text="E080"
)


def declaration_names(entries: Iterable[Entry], rules: DeclarationRules) -> list[str]:
    """The names that are meant as this declaration, rightly written or not."""
    return [entry.name for entry in entries if _is_meant(entry.name, rules)]


def check_declaration(
    folder: Path, entries: Iterable[Entry], rules: DeclarationRules, findings: Findings
) -> SpecificationVersion | None:
    """The declared version of OCFL (the newest if there are several), or None."""
    meant = [entry for entry in entries if _is_meant(entry.name, rules)]
    right = {f"0={rules.prefix}{version}": version for version in VERSIONS}
    declared = [entry.name for entry in meant if entry.name in right and entry.kind is Kind.FILE]
    for entry in meant:
        if entry.name not in right:
            code, message = _fault(entry.name, rules)
            findings.add(code, entry.name, message)
    if not declared:
        findings.add(
            rules.missing, ".", f"no version declaration file 0={rules.prefix}1.1 (or 1.0)"
        )
        return None
    if len(declared) > 1:
        findings.add(rules.several, ".", f"{len(declared)} version declarations instead of one")
    for name in declared:
        _check_text(folder, name, rules, findings)
    return right[max(declared)]


def _is_meant(name: str, rules: DeclarationRules) -> bool:
    match = _NAMASTE.fullmatch(name)
    if match is None:
        return False
    return match["tag"] == "0" or match["value"].startswith(rules.prefix)


def _fault(name: str, rules: DeclarationRules) -> tuple[str, str]:
    tag, _, value = name.partition("=")
    if not value.startswith(rules.prefix):
        return rules.value, f"{shown(name)} does not declare {rules.prefix}1.0 or {rules.prefix}1.1"
    if tag == "0":
        version = value.removeprefix(rules.prefix)
        return rules.value, f"{shown(version)} is no version of OCFL that is known here"
    if tag.isascii() and tag.isdigit():
        return rules.tag, f"the declaration begins with {shown(tag)} instead of 0"
    return rules.pattern, f"{shown(name)} is not of the form 0={rules.prefix}VERSION"


def _check_text(folder: Path, name: str, rules: DeclarationRules, findings: Findings) -> None:
    expected = f"{name.removeprefix('0=')}\n".encode()
    try:
        text = read_up_to(folder / name, len(expected))
    except OSError as error:
        findings.add(rules.text, name, f"the declaration cannot be read: {reason(error)}")
        return
    if text != expected:
        findings.add(rules.text, name, f"must contain exactly {expected!r}")
