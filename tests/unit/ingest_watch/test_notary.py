"""The notary signs a stored answer only for N nodes' own signatures (docs/formats/answers.md)."""

import base64
from dataclasses import dataclass, replace

import msgspec
import pytest

from ingest_watch import answers
from ingest_watch.notary import Demands, KnownNode, StatementRefused, examine
from storage.model import FileEntry, ObjectVersion, SignedAnswer, VerifyMode
from storage.node_answer import FORMAT, NodeAnswer, NodeAnswerRefused
from storage.signing import SigningKey

OBJECT = ObjectVersion("lantai:gov/case-1", 1, "ab" * 32, 1, 3)
FACTS = answers.TransferFacts("馆", "gov", "case-1", "7", "2026-11-22T00:00:00Z", "case-1")
FILES = [FileEntry("received/a.txt", 3, "ba" * 32, None)]
THREE = Demands(copies=3)


@dataclass(frozen=True)
class Node:
    name: str
    domain: str
    key: SigningKey

    def says(self, **differently: object) -> answers.CopyStatement:
        said = NodeAnswer(
            format=FORMAT,
            op_id="0" * 32,
            node=self.name,
            node_uuid=f"uuid-of-{self.name}",
            domain=self.domain,
            object_id=OBJECT.object_id,
            version=1,
            inventory_sha256=OBJECT.inventory_sha256,
            file_count=1,
            content_bytes=3,
            verify_mode=VerifyMode.EVICTED,
            committed_at="2026-11-22T00:00:01Z",
            journal_sequence=9,
        )
        payload = msgspec.json.encode(msgspec.structs.replace(said, **differently))
        return answers.CopyStatement(self.name, SignedAnswer(payload, self.key.sign(payload)))


NODES = [Node(f"node-{n}", f"room-{n}", SigningKey.generate()) for n in (1, 2, 3)]
KNOWN = {node.name: KnownNode(node.name, node.domain, node.key.verify_key) for node in NODES}


def stored(copies: list[answers.CopyStatement]) -> bytes:
    facts = replace(FACTS, object_id=OBJECT.object_id)
    return answers.stored(facts, [], OBJECT, FILES, copies)


def test_three_copies_in_three_domains_are_signed() -> None:
    answer = examine(stored([node.says() for node in NODES]), KNOWN, THREE)
    assert answer.inventory_sha256 == OBJECT.inventory_sha256


def test_two_copies_of_three_are_not_signed() -> None:
    with pytest.raises(StatementRefused, match="2 of 3"):
        examine(stored([node.says() for node in NODES[:2]]), KNOWN, THREE)


def test_one_node_counted_twice_is_refused() -> None:
    with pytest.raises(StatementRefused, match="twice"):
        examine(stored([NODES[0].says(), NODES[0].says(), NODES[1].says()]), KNOWN, THREE)


def test_domains_are_taken_from_the_notarys_list_and_not_from_the_answer() -> None:
    one_room = {name: replace(node, domain="room-1") for name, node in KNOWN.items()}
    with pytest.raises(StatementRefused, match="domains"):
        examine(stored([node.says() for node in NODES]), one_room, THREE)


def test_a_node_that_is_not_on_the_list_is_refused() -> None:
    stranger = Node("node-9", "room-9", SigningKey.generate())
    with pytest.raises(StatementRefused, match="not on the notary's list"):
        examine(stored([*(node.says() for node in NODES[:2]), stranger.says()]), KNOWN, THREE)


def test_a_signature_by_another_key_is_refused() -> None:
    forged = Node("node-3", "room-3", SigningKey.generate()).says()
    with pytest.raises(NodeAnswerRefused, match="does not verify"):
        examine(stored([NODES[0].says(), NODES[1].says(), forged]), KNOWN, THREE)


@pytest.mark.parametrize(
    "difference",
    [
        {"object_id": "lantai:gov/case-2"},
        {"version": 2},
        {"inventory_sha256": "cd" * 32},
        {"node": "node-1"},
        {"verify_mode": "cached"},
        {"verify_mode": "unproven"},
    ],
)
def test_a_copy_of_something_else_or_not_read_back_is_refused(
    difference: dict[str, object],
) -> None:
    copies = [NODES[0].says(), NODES[1].says(), NODES[2].says(**difference)]
    with pytest.raises((StatementRefused, NodeAnswerRefused)):
        examine(stored(copies), KNOWN, THREE)


def test_an_unproven_copy_counts_only_where_configuration_allows_it() -> None:
    copies = [NODES[0].says(), NODES[1].says(), NODES[2].says(verify_mode="unproven")]
    examine(stored(copies), KNOWN, Demands(copies=3, allow_unproven=True))


def test_a_statement_that_embellishes_a_nodes_words_is_refused() -> None:
    body = stored([node.says() for node in NODES]).replace(b'"evicted"', b'"direct"', 1)
    with pytest.raises(StatementRefused, match="not what it signed"):
        examine(body, KNOWN, THREE)


def test_a_received_answer_needs_no_copies_and_may_claim_none() -> None:
    examine(answers.received(FACTS, []), KNOWN, THREE)
    sneaky = msgspec.json.decode(stored([node.says() for node in NODES]))
    sneaky["kind"] = "received"
    with pytest.raises(StatementRefused, match="may not claim copies"):
        examine(msgspec.json.encode(sneaky), KNOWN, THREE)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff", b'{"format":"other"}'])
def test_bytes_that_are_no_answer_are_refused(body: bytes) -> None:
    with pytest.raises(answers.AnswerUnreadable):
        examine(body, KNOWN, THREE)


def test_the_nodes_answer_inside_is_the_exact_bytes_that_were_signed() -> None:
    statement = NODES[0].says()
    copy = answers.read_answer(stored([statement])).copies
    assert copy is not None
    assert copy[0].signed() == statement.answer
    raw = base64.b64decode(copy[0].answer_base64)
    assert raw == statement.answer.signature + statement.answer.payload
