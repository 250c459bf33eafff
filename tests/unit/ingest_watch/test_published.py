"""The schemas that senders are given (ingest_watch/published.py), and documents against them."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest_watch.answers import TransferFacts, read_answer, rejected
from ingest_watch.platform_receipt import encode, platform_receipt
from ingest_watch.published import SCHEMAS, CheckEntry, FindingEntry
from storage.catalogue.model import AnswerKind
from tests.answer_samples import body_of
from tests.bags import bag_files, judged, write_files
from tests.json_schema import faults

PROJECT = Path(__file__).parents[3]
SHIPPED = PROJECT / "ingest_watch" / "sender_kit" / "schemas"
PAGES = ("answers", "tally")


def schema(name: str) -> dict[str, Any]:
    described = json.loads((SHIPPED / f"{name}.schema.json").read_bytes())
    assert isinstance(described, dict)
    return described


def answer_faults(body: bytes) -> list[str]:
    return faults(json.loads(body), schema("answer"))


def test_the_shipped_schemas_are_those_of_the_code() -> None:
    """After a change: write `SCHEMAS[name]()` into `ingest_watch/sender_kit/schemas/<name>`."""
    assert {path.name: path.read_bytes() for path in SHIPPED.iterdir()} == {
        name: make() for name, make in SCHEMAS.items()
    }


def test_the_pages_name_every_member() -> None:
    folder = PROJECT / "docs" / "formats"
    page = "\n".join((folder / f"{name}.md").read_text("utf-8") for name in PAGES)
    members = {
        member
        for name in SCHEMAS
        for described in json.loads((SHIPPED / name).read_bytes())["$defs"].values()
        for member in described.get("properties", ())
    }
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`[^`\n]*`", page))))
    # Of the file list, which package.md describes.
    assert members - named - {"size_bytes", "sha256", "block_root"} == set()


def test_a_check_is_written_with_the_members_that_are_published(tmp_path: Path) -> None:
    """What is not published of a check, or published and not written, shows here."""
    changed = {"data/1.txt": b"other"}
    folder = write_files(tmp_path / "bag", bag_files({"data/1.txt": b"one"}) | changed)
    checks = json.loads(judged(folder).as_json())["checks"]
    (findings,) = [each["findings"] for each in checks if each["code"].endswith("1-1")]
    assert list(checks[0]) == [field.name for field in msgspec.structs.fields(CheckEntry)]
    assert list(findings[0]) == [field.name for field in msgspec.structs.fields(FindingEntry)]


@pytest.mark.parametrize("kind", list(AnswerKind))
def test_every_kind_of_answer_is_as_the_schema_says(kind: AnswerKind) -> None:
    assert answer_faults(body_of(kind)) == []


def test_an_answer_on_a_package_too_broken_to_say_is_as_the_schema_says() -> None:
    facts = TransferFacts("馆", "portal", "x", "7", "2026-11-22T10:00:00Z")
    assert answer_faults(rejected(facts, [], [])) == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("kind", "lost"),
        ("format", "lantai.answer.v2"),
        ("at", None),
        ("checks", [{}]),
        ("files", [{"path": "a"}]),
        ("more", 1),
    ],
)
def test_what_is_no_answer_is_not_as_the_schema_says(member: str, value: object) -> None:
    document = json.loads(body_of(AnswerKind.STORED)) | {member: value}
    assert faults(document, schema("answer"))


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        (AnswerKind.STORED, "registration"),
        (AnswerKind.STORED, "copies"),
        (AnswerKind.REJECTED, "reasons"),
        (AnswerKind.HELD, "reasons"),
    ],
)
def test_the_schema_asks_for_what_the_kind_of_answer_must_say(
    kind: AnswerKind, member: str
) -> None:
    document = json.loads(body_of(kind))
    del document[member]
    assert faults(document, schema("answer")) == [f"$: has no {member}"]


def test_a_check_report_is_as_the_schema_says(tmp_path: Path) -> None:
    for changed in ({}, {"data/1.txt": None}):
        files = bag_files({"data/1.txt": b"one"}) | changed
        folder = write_files(
            tmp_path / str(len(changed)), {path: text for path, text in files.items() if text}
        )
        report = json.loads(judged(folder).as_json())
        assert faults(report, schema("check-report")) == []


def test_a_platform_receipt_is_as_the_schema_says() -> None:
    receipt = platform_receipt(read_answer(body_of(AnswerKind.REJECTED)))
    assert receipt is not None
    assert faults(json.loads(encode(receipt)), schema("platform-receipt")) == []
