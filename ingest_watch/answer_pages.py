"""Answers, registration forms and check reports as pages that people read and print on A4.

docs/formats/answers.md, "Pages". Each is a function of the JSON alone, so that what is sent again
after a crash is the same. One HTML document: no script, no font, no address outside, and a policy
that forbids them; every value is escaped. Writes no file.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ingest_watch.answers import FORMAT, Answer, first_files
from ingest_watch.findings import shown
from ingest_watch.published import CheckEntry, CheckReportEntry
from storage.catalogue.model import AnswerKind

# A page is for people: what is longer is in the JSON, and the page says so.
ROWS_MAX = 200
FINDINGS_MAX = 50
# A check report's page is all there is to read of it.
REPORT_FINDINGS_MAX = 1000

WORDS = {
    "authenticity": "真实性",
    "completeness": "完整性",
    "usability": "可用性",
    "safety": "安全性",
    "passed": "通过",
    "failed": "未通过",
    "could-not-run": "异常",
    "to-be-judged": "待人工",
    "not-applicable": "不适用",
    "error": "错误",
    "warning": "警告",
    "note": "说明",
    "acceptable": "可接收",
    "rejected": "不予接收",
    "stored": "已入库",
    "not-judged": "未能判定",
    "hold": "暂存",
    "reject": "否决",
    "Y": "永久",
    "D30": "定期30年",
    "D10": "定期10年",
}


@dataclass(frozen=True, slots=True)
class Heading:
    """What a page is called, and what its reader is to do."""

    chinese: str
    english: str
    colour: str
    advice_chinese: str
    advice_english: str


HEADINGS = {
    AnswerKind.RECEIVED: Heading(
        "接收回执", "Received", "open",
        "信息包已通过检测，尚未入库。在收到入库回执之前，请勿删除或改动原件。",
        "The package passed every check and is not stored yet. Keep the original, unchanged, until "
        "the stored receipt is here.",
    ),
    AnswerKind.STORED: Heading(
        "入库回执", "Stored", "good",
        "信息包已入库，各副本均已从介质回读核对。投递目录中的原件由本系统移走；"
        "移交单位仍须按规定期限自行保存。",
        "The package is stored, and every copy was read back from its medium. The original is "
        "moved out of the drop folder; keep your own copy for as long as your rules ask.",
    ),
    AnswerKind.REJECTED: Heading(
        "退回通知", "Rejected", "bad",
        "信息包未被接收。请按下列原因改正后重新移交；原件仍在投递目录中。",
        "The package was not accepted. Mend what is named below and send it again; the original "
        "still lies in the drop folder.",
    ),
    AnswerKind.HELD: Heading(
        "暂存通知", "Held", "open",
        "信息包等待人工处理，尚未接收，也未退回。请勿改动原件。",
        "The package waits for a person: it is neither accepted nor sent back. Leave the original "
        "as it is.",
    ),
}  # fmt: skip

_INSPECTIONS = (
    ("accuracy", "准确性检验", "Accuracy"),
    ("completeness", "完整性检验", "Completeness"),
    ("usability", "可用性检验", "Usability"),
    ("safety", "安全性检验", "Safety"),
    ("carrier_appearance", "载体外观检验", "Carrier"),
)
_VERDICT_COLOURS = {"acceptable": "good", "rejected": "bad", "not-judged": "open"}


def answer_page(answer: Answer, body: bytes, file_name: str) -> bytes:
    """The page of `answer`, whose JSON `body` lies in the return folder as `<file_name>.json`."""
    return _render(
        "answer.html",
        {
            "answer": answer,
            "heading": HEADINGS[answer.kind],
            "files": first_files(answer, ROWS_MAX),
            "checks": [msgspec.json.decode(check, type=CheckEntry) for check in answer.checks],
            "rows_max": ROWS_MAX,
            "findings_max": FINDINGS_MAX,
            "file_name": file_name,
            "json_sha256": hashlib.sha256(body).hexdigest(),
            "sample": answer.format != FORMAT,
        },
    )


def registration_page(answer: Answer, body: bytes) -> bytes:
    """The registration form that `answer` carries, ready to be signed by both sides."""
    form = answer.registration
    assert form is not None, "a stored answer, and a notice, carry their registration"
    return _render(
        "registration.html",
        {
            "form": form,
            "inspections": [
                (chinese, english, getattr(form.inspections, field))
                for field, chinese, english in _INSPECTIONS
            ],
            "receipt_id": answer.receipt_id,
            "before_receipt": answer.kind is AnswerKind.REGISTRATION,
            "json_sha256": hashlib.sha256(body).hexdigest(),
            "sample": answer.format != FORMAT,
        },
    )


def report_page(name: str, report: CheckReportEntry, *, sample: bool) -> bytes:
    """The page of a check report on the package `name`."""
    return _render(
        "report.html",
        {
            "name": name,
            "report": report,
            "colour": _VERDICT_COLOURS[report.verdict],
            "findings_max": REPORT_FINDINGS_MAX,
            "sample": sample,
        },
    )


def _render(template: str, members: Mapping[str, object]) -> bytes:
    # A name that is not UTF-8 may hold lone surrogates; a page has none.
    text = _environment().get_template(template).render(members)
    return text.encode("utf-8", "backslashreplace")


@functools.cache
def _environment() -> Environment:
    """The templates, read once."""
    environment = Environment(
        loader=PackageLoader("ingest_watch", "page_templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"moment": _in_words, "grouped": _grouped, "safely": _safely}
    style = (files("ingest_watch") / "page_templates" / "print.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.globals |= {
        "style": Markup(style),  # noqa: S704  # our own file, to the letter: its digest is stated
        "style_digest": f"sha256-{digest}",
        "words": WORDS,
    }
    return environment


def _in_words(moment: str) -> str:
    return f"{moment[:10]} {moment[11:19]} UTC"


def _grouped(number: int | None) -> str:
    return "—" if number is None else f"{number:,}"


def _safely(text: str | None) -> str:
    """What came from a package and was not escaped before."""
    return "—" if text is None else shown(text)
