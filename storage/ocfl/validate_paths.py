"""Rules for the paths that an inventory writes: content paths and logical paths.

OCFL 1.1 sections 3.5.2 (E042, E098 to E101) and 3.5.3.1 (E051 to E053, E095). Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from storage.ocfl.validate_findings import Findings, shown


@dataclass(frozen=True, slots=True)
class PathRules:
    """The same four rules, under the codes of the section they stand in."""

    what: str
    not_text: str
    element: str
    slash: str
    unique: str


CONTENT_PATHS = PathRules("content path", "E098", element="E099", slash="E100", unique="E101")
LOGICAL_PATHS = PathRules("logical path", "E051", element="E052", slash="E053", unique="E095")


def is_clean(path: str, rules: PathRules, findings: Findings, where: str) -> bool:
    """Whether the path can be read as elements joined by `/`; says so when it cannot."""
    clean = True
    if path.startswith("/") or path.endswith("/"):
        message = f"{rules.what} {shown(path)} begins or ends with /"
        findings.add(rules.slash, where, message)
        clean = False
    if any(element in ("", ".", "..") for element in path.strip("/").split("/")) or "//" in path:
        message = f"{rules.what} {shown(path)} has an element that is empty, '.' or '..'"
        findings.add(rules.element, where, message)
        clean = False
    return clean


def check_unique(paths: Iterable[str], rules: PathRules, findings: Findings, where: str) -> None:
    """No path twice, and none that is also a folder of another."""
    seen: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        if path in seen:
            findings.add(rules.unique, where, f"{rules.what} {shown(path)} stands twice")
        seen.add(path)
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for path in sorted(seen & folders):
        message = f"{rules.what} {shown(path)} is both a file and the folder of another path"
        findings.add(rules.unique, where, message)
