"""Answers and registration forms as pages (ingest_watch/answer_pages.py)."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import msgspec
import pytest

from ingest_watch.answer_pages import (
    FINDINGS_MAX,
    HEADINGS,
    ROWS_MAX,
    answer_page,
    registration_page,
    report_page,
)
from ingest_watch.answers import (
    FirstFiles,
    PartOutcome,
    Reason,
    all_files,
    first_files,
    read_answer,
    read_answer_or_sample,
    rejected,
    stored,
)
from ingest_watch.checks.check import Outcome, Property
from ingest_watch.checks.report import Verdict
from ingest_watch.findings import Finding, Severity
from ingest_watch.published import CheckEntry, CheckReportEntry
from storage.catalogue.model import AnswerKind
from storage.model import FileEntry
from tests.answer_samples import (
    FACTS,
    REASON,
    VERSION,
    body_of,
    check,
    failed_check,
    said_by,
    stored_by,
    true_receipt,
)

HOSTILE = '"><script>alert(1)</script>\u202e<img src=//x>'


class Elements(HTMLParser):
    """Which elements and attributes a page really has."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(body: bytes) -> bytes:
    return answer_page(read_answer(body), body, "case-1.kind")


@pytest.mark.parametrize("kind", list(HEADINGS))
def test_a_page_is_the_same_each_time_and_says_what_to_do_in_both_languages(
    kind: AnswerKind,
) -> None:
    body = body_of(kind)
    page = page_of(body)
    assert page == page_of(body)
    text = page.decode()
    heading = HEADINGS[kind]
    assert heading.advice_chinese in text
    assert heading.advice_english in text
    assert hashlib.sha256(body).hexdigest() in text
    assert "没有签名" in text


@pytest.mark.parametrize("kind", list(HEADINGS))
def test_a_page_needs_nothing_from_outside_and_its_own_policy_lets_its_style_pass(
    kind: AnswerKind,
) -> None:
    page = page_of(body_of(kind)).decode()
    elements = Elements(page.encode()).found
    assert {tag for tag, _ in elements} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "table", "thead", "tr"),
        *("th", "td", "p", "div", "small", "span", "code", "br"),
    }
    attributes = {name for _, each in elements for name in each}
    assert attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "colspan"}
    style = re.search("<style>(.*)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page
    assert "url(" not in style[1]


def test_nothing_that_a_sender_writes_becomes_markup() -> None:
    facts = replace(
        FACTS, name=HOSTILE, identifier=HOSTILE, object_id=HOSTILE, archive=HOSTILE, unit=HOSTILE
    )
    reason = Reason("c", HOSTILE, HOSTILE, HOSTILE)
    finding = Finding(Severity.ERROR, "c", HOSTILE, HOSTILE, HOSTILE)
    refusal = rejected(facts, [check(Outcome.FAILED, findings=(finding,))], [reason])
    files = [FileEntry(HOSTILE, 3, "0" * 64, None)]
    receipt = stored(facts, [check()], VERSION, files, [said_by("node-1")])
    form = registration_page(read_answer(receipt), receipt)
    for page in (page_of(refusal), page_of(receipt), form):
        assert not {"script", "img"} & {tag for tag, _ in Elements(page).found}
        assert b"&lt;script&gt;" in page


def test_a_name_that_reorders_text_is_shown_escaped() -> None:
    body = stored_by(facts=replace(FACTS, identifier="a\u202eb"), files=[])
    assert "a\\u202eb" in page_of(body).decode()
    assert "\u202e" not in page_of(body).decode()


def test_long_lists_are_cut_with_their_count() -> None:
    reasons = [Reason("c", f"path-{number}", "m", "中") for number in range(ROWS_MAX + 7)]
    findings = tuple(
        Finding(Severity.ERROR, "c", f"found-{number}", "m", "中")
        for number in range(FINDINGS_MAX + 3)
    )
    page = page_of(rejected(FACTS, [check(Outcome.FAILED, findings=findings)], reasons)).decode()
    assert f">path-{ROWS_MAX - 1}<" in page
    assert f">path-{ROWS_MAX}<" not in page
    assert f"共 {ROWS_MAX + 7} 条" in page
    assert f">found-{FINDINGS_MAX}<" not in page
    assert f"共 {FINDINGS_MAX + 3} 项发现" in page
    files = [FileEntry(f"f-{number:04}", 1, "0" * 64, None) for number in range(ROWS_MAX + 1)]
    page = page_of(stored_by(files=files)).decode()
    assert f">f-{ROWS_MAX:04}<" not in page
    assert f"共 {ROWS_MAX + 1} 个文件" in page


def test_the_registration_form_has_every_field_and_leaves_signatures_to_people() -> None:
    facts = replace(FACTS, unit="某市行政审批局", content_bytes=1_234_567_890)
    checks = [
        check(Outcome.PASSED, Property.AUTHENTICITY),
        check(Outcome.PASSED, Property.SAFETY),
        check(Outcome.COULD_NOT_RUN, Property.SAFETY),
    ]
    body = stored(facts, checks, VERSION, [], [])
    page = registration_page(read_answer(body), body).decode()
    for field in (
        *("交接工作名称", "内容描述", "移交电子档案数量", "移交数据量", "载体起止顺序号"),
        *("移交载体类型、规格", "电子档案数字摘要", "准确性检验", "完整性检验", "可用性检验"),
        *("安全性检验", "载体外观检验", "填表人（签名）", "审核人（签名）", "单位（印章）"),
    ):
        assert field in page, field
    assert "1.235 GB（1,234,567,890 字节" in page
    assert ">在线<" in page
    assert "某市行政审批局 2026 年 case-1" in page
    assert page.count("年　　月　　日") == 6
    form = read_answer(body).registration
    assert form is not None
    seen = form.inspections
    assert (seen.accuracy, seen.safety) == ("passed", "could-not-run")
    assert (seen.usability, seen.carrier_appearance) == ("not-applicable", "not-applicable")


def test_a_batch_s_receipt_says_what_became_of_each_part_and_its_form_counts_them() -> None:
    parts = tuple(
        PartOutcome(f"A{number:04}.zip", "rejected" if number == 1 else "stored", None, None, None)
        for number in range(ROWS_MAX + 2)
    )
    body = true_receipt(replace(FACTS, parts=parts))
    page = page_of(body).decode()
    assert "不予接收 rejected" in page
    assert f"A{ROWS_MAX:04}.zip" not in page
    assert f"共 {ROWS_MAX + 2} 件" in page
    form = registration_page(read_answer(body), body).decode()
    assert f"{ROWS_MAX + 1} 件 items" in form


def test_a_sample_says_in_red_that_it_is_none() -> None:
    body = rejected(replace(FACTS, rehearsal=True), [], [REASON])
    page = answer_page(read_answer_or_sample(body), body, "x").decode()
    assert "联调样例，不是回执" in page
    assert "openssl" not in page


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6])
def test_only_what_a_page_shows_is_read_of_a_list_of_files(count: int) -> None:
    files = [FileEntry(f'a\n"path",{number}', 1, "0" * 64, None) for number in range(count)]
    answer = read_answer(stored_by(files=files))
    assert all_files(answer) == files
    assert first_files(answer, 5) == FirstFiles(files[:5], count)


def test_an_answer_that_lists_no_files_shows_none() -> None:
    answer = read_answer(body_of(AnswerKind.RECEIVED))
    assert (all_files(answer), first_files(answer, 5)) == ([], FirstFiles([], 0))


def test_a_report_s_page_says_what_was_looked_at_and_how_and_what_follows() -> None:
    checks = [msgspec.json.decode(each, type=CheckEntry) for each in (check(), failed_check())]
    report = CheckReportEntry(
        "lantai.check-report.v1", "bagit", Verdict.REJECTED, checks, matter="<m>", retention="D30"
    )
    page = report_page("案卷<1>", report, sample=False).decode()
    for said in (
        "对象 文件；方法 摘要比对",
        "否决 reject",
        "不予接收",
        "&lt;m&gt;",
        "定期30年",
        "案卷&lt;1&gt;",
    ):
        assert said in page
