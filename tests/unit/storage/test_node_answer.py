"""What nodes sign, as every version of this software has written it (docs/formats/answers.md)."""

import json

import pytest

from storage.node_answer import NodeAnswerRefused, read_node_answer

# As nodes signed it before disks were burned in; such answers lie in receipts for ever.
OLD = {
    "format": "lantai.node-answer.v1",
    "op_id": "0" * 32,
    "node": "node-1",
    "node_uuid": "6f1c2b1e-7a55-4b0e-9b7e-0d8f0a1b2c3d",
    "domain": "room-a",
    "object_id": "lantai:gov/case-0001",
    "version": 1,
    "inventory_sha256": "a" * 64,
    "file_count": 3,
    "content_bytes": 42,
    "verify_mode": "evicted",
    "committed_at": "2026-11-20T08:00:00.000000Z",
    "journal_sequence": 9,
}


def test_an_answer_from_before_there_were_burn_ins_is_read_and_names_none() -> None:
    assert read_node_answer(json.dumps(OLD).encode()).burn_in == ""


def test_an_answer_names_the_burn_in_of_its_disk() -> None:
    said = read_node_answer(json.dumps(OLD | {"burn_in": "b" * 64}).encode())
    assert said.burn_in == "b" * 64


def test_a_member_that_nobody_knows_is_refused() -> None:
    with pytest.raises(NodeAnswerRefused):
        read_node_answer(json.dumps(OLD | {"burned": True}).encode())
