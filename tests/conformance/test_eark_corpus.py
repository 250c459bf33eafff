"""The part of the DILCIS E-ARK corpus that lies beside the project, judged rule by rule.

A case says of one rule whether the package breaks it, and how much that weighs; what else may be
wrong with the package (most were made for one rule, and broken by line ends since) is not asked.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ingest_watch.findings import Finding, Severity
from tests.csip_packages import judged_sip

pytestmark = pytest.mark.needs_corpora


@dataclass(frozen=True)
class Case:
    """One package and one rule."""

    package: Path
    requirement: str
    is_valid: bool
    is_error: bool


def cases(corpus: Path) -> Iterator[Case]:
    for description in sorted(corpus.glob("*/*/testCase.xml")):
        root = ET.parse(description).getroot()
        identity = root.find("id")
        assert identity is not None
        for rule in root.iter("rule"):
            error = rule.find("error")
            assert error is not None
            for package in rule.iter("package"):
                if package.get("isImplemented") == "TRUE":
                    yield Case(
                        description.parent / (package.findtext("path") or ""),
                        identity.attrib["requirementId"].lower(),
                        package.get("isValid") == "TRUE",
                        error.get("level") == "ERROR",
                    )


def is_judged_right(case: Case, findings: list[Finding]) -> bool:
    errors = [each for each in findings if each.severity is Severity.ERROR]
    if case.is_valid:
        return not errors
    return bool(errors) if case.is_error else bool(findings)


def test_every_case_of_the_eark_corpus_is_judged_right_by_its_rule(
    corpora: Path, tmp_path: Path
) -> None:
    with tarfile.open(corpora / "eark-corpus-part.tar.gz") as archive:
        archive.extractall(tmp_path)
    judged = list(cases(tmp_path))
    assert len(judged) == 81
    wrong = []
    for case in judged:
        report = judged_sip(case.package)
        found = [finding for check in report.checks for finding in check.findings]
        mine = [finding for finding in found if finding.code == case.requirement]
        if not is_judged_right(case, mine):
            wrong.append(case)
    assert wrong == []
