"""`lantai receipt verify`: a true receipt holds, and every forgery is named."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from daemon.cli.main import run
from ingest_watch.answers import CopyStatement, TransferFacts, rejected, stored
from storage.file_list import identity
from storage.model import FileEntry, ObjectVersion, SignedAnswer, VerifyMode
from storage.node_answer import NodeAnswer
from storage.signing import SigningKey

FILES = [FileEntry("received/a.txt", 3, hashlib.sha256(b"abc").hexdigest(), None)]
VERSION = ObjectVersion("lantai:gov-portal/case-1", 1, "ab" * 32, 1, 3)
FACTS = TransferFacts(
    archive="示例市档案馆",
    source="gov-portal",
    name="case-1",
    transfer="t-1",
    at="2026-11-22T10:00:00Z",
    identifier="case-1",
    identity=identity(FILES),
    object_id=VERSION.object_id,
    file_count=1,
    content_bytes=3,
)
NODES = {f"node-{number}": SigningKey.generate() for number in (1, 2, 3)}
NOTARY = SigningKey.generate()


def said_by(node: str, says_node: str | None = None, **changes: object) -> CopyStatement:
    said = NodeAnswer(
        format="lantai.node-answer.v1",
        op_id="0" * 32,
        node=says_node or node,
        node_uuid="u",
        domain=f"room-{node}",
        object_id=VERSION.object_id,
        version=1,
        inventory_sha256=VERSION.inventory_sha256,
        file_count=1,
        content_bytes=3,
        verify_mode=VerifyMode.EVICTED,
        committed_at="2026-11-22T10:00:00Z",
        journal_sequence=7,
    )
    payload = msgspec.json.encode(msgspec.structs.replace(said, **changes))
    return CopyStatement(node, SignedAnswer(payload, NODES[node].sign(payload)))


Verify = Callable[..., int]


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    """Signs `body` as the notary, and verifies it with the keys of all nodes."""
    NOTARY.verify_key.save(tmp_path / "notary.pub.pem")

    def command(body: bytes, *more: str, signed: bytes | None = None) -> int:
        (tmp_path / "a.json").write_bytes(body)
        (tmp_path / "a.json.sig").write_bytes(NOTARY.sign(body if signed is None else signed))
        keys = [f"--node-key={name}={key.verify_key.hex()}" for name, key in NODES.items()]
        key = ["--key", str(tmp_path / "notary.pub.pem"), "--config", str(tmp_path / "absent")]
        return run(["receipt", "verify", str(tmp_path / "a.json"), *key, *(more or keys)])

    return command


def receipt(*copies: CopyStatement, facts: TransferFacts = FACTS) -> bytes:
    return stored(facts, [b"{}"], VERSION, FILES, copies)


def true_receipt() -> bytes:
    return receipt(*(said_by(node) for node in NODES))


def test_a_true_receipt_holds(verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(true_receipt()) == 0
    text = capsys.readouterr().out
    assert "3 copies in 3 failure domains" in text
    assert "有效" in text
    assert "?" not in text


def test_a_changed_byte_breaks_the_signature(
    verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    body = true_receipt()
    assert verify(body.replace(b"case-1", b"case-2"), signed=body) == 1
    assert "✗ signature" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("forged", "named"),
    [
        (lambda: receipt(said_by("node-1"), said_by("node-2", version=2)), "copy on node-2"),
        (lambda: receipt(said_by("node-1", object_id="lantai:x/y")), "copy on node-1"),
        (lambda: receipt(said_by("node-1", says_node="node-2")), "copy on node-1"),
        (lambda: receipt(replace(said_by("node-1"), node="node-2")), "copy on node-2"),
        (lambda: receipt(said_by("node-1"), said_by("node-2", domain="room-node-1")), "copies"),
        (receipt, "copies"),
        (lambda: receipt(said_by("node-1"), facts=replace(FACTS, identity="0" * 64)), "files"),
        (lambda: b'{"format": "other"}', "format"),
    ],
)
def test_a_forgery_the_notary_was_made_to_sign_is_named(
    verify: Verify,
    forged: Callable[[], bytes],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verify(forged()) == 1
    assert f"✗ {named}: " in capsys.readouterr().out


def test_a_node_whose_key_is_unknown_here_is_said_to_be_unchecked(
    verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    key = NODES["node-1"].verify_key.hex()
    assert verify(true_receipt(), f"--node-key=node-1={key}", "--json") == 0
    statements = json.loads(capsys.readouterr().out)["statements"]
    outcomes = {each["subject"]: each["outcome"] for each in statements}
    assert outcomes["copy on node-1"] == "passed"
    assert outcomes["copy on node-2"] == "could-not-run"


def test_a_rejection_is_verified_by_its_signature(
    verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(rejected(FACTS, [], [])) == 0
    assert "退回通知" in capsys.readouterr().out


def test_without_a_signature_or_a_key_it_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    assert run(["receipt", "verify", str(tmp_path / "a.json")]) == 2
    (tmp_path / "a.json.sig").write_bytes(b"")
    absent = ["--config", str(tmp_path / "absent")]
    assert run(["receipt", "verify", str(tmp_path / "a.json"), *absent]) == 2
