"""Validate OCFL objects and storage roots, 1.0 and 1.1, ours or anybody's.

OCFL 1.0 and 1.1, every rule that leaves a trace on a disk; docs/ocfl-conformance.md says where each
is checked. Nothing is changed, no link is followed, and hostile content ends in findings, never in
an exception.
"""

from pathlib import Path
from typing import Literal

from storage.ocfl.validate_declaration import OBJECT_RULES, ROOT_RULES, declaration_names
from storage.ocfl.validate_findings import Finding, Findings, Report
from storage.ocfl.validate_layout import LAYOUT_FILE
from storage.ocfl.validate_object import Examination, judge_object
from storage.ocfl.validate_reading import Entry, Kind, entries_of
from storage.ocfl.validate_root import RootExamination, is_object
from storage.ocfl.validate_tree import INVENTORY, HardLinks
from storage.ocfl.validate_versions import looks_like_version

__all__ = ["Finding", "Report", "RootExamination", "kind_of", "validate_object", "validate_root"]

# How far a folder without any declaration is searched for an object, to tell what it is meant as.
_SEARCHED_FOLDERS_MAX = 200


def validate_object(path: Path, *, check_digests: bool = True) -> Report:
    """Judge the object whose folder is `path`; without digests, names and inventories only."""
    findings = Findings()
    judge_object(Examination(path, findings, HardLinks(), read_content=check_digests))
    return Report("object", tuple(findings), objects=1)


def validate_root(path: Path, *, check_digests: bool = True) -> Report:
    """Judge a storage root and every object in it, and hold all findings.

    For a root of many objects take RootExamination, which gives findings one at a time.
    """
    examination = RootExamination(path, read_content=check_digests)
    findings = tuple(examination.findings())
    return Report("root", findings, examination.objects)


def kind_of(path: Path) -> Literal["object", "root"]:
    """What a folder is meant as: by its declaration, and else by what is in it."""
    try:
        entries = entries_of(path)
    except OSError:
        return "object"
    names = {entry.name for entry in entries}
    if any(name.startswith(f"0={OBJECT_RULES.prefix}") for name in names):
        return (
            "root" if names & {"0=ocfl_1.0", "0=ocfl_1.1"} and INVENTORY not in names else "object"
        )
    if LAYOUT_FILE in names or declaration_names(entries, ROOT_RULES):
        return "object" if INVENTORY in names else "root"
    if INVENTORY in names or any(looks_like_version(name) for name in names):
        return "object"
    return "root" if _leads_to_object(path, entries) else "object"


def _leads_to_object(path: Path, entries: list[Entry]) -> bool:
    waiting = [path / entry.name for entry in entries if entry.kind is Kind.FOLDER]
    for _ in range(_SEARCHED_FOLDERS_MAX):
        if not waiting:
            return False
        folder = waiting.pop()
        try:
            found = entries_of(folder)
        except OSError:
            continue
        if is_object(found):
            return True
        waiting.extend(folder / entry.name for entry in found if entry.kind is Kind.FOLDER)
    return False
