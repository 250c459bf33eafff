"""The table of docs/formats/eep.md: EEP packages that are right, and one flaw at a time."""

from pathlib import Path

import pytest
import structlog

from ingest_watch.check_profile import CheckProfile, read_profile
from ingest_watch.checks.check import Outcome
from ingest_watch.checks.report import CheckReport
from ingest_watch.findings import Severity
from ingest_watch.judge import Standards
from tests.conftest import PROJECT
from tests.eep_variants import (
    ALSO,
    BROKEN,
    ECDSA_SIGNER,
    GOOD,
    SIGNER,
    dropped,
    rsa_signature,
    with_signature,
)
from tests.judging import check_package, checks_finding, codes_as, instruments


@pytest.mark.parametrize("what", GOOD)
def test_a_good_package_is_acceptable_and_only_its_deviations_are_told(
    what: str, tmp_path: Path
) -> None:
    package, warnings = GOOD[what]
    path = dropped(tmp_path, package)
    assert codes_as(path, "eep") == set(), what
    assert codes_as(path, "eep", Severity.WARNING) == warnings, what


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_package_is_rejected_for_its_own_reason(what: str, tmp_path: Path) -> None:
    package, code = BROKEN[what]
    found = codes_as(dropped(tmp_path, package), "eep")
    assert code in found, what
    assert found - {code} == ALSO.get(what, set()), what


def test_there_are_as_many_packages_as_were_asked_for() -> None:
    assert len(GOOD) >= 12
    assert len(BROKEN) >= 40


def profile_with(folder: Path, seals: str) -> CheckProfile:
    """The shipped profile, and what its signatures may rest on."""
    shipped = (PROJECT / "ingest_watch/profiles/eep.toml").read_text()
    return read_profile(f"{shipped}\n[seals]\n{seals}\n", str(folder))


def judged_with(folder: Path, seals: str) -> CheckReport:
    package = dropped(folder, with_signature(rsa_signature))
    profile = profile_with(folder, seals)
    return check_package(package, Standards(("eep",), profile), instruments())


def test_the_profile_says_whom_signatures_may_rest_on_and_what_else_is_worth(
    tmp_path: Path,
) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "signer.pem").write_bytes(ECDSA_SIGNER.pem)
    named = f'trust_folder = "{trust}"'
    report = judged_with(tmp_path, f'{named}\nuntrusted = "error"')
    assert (report.verdict, checks_finding(report, "seal-not-trusted")) == ("rejected", {"1-1"})
    (trust / "signer.pem").write_bytes(SIGNER.pem)
    report = judged_with(tmp_path, f'{named}\nuntrusted = "error"')
    assert (report.verdict, checks_finding(report, "seal-not-trusted")) == ("acceptable", set())


def test_a_trust_folder_that_cannot_be_read_is_never_a_pass(tmp_path: Path) -> None:
    with structlog.testing.capture_logs():
        report = judged_with(tmp_path, f'trust_folder = "{tmp_path}/missing"')
    assert report.verdict == "not-judged"
    (fixity,) = [each for each in report.checks if each.code == "YJ-1-1"]
    assert fixity.outcome is Outcome.COULD_NOT_RUN
