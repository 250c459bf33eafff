"""A fixity report as a page that people read and print on A4, Chinese and English.

docs/formats/fixity-report.md. One HTML document: no script, no font and no address outside. Every
value is escaped. Shows what the report says and nothing else.
"""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined, select_autoescape

from replication.fixity_report import FixityReport
from storage.catalogue.premis import event_type

WORDS = {
    "committed": "完好",
    "damaged": "损坏",
    "missing": "缺失",
    "kept": "期限内",
    "missed": "已逾期",
    "not-known": "未知",
    "nothing-stored": "无馆藏",
    "altered": "内容改变",
    "truncated": "截断",
    "unreadable": "不可读",
    "stray": "多余文件",
    "inventory-damaged": "清单损坏",
    "sidecar-damaged": "摘要文件损坏",
    "object-missing": "对象缺失",
    "stray-object": "多余对象",
    "stray-storm": "大量多余对象",
    "journal-damaged": "流水损坏",
    "index-damaged": "索引损坏",
}


class ReportPage:
    """The template, read once."""

    def __init__(self) -> None:
        environment = Environment(
            autoescape=select_autoescape(default=True), undefined=StrictUndefined
        )
        environment.filters["moment"] = _in_words
        environment.filters["grouped"] = _grouped
        environment.filters["business_act"] = _business_act
        self._page = environment.from_string(
            (files("daemon.reports") / "page.html").read_text(encoding="utf-8")
        )

    def render(self, report: FixityReport, json_sha256: str) -> bytes:
        """The page of `report`, whose JSON has this digest."""
        members = {
            "report": report,
            "exceptions": [each for each in report.remarks if each.weight == "exception"],
            "notes": [each for each in report.remarks if each.weight == "note"],
            "words": WORDS,
            "json_sha256": json_sha256,
        }
        # What a node said may hold lone surrogates; a page has none.
        return self._page.render(members).encode("utf-8", "backslashreplace")


def _in_words(moment: str | None) -> str:
    return "—" if moment is None else f"{moment[:10]} {moment[11:19]} UTC"


def _grouped(number: int) -> str:
    return f"{number:,}"


def _business_act(act: str) -> str:
    return event_type(act).business_act
