"""What `lantai events --premis` writes, judged by the PREMIS 3.0 schema of the Library of Congress.

The schema (premis-v3-0.xsd of 2016-01-18) lies in the E-ARK corpus; the judge is libxml2.
"""

import re
import tarfile
from dataclasses import replace

import pytest
from lxml import etree

from storage.catalogue.acts import FINDING_RECORDED, RecordedAct
from storage.catalogue.model import CataloguedFinding, Event
from storage.catalogue.premis import EVENT_TYPES, to_premis
from storage.catalogue.premis_xml import premis_document
from tests.conftest import corpora_folder

pytestmark = pytest.mark.needs_corpora

MEMBER = "CSIP/CSIP4/valid/valid_IP_with_SHOULD_MAY_1_rep/schemas/premis-v3-0.xsd"
AT = "2026-11-22T10:31:07.123456Z"
OBJECT_ID = 'lantai:政务服务/件 <1> & "二"'
FINDING = CataloguedFinding(
    7, "node-2", 41, AT, AT, OBJECT_ID, "altered", "v1/content/a\x01\ud800\uffff.xml",
    "expected one, observed another", '{"first_bad_offset": 4096}', None, "",
)  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    with tarfile.open(corpora_folder() / "eark-corpus-part.tar.gz") as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return etree.XMLSchema(etree.fromstring(member.read()))


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


def problems(schema: etree.XMLSchema, document: bytes) -> list[str]:
    """What the document does that the schema does not allow; empty: it is valid."""
    schema.validate(etree.fromstring(document))
    return [str(entry.message) for entry in schema.error_log]


def test_every_act_of_the_ledger_is_written_as_the_schema_allows(schema: etree.XMLSchema) -> None:
    document = premis_document(map(to_premis, acts()))
    assert document.count(b"<premis:event>") == len(acts())
    assert problems(schema, document) == []


def test_a_ledger_without_acts_is_a_valid_document(schema: etree.XMLSchema) -> None:
    assert problems(schema, premis_document([])) == []


def test_an_event_without_a_type_would_be_refused(schema: etree.XMLSchema) -> None:
    written = premis_document(map(to_premis, acts()[:1])).decode()
    spoilt = re.sub(r"<premis:eventType\b.*?</premis:eventType>", "", written, flags=re.DOTALL)
    assert spoilt != written
    assert any("eventType" in problem for problem in problems(schema, spoilt.encode()))
