"""4-1 and 4-2 with a real clamd that knows EICAR, and without one."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ingest_watch.check_profile import CheckRule, Content, Virus
from ingest_watch.clamd import Clamd
from ingest_watch.instruments import Instruments, Scanned
from ingest_watch.judge import Standards, judge
from ingest_watch.staging import inspect_folder
from tests.bags import bag_files, write_files
from tests.clamd_server import running_clamd
from tests.content_samples import EICAR, packed
from tests.described_packages import TODAY, Trial, codes
from tests.judging import instruments

TOO_LARGE = b"A" * (2 * 1024 * 1024)


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with running_clamd(tmp_path_factory.mktemp("clamd")) as socket:
        yield Clamd(socket)


def scanned_by(clamd: Clamd, folder: Path, sent: bytes, **profile: object) -> Trial:
    files = {"data/page.txt": b"page\n", "data/申请表.txt": sent}
    told = Instruments(TODAY, instruments().identifier, clamd)
    return Trial(folder, files, instruments=told, profile=profile)


@pytest.mark.needs_clamd
def test_a_package_without_a_virus_passes(clamd: Clamd, tmp_path: Path) -> None:
    result = scanned_by(clamd, tmp_path, b"clean").of("4-2")
    assert (result.outcome, result.findings) == ("passed", ())


@pytest.mark.needs_clamd
@pytest.mark.parametrize("content", [EICAR, packed({"inside.txt": EICAR})])
def test_a_virus_is_found_also_inside_a_zip(clamd: Clamd, tmp_path: Path, content: bytes) -> None:
    result = scanned_by(clamd, tmp_path, content).of("4-2")
    assert (result.outcome, result.consequence) == ("failed", "reject")
    (found,) = result.findings
    assert (found.code, found.path) == ("virus-found", "data/申请表.txt")
    assert "Test.Eicar" in found.message


@pytest.mark.needs_clamd
def test_a_file_over_the_scanners_limit_is_not_scanned_and_never_clean(
    clamd: Clamd, tmp_path: Path
) -> None:
    result = scanned_by(clamd, tmp_path, TOO_LARGE).of("4-2")
    assert (result.outcome, result.consequence) == ("could-not-run", "hold")
    assert codes(result) == {"virus-unscanned"}


@pytest.mark.needs_clamd
def test_a_file_too_large_to_scan_is_remarked_on_where_its_format_is_allowed(
    clamd: Clamd, tmp_path: Path
) -> None:
    result = scanned_by(clamd, tmp_path, TOO_LARGE, content=Content(allowed=("text",))).of("4-2")
    assert (result.outcome, result.consequence) == ("could-not-run", "remark")


@pytest.mark.needs_clamd
def test_a_virus_outweighs_what_was_not_scanned(clamd: Clamd, tmp_path: Path) -> None:
    trial = scanned_by(clamd, tmp_path, TOO_LARGE)
    trial.files = {**trial.files, "data/z.txt": EICAR}
    assert trial.of("4-2").outcome == "failed"


@pytest.mark.needs_clamd
def test_a_file_beyond_the_engines_end_is_never_asked_about(clamd: Clamd, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(2 * 1024**3)
    with sparse.open("rb") as file:
        scanned = Clamd(Path("/nonexistent")).scan(file.fileno())
    assert not scanned.is_clean
    assert scanned.signature is None


@pytest.mark.needs_clamd
def test_the_scanner_says_what_it_is(clamd: Clamd, tmp_path: Path) -> None:
    trial = Trial(tmp_path, instruments=Instruments(TODAY, scanner=clamd))
    result = trial.of("4-1")
    assert result.outcome == "passed"
    assert "ClamAV" in result.findings[0].message


class _Dated:
    """A scanner of which only the day of its signatures matters."""

    def __init__(self, signed_on: date) -> None:
        self._signed_on = signed_on

    def version(self) -> tuple[str, date | None]:
        return "scanner", self._signed_on

    def scan(self, descriptor: int) -> Scanned:
        raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(("days", "outcome"), [(60, "passed"), (61, "failed")])
def test_old_signatures_fail_the_check(tmp_path: Path, days: int, outcome: str) -> None:
    scanner = _Dated(TODAY - timedelta(days=days))
    trial = Trial(tmp_path, instruments=Instruments(TODAY, scanner=scanner))
    assert trial.of("4-1").outcome == outcome


@pytest.mark.parametrize("consequence", ["hold", "remark", "reject"])
def test_a_scanner_that_is_away_is_never_a_pass(tmp_path: Path, consequence: str) -> None:
    away = Instruments(TODAY, scanner=Clamd(tmp_path / "no-socket"))
    rule = CheckRule(undone=consequence)  # type: ignore[arg-type]  # one of its three words
    virus = Virus(away=consequence)  # type: ignore[arg-type]  # likewise
    trial = Trial(tmp_path, instruments=away, rule=rule, profile={"virus": virus})
    for result in trial.all_of("4-1", "4-2")[0]:
        assert (result.outcome, result.consequence) == ("could-not-run", consequence)


def test_a_shipped_profile_holds_what_a_configured_scanner_did_not_scan(tmp_path: Path) -> None:
    bag = write_files(tmp_path / "bag", bag_files())
    away = Instruments(TODAY, scanner=Clamd(tmp_path / "no-socket"))
    staged = inspect_folder(bag, tmp_path / "listing")
    assert judge(staged, Standards(), away).verdict == "not-judged"
    assert judge(staged, Standards(), Instruments(TODAY)).verdict == "acceptable"


def test_without_a_scanner_nothing_was_scanned(tmp_path: Path) -> None:
    results = Trial(tmp_path).all_of("4-1", "4-2")[0]
    assert {result.outcome for result in results} == {"could-not-run"}
