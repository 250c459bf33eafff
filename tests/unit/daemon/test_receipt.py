"""`lantai receipt verify`: a true receipt holds, and every forgery is named."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.cli.main import run
from ingest_watch.answers import rejected
from storage.catalogue.model import AnswerKind
from storage.signing import SigningKey
from tests.answer_samples import (
    FACTS,
    NODES,
    NOTARY,
    body_of,
    said_by,
    stored_by,
    true_receipt,
)

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
        (lambda: stored_by(said_by("node-1"), said_by("node-2", version=2)), "copy on node-2"),
        (lambda: stored_by(said_by("node-1", object_id="lantai:x/y")), "copy on node-1"),
        (lambda: stored_by(said_by("node-1", says_node="node-2")), "copy on node-1"),
        (lambda: stored_by(replace(said_by("node-1"), node="node-2")), "copy on node-2"),
        (
            lambda: stored_by(said_by("node-1"), said_by("node-2", domain="room-node-1")),
            "copies",
        ),
        (stored_by, "copies"),
        (
            lambda: stored_by(said_by("node-1"), facts=replace(FACTS, identity="0" * 64)),
            "files",
        ),
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


def openssl(body: Path, signature: Path, key: Path) -> int:
    """The line of the README, word for word."""
    line = f"openssl pkeyutl -verify -pubin -inkey {key} -rawin -in {body} -sigfile {signature}"
    return subprocess.run(line.split(), check=False, capture_output=True).returncode


def flipped(content: bytes) -> bytes:
    return content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]


@pytest.mark.parametrize("kind", list(AnswerKind))
@pytest.mark.parametrize(
    "tamper",
    ["nothing", "body", "signature", "short signature", "empty signature", "key", "other answer"],
)
def test_openssl_and_receipt_verify_agree(tmp_path: Path, kind: AnswerKind, tamper: str) -> None:
    body = true = body_of(kind)
    signature, key = NOTARY.sign(body), NOTARY.verify_key
    match tamper:
        case "body":
            body = flipped(body)
        case "signature":
            signature = flipped(signature)
        case "short signature":
            signature = signature[:63]
        case "empty signature":
            signature = b""
        case "key":
            key = SigningKey.generate().verify_key
        case "other answer":
            body = body_of(kind, replace(FACTS, name="case-2"))
    paths = [tmp_path / name for name in ("a.json", "a.json.sig", "notary.pub.pem")]
    paths[0].write_bytes(body)
    paths[1].write_bytes(signature)
    key.save(paths[2])
    ours = run(["receipt", "verify", str(paths[0]), "--key", str(paths[2])])
    theirs = openssl(*paths)
    is_true = tamper == "nothing"
    assert (ours == 0, theirs == 0) == (is_true, is_true)
    assert (body == true and len(signature) == 64) or not is_true


def test_the_page_of_an_answer_is_not_taken_for_a_receipt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page lies beside the JSON and has no signature: nothing to verify, and it says so."""
    (tmp_path / "case-1.stored.html").write_text("<html>")
    assert run(["receipt", "verify", str(tmp_path / "case-1.stored.html")]) == 2
    assert "case-1.stored.json" in capsys.readouterr().err


def test_a_sample_of_a_rehearsal_is_no_receipt(verify: Verify) -> None:
    assert verify(true_receipt(replace(FACTS, rehearsal=True))) == 1
