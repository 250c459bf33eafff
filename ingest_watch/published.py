"""The documents that senders read, as published: JSON Schema 2020-12 of each, made from the types.

docs/formats/answers.md. `ingest_watch/sender_kit/schemas/` ships what `SCHEMAS` gives; a test holds
the two equal. Describes only: answers are made by answers.py, reports by checks/report.py.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from ingest_watch.answers import Answer
from ingest_watch.checks.check import Consequence, Outcome, Property
from ingest_watch.checks.report import Verdict
from ingest_watch.findings import Severity
from ingest_watch.platform_receipt import PlatformReceipt
from ingest_watch.tally.answer import TallyAnswer
from storage.model import FileEntry

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Members that an answer has because of its kind.
_OF_KINDS = {
    "rejected": ["reasons"],
    "held": ["reasons"],
    "registration": ["version", "registration", "custody"],
    "stored": ["version", "inventory_sha256", "files", "copies", "registration"],
}


class FindingEntry(msgspec.Struct, frozen=True):
    """One finding of a check."""

    severity: Severity
    code: str
    path: str | None
    message: str
    message_zh: str


class CheckEntry(msgspec.Struct, frozen=True):
    """One check, in answers and in check reports."""

    code: str
    title: str
    title_zh: str
    property: Property
    object: str
    object_zh: str
    method: str
    method_zh: str
    outcome: Outcome
    consequence: Consequence
    findings: list[FindingEntry]


class CheckReportEntry(msgspec.Struct, frozen=True):
    """A check report."""

    format: Literal["lantai.check-report.v1"]
    package_format: str | None
    verdict: Verdict
    checks: list[CheckEntry]
    matter: str | None = None
    record_class: str | None = None
    retention: Literal["Y", "D30", "D10"] | None = None


def answer_schema() -> bytes:
    """Of every answer, and of the samples that a rehearsal gets."""
    (top, *_), described = msgspec.json.schema_components(
        [Answer, CheckEntry, FileEntry], ref_template="#/$defs/{name}"
    )
    answer = described["Answer"]
    # In the type they are bytes: made before and not read again, or too many to hold.
    answer["properties"]["checks"]["items"] = {"$ref": "#/$defs/CheckEntry"}
    files = {"type": "array", "items": {"$ref": "#/$defs/FileEntry"}}
    answer["properties"]["files"] = files
    answer["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"required": members},
        }
        for kind, members in _OF_KINDS.items()
    ]
    return _encode("lantai.answer.v1", top | {"$defs": described})


def check_report_schema() -> bytes:
    """Of `lantai/check-report.json`, `lantai check --json` and the report of a rehearsal."""
    return _encode("lantai.check-report.v1", msgspec.json.schema(CheckReportEntry))


def platform_receipt_schema() -> bytes:
    """Of the receipt in the platform's own codes."""
    return _encode("lantai.platform-receipt", msgspec.json.schema(PlatformReceipt))


def tally_schema() -> bytes:
    """Of the answer to a dispatch note (docs/formats/tally.md)."""
    return _encode("lantai.tally.v1", msgspec.json.schema(TallyAnswer))


SCHEMAS: dict[str, Callable[[], bytes]] = {
    "answer.schema.json": answer_schema,
    "check-report.schema.json": check_report_schema,
    "platform-receipt.schema.json": platform_receipt_schema,
    "tally.schema.json": tally_schema,
}


def _encode(title: str, described: dict[str, Any]) -> bytes:
    document = {"$schema": _DIALECT, "title": title, **described}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
