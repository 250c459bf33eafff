"""Read bag-info.txt: labels, values, continuations; and judge Payload-Oxum.

RFC 8493 section 2.2.2. Labels are case-insensitive and may repeat; order is kept. In 1.0 one
space or tab stands after the colon and none around the label, earlier any number; values are
never logged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.bagit_rules import (
    METADATA_LINE,
    METADATA_REPEATED,
    OXUM_INVALID,
    OXUM_MISMATCH,
)

_OXUM = re.compile(r"(\d{1,20})\.(\d{1,20})", re.ASCII)
_ONCE = ("bagging-date", "bag-size", "bag-group-identifier", "bag-count")
# Metadata is for people; what is longer than this is something else.
_VALUE_CHARACTERS_MAX = 1024 * 1024
_ELEMENTS_MAX = 10_000


@dataclass(slots=True)
class BagInfo:
    """The metadata elements in order, and what was wrong with their lines."""

    elements: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def values_of(self, label: str) -> list[str]:
        """Return the values of a label, whatever its case."""
        return [value for name, value in self.elements if name.lower() == label.lower()]


def read_bag_info(name: str, lines: Iterable[tuple[int, str]], *, is_strict: bool) -> BagInfo:
    """Read the elements from numbered lines."""
    info = BagInfo()
    for number, line in lines:
        if not line.strip(" \t"):
            continue
        if line[0] in " \t" and info.elements:
            _continue(info, line)
            continue
        label, colon, value = line.partition(":")
        flaw = _flaw(label, colon, value, is_strict=is_strict)
        if flaw is not None:
            info.findings.append(METADATA_LINE.found(name, line=number, detail=flaw))
        if colon and label.strip(" \t"):
            info.elements.append((label.strip(" \t"), value.strip(" \t")))
        if len(info.elements) > _ELEMENTS_MAX:
            detail = f"more than {_ELEMENTS_MAX} elements"
            info.findings.append(METADATA_LINE.found(name, line=number, detail=detail))
            break
    for label in _ONCE if is_strict else ():
        if len(info.values_of(label)) > 1:
            info.findings.append(METADATA_REPEATED.found(name, label=label))
    return info


def judge_oxum(info: BagInfo, actual: str, *, is_strict: bool) -> list[Finding] | None:
    """Compare Payload-Oxum with the actual "bytes.files"; None if the bag states none."""
    stated = info.values_of("Payload-Oxum")
    if not stated:
        return None
    findings = []
    if len(stated) > 1:
        tolerable = not is_strict and len(set(stated)) == 1
        severity = Severity.WARNING if tolerable else Severity.ERROR
        detail = f"it stands {len(stated)} times"
        findings.append(OXUM_INVALID.found(severity=severity, detail=detail))
    for value in dict.fromkeys(stated):
        match = _OXUM.fullmatch(value)
        if match is None:
            findings.append(OXUM_INVALID.found(detail=f"'{value[:100]}'"))
        elif f"{int(match[1])}.{int(match[2])}" != actual:
            findings.append(OXUM_MISMATCH.found(stated=value, actual=actual))
    return findings


def _continue(info: BagInfo, line: str) -> None:
    label, value = info.elements[-1]
    if len(value) < _VALUE_CHARACTERS_MAX:
        info.elements[-1] = (label, f"{value} {line.strip(' ' + chr(9))}")


def _flaw(label: str, colon: str, value: str, *, is_strict: bool) -> str | None:
    if not colon:
        return "no colon"
    if not label.strip(" \t"):
        return "no label"
    if is_strict and label != label.strip(" \t"):
        return "white space around the label"
    if is_strict and value and value[0] not in " \t":
        return "no space after the colon"
    return None
