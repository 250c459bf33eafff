"""Reports as files: when they are due, how they are shown, signed and written (daemon/reports)."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.reports.filing import SignedReport, sign_report, write_report
from daemon.reports.rendering import WORDS, ReportPage
from daemon.reports.schedule import due_period
from replication.fixity_assembly import assemble
from replication.fixity_report import FixityReport, decode
from replication.told import Away
from storage.catalogue.fixity import Period
from storage.signing import SigningKey
from storage.sweep.model import ClassForecast, DamageKind
from tests.unit.replication.fixity_samples import FACTS, FINDING, HEADING, told, two_nodes


def midnight(day: int, month: int = 11) -> str:
    return f"2026-{month:02}-{day:02}T00:00:00.000000Z"


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reported_until", "first_act_at", "now", "expected"),
    [
        (None, None, at(20), None),
        (None, "2026-11-15T10:00:00.000000Z", at(16), Period(midnight(15), midnight(16))),
        (None, "2026-11-15T10:00:00.000000Z", at(15, 23), None),
        (midnight(15), "2026-01-01T00:00:00.000000Z", at(15, 23), None),
        (midnight(15), None, at(16, 0), Period(midnight(15), midnight(16))),
        (midnight(15), None, at(19), Period(midnight(15), midnight(19))),
        (midnight(25), None, at(20), None),
    ],
)
def test_daily_periods_follow_each_other_without_a_gap(
    reported_until: str | None, first_act_at: str | None, now: datetime, expected: Period | None
) -> None:
    assert due_period(reported_until, first_act_at, now, 1) == expected


def test_a_month_is_reported_when_it_is_over_and_missed_ones_together() -> None:
    assert due_period(midnight(1), None, at(30), 30) is None
    assert due_period(midnight(1, 9), None, at(10), 30) == Period(midnight(1, 9), midnight(31, 10))


def report(**changes: object) -> FixityReport:
    return assemble(HEADING, replace(FACTS, **changes), two_nodes())  # type: ignore[arg-type]  # by name


def shown(made: FixityReport) -> str:
    return ReportPage().render(made, "ab" * 32).decode()


def test_a_page_of_a_healthy_archive_says_so_in_both_languages() -> None:
    page = shown(report())
    assert "无例外" in page
    assert "No exceptions" in page
    assert "ab" * 32 in page
    assert "<script" not in page


def test_a_page_shows_every_remark_and_claims_nothing_of_a_node_that_is_away() -> None:
    made = assemble(HEADING, FACTS, two_nodes(Away("lost", told())))
    page = shown(made)
    assert made.remarks
    assert all(each.message_zh in page and each.code in page for each in made.remarks)
    assert "No answer: not known" in page
    assert "无例外" not in page


def test_a_page_shows_the_forecast_of_each_class_and_which_will_be_late() -> None:
    late = ClassForecast("urgent", 30.0, 9_000, 1_000, "2027-01-09T00:00:00.000000Z", -864_000)
    page = shown(assemble(HEADING, FACTS, two_nodes(told(forecasts=(late,)))))
    assert "预计完成" in page
    assert "2027-01-09 00:00:00 UTC" in page
    assert "-10.0 d<br><small>将逾期 late" in page
    assert "没有预测 None is given" in page, "node-1 gave none"


def test_what_a_stranger_named_is_escaped() -> None:
    wicked = replace(FINDING, path="<script>alert(1)</script>\ud800", mended_at=None, outcome="")
    body = ReportPage().render(report(findings=[wicked]), "ab" * 32)
    assert b"<script>alert" not in body
    assert "&lt;script&gt;alert" in body.decode()


def test_a_page_reaches_for_nothing_outside_itself() -> None:
    page = shown(report())
    assert not any(word in page for word in ("http:", "https:", "<link", "<img", "@import", "url("))


def test_every_kind_of_damage_has_a_word_in_chinese() -> None:
    assert set(DamageKind) <= set(WORDS)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def signed(key: SigningKey) -> SignedReport:
    return sign_report(report(), ReportPage(), key)


def test_both_files_are_signed_and_the_page_names_the_digest_of_the_json(
    signed: SignedReport, key: SigningKey
) -> None:
    for file in (signed.json, signed.page):
        assert key.verify_key.verify(file.body, file.signature)
        assert not key.verify_key.verify(file.body + b" ", file.signature)
    assert signed.json_sha256.encode() in signed.page.body
    assert decode(signed.json.body) == report()


def test_a_report_is_written_whole_and_never_replaced(signed: SignedReport, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    json_file, page_file = write_report(signed, folder)
    names = {f"{signed.report_id}{end}" for end in (".json", ".json.sig", ".html", ".html.sig")}
    assert {path.name for path in folder.iterdir()} == names
    assert json_file.read_bytes() == signed.json.body
    assert Path(f"{page_file}.sig").read_bytes() == signed.page.signature
    with pytest.raises(FileExistsError):
        write_report(signed, folder)
