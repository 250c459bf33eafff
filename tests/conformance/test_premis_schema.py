"""What `lantai events --premis` writes, judged by the PREMIS 3.0 schema of the Library of Congress.

The schema (premis-v3-0.xsd of 2016-01-18) lies in the E-ARK corpus. The judge is
tests/xml_schema.py; libxml2 gave the same verdict on each of these documents.
"""

import tarfile
from collections.abc import Callable
from dataclasses import replace

import pytest

from storage.catalogue.acts import FINDING_RECORDED, RecordedAct
from storage.catalogue.model import CataloguedFinding, Event
from storage.catalogue.premis import EVENT_TYPES, to_premis
from storage.catalogue.premis_xml import premis_document
from tests.conftest import corpora_folder
from tests.xml_schema import Schema

pytestmark = pytest.mark.needs_corpora

MEMBER = "CSIP/CSIP4/valid/valid_IP_with_SHOULD_MAY_1_rep/schemas/premis-v3-0.xsd"
AT = "2026-11-22T10:31:07.123456Z"
OBJECT_ID = 'lantai:政务服务/件 <1> & "二"'
FINDING = CataloguedFinding(
    7, "node-2", 41, AT, AT, OBJECT_ID, "altered", "v1/content/a\x01\ud800\uffff.xml",
    "expected one, observed another", '{"first_bad_offset": 4096}', None, "",
)  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> Schema:
    with tarfile.open(corpora_folder() / "eark-corpus-part.tar.gz") as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return Schema(member.read())


def acts() -> list[RecordedAct]:
    """Every act that has a name, on an object, on a transfer, on a node, and on nothing."""
    names = [act if "." in act else f"{act}.done" for act in EVENT_TYPES]
    told = []
    for number, act in enumerate([*names, FINDING_RECORDED, "nobody.foresaw"], start=1):
        event = Event(number, AT, "张三", "host-1", act, "done", 5, 3, "node-2", '{"a": 1}')
        finding = FINDING if act == FINDING_RECORDED else None
        told.append(RecordedAct(event, OBJECT_ID, 1, finding))
        alone = replace(event, transfer_id=None, package_id=None, detail="")
        told.append(RecordedAct(alone, None, None, None))
        told.append(RecordedAct(replace(alone, node=None), None, None, None))
    return told


def test_every_act_of_the_ledger_is_written_as_the_schema_allows(schema: Schema) -> None:
    document = premis_document(map(to_premis, acts()))
    assert document.count(b"<premis:event>") == len(acts())
    assert schema.problems(document) == []


def test_a_ledger_without_acts_is_a_valid_document(schema: Schema) -> None:
    assert schema.problems(premis_document([])) == []


# Each makes of a valid document one that is not; the words are of what must be said about it.
SPOILT: dict[str, tuple[Callable[[str], str], str]] = {
    "no version": (lambda text: text.replace(' version="3.0"', "", 1), "must have the attribute"),
    "another version": (lambda text: text.replace('"3.0"', '"2.3"', 1), "may not be '2.3'"),
    "an object of no type": (
        lambda text: text.replace(' xsi:type="premis:intellectualEntity"', "", 1),
        "objectComplexType is no type",
    ),
    "an object of an event's type": (
        lambda text: text.replace("premis:intellectualEntity", "premis:eventComplexType", 1),
        "does not extend",
    ),
    "a file without its characteristics": (
        lambda text: text.replace("premis:intellectualEntity", "premis:file", 1),
        "object may not hold",
    ),
    "an event without a type": (
        lambda text: _without(text, "eventType"),
        "event may not hold [eventIdentifier eventDateTime",
    ),
    "an event without its identifier's value": (
        lambda text: _without(text, "eventIdentifierValue"),
        "eventIdentifier may not hold",
    ),
    "an element of nobody": (
        lambda text: text.replace("premis:eventDetail>", "premis:eventWord>"),
        "eventDetailInformation may not hold",
    ),
    "an attribute of nobody": (
        lambda text: text.replace("<premis:event>", '<premis:event kind="x">', 1),
        "may not have the attribute kind",
    ),
    "text between elements": (
        lambda text: text.replace("<premis:event>", "<premis:event>x", 1),
        "event may not hold text",
    ),
    "agents before events": (
        lambda text: text.replace("<premis:event>", "<premis:agent/><premis:event>", 1),
        "premis may not hold",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_the_judge_refuses_what_the_schema_does_not_allow(schema: Schema, case: str) -> None:
    spoil, words = SPOILT[case]
    written = premis_document(map(to_premis, acts()[:1])).decode()
    spoilt = spoil(written)
    assert spoilt != written
    problems = schema.problems(spoilt.encode())
    assert any(words in problem for problem in problems), problems


def _without(text: str, name: str) -> str:
    """The text without the first element of this name."""
    start = text.index(f"<premis:{name}")
    end = text.index(f"</premis:{name}>") + len(f"</premis:{name}>")
    return text[:start] + text[end:]
