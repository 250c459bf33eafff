"""Validate OCFL objects and storage roots, 1.0 and 1.1, ours or anybody's.

OCFL 1.0 and 1.1, every rule that leaves a trace on a disk; docs/conformance.md says where each is
checked. Nothing is changed, no link is followed, and hostile content ends in findings, never in an
exception.
"""

from pathlib import Path

from storage.ocfl.validate_findings import Finding, Findings, Report
from storage.ocfl.validate_object import Examination, judge_object
from storage.ocfl.validate_tree import HardLinks

__all__ = ["Finding", "Report", "validate_object"]


def validate_object(path: Path, *, check_digests: bool = True) -> Report:
    """Judge the object whose folder is `path`; without digests, names and inventories only."""
    findings = Findings()
    judge_object(Examination(path, findings, HardLinks(), read_content=check_digests))
    return Report("object", tuple(findings), objects=1)
