"""The ledger in the words of PREMIS 3.0 (storage/catalogue/premis.py, premis_xml.py)."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from storage.catalogue.acts import RecordedAct
from storage.catalogue.model import CataloguedFinding, Event, TransferState
from storage.catalogue.premis import (
    EVENT_TYPES,
    FAIL,
    FIXITY,
    RECOVERY,
    SUCCESS,
    event_type,
    to_members,
    to_premis,
)
from storage.catalogue.premis_xml import PREMIS, XSI, premis_document

AT = "2026-11-22T10:31:07.123456Z"
OBJECT_ID = "lantai:portal/件-1"
FINDING = CataloguedFinding(
    7, "node-2", 41, AT, AT, OBJECT_ID, "altered", "v1/content/received/a.xml",
    "expected one, observed another", '{"first_bad_offset": 4096}', None, "",
)  # fmt: skip
MENDED = RecordedAct(
    Event(12, AT, "keeper", "host-1", "copy.mended", "done", None, 3, "node-2", '{"source": "n1"}'),
    OBJECT_ID,
    1,
    None,
)
FOUND = RecordedAct(
    Event(11, AT, "node-2", "sweep", "finding.recorded", "altered", None, 3, "node-2",
          '{"finding": 41}'),
    OBJECT_ID,
    1,
    FINDING,
)  # fmt: skip

# Terms and codes as id.loc.gov/vocabulary/preservation/eventType lists them.
VOCABULARY = {
    "acc": "accession", "dsg": "digital signature generation", "exe": "execution",
    "fix": "fixity check", "ing": "ingestion", "qua": "quarantine", "rec": "recovery",
    "rep": "replication", "tra": "transfer", "val": "validation",
}  # fmt: skip


def test_every_term_is_one_of_the_vocabulary_of_the_library_of_congress() -> None:
    assert {kind.code: kind.term for kind in EVENT_TYPES.values()} == VOCABULARY


def test_every_act_has_a_business_act_in_chinese() -> None:
    assert all(re.fullmatch(r"[一-鿿]+", kind.business_act) for kind in EVENT_TYPES.values())


@pytest.mark.parametrize(
    ("act", "business_act"),
    [
        ("sweep.finished", "校验"),
        ("audit.finished", "校验"),
        ("copy.mended", "修复"),
        ("transfer.waiting", "接收"),
        ("transfer.stored", "入库"),
        ("transfer.writing", "复制"),
    ],
)
def test_acts_carry_the_names_that_archives_use(act: str, business_act: str) -> None:
    assert event_type(act).business_act == business_act


@pytest.mark.parametrize("state", TransferState)
def test_no_state_of_a_transfer_is_called_an_unforeseen_act(state: TransferState) -> None:
    assert event_type(f"transfer.{state}").code != "exe"


def test_a_finding_is_a_failed_fixity_check_of_the_file_with_its_evidence() -> None:
    premis = to_premis(FOUND)
    assert (premis.type, premis.outcome) == (FIXITY, FAIL)
    assert "first_bad_offset" in premis.outcome_note
    assert [each.value for each in premis.objects] == [
        f"{OBJECT_ID}#v1",
        f"{OBJECT_ID}/v1/content/received/a.xml",
    ]


def test_a_mended_copy_is_a_recovery_by_the_keeper_on_the_node() -> None:
    premis = to_premis(MENDED)
    assert (premis.type, premis.outcome) == (RECOVERY, SUCCESS)
    assert [(agent.value, agent.role) for agent in premis.agents] == [
        ("keeper@host-1", "implementer"),
        ("node-2", "executing program"),
    ]


def test_an_outcome_nobody_foresaw_is_never_a_success() -> None:
    odd = replace(MENDED, event=replace(MENDED.event, outcome="something-else"))
    assert to_premis(odd).outcome == FAIL


def test_an_act_on_a_whole_disk_links_its_volume() -> None:
    sweep = replace(MENDED.event, act="sweep.finished", package_id=None)
    (volume,) = to_premis(RecordedAct(sweep, None, None, None)).objects
    assert volume.value == "node-2"


def test_json_lines_use_the_names_of_the_data_dictionary() -> None:
    members = to_members(to_premis(MENDED))
    assert members["eventTypeURI"].endswith("/eventType/rec")
    assert members["eventDateTime"] == AT
    assert members["linkingObjectIdentifier"][0]["linkingObjectRole"] == "outcome"


def test_the_document_has_objects_then_events_then_agents_and_links_nothing_it_does_not_name() -> (
    None
):
    root = ET.fromstring(premis_document(map(to_premis, (FOUND, MENDED))))
    assert root.get("version") == "3.0"
    order = [child.tag.removeprefix(f"{{{PREMIS}}}") for child in root]
    assert order == ["object", "object", "event", "event", "agent", "agent", "agent"]
    assert {each.get(f"{{{XSI}}}type") for each in root.iter(f"{{{PREMIS}}}object")} == {
        "premis:intellectualEntity"
    }
    for noun in ("Object", "Agent"):
        linked = {each.text for each in root.iter(f"{{{PREMIS}}}linking{noun}IdentifierValue")}
        named = {each.text for each in root.iter(f"{{{PREMIS}}}{noun.lower()}IdentifierValue")}
        assert linked == named


def test_a_document_without_events_still_names_an_object_as_the_schema_demands() -> None:
    root = ET.fromstring(premis_document([]))
    assert [child.tag for child in root] == [f"{{{PREMIS}}}object"]


def test_a_path_with_control_characters_stays_well_formed() -> None:
    wicked = replace(FOUND, finding=replace(FINDING, path="a\x01\ud800\uffffb"))
    document = premis_document([to_premis(wicked)]).decode()
    assert "a\\x01\\ud800\\uffffb" in document
    ET.fromstring(document.encode())


def test_the_page_names_every_act_that_has_a_name_of_its_own() -> None:
    page = (Path(__file__).parents[4] / "docs/formats/ledger.md").read_text("utf-8")
    rows = {
        act: f"{kind.term} (`{kind.code}`) | {kind.business_act} |"
        for act, kind in EVENT_TYPES.items()
        if "." in act
    }
    lines = page.splitlines()
    named = {act for act, row in rows.items() if any(act in line and row in line for line in lines)}
    assert named == set(rows)
