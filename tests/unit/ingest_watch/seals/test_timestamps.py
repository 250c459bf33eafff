"""RFC 3161 timestamps made by openssl, and held against a second implementation."""

import datetime as dt
from pathlib import Path

import pytest
import rfc3161_client
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ingest_watch.seals.certificates import Certificate
from ingest_watch.seals.judging import judge_seal
from ingest_watch.seals.seal import Seal, signed_bytes
from ingest_watch.seals.trust import Trust
from tests.certificates import Identity, identity, openssl, rsa_key, timestamping

MESSAGE = "被签名对象".encode() * 1000
PERIOD = (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2040, 1, 1, tzinfo=dt.UTC))
CONFIGURATION = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
"""


class Authority:
    """A timestamp authority in a folder, its root, and what it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = identity("root", rsa_key(), is_authority=True, period=PERIOD)
        self.signer = identity(
            "authority", rsa_key(), self.root, period=PERIOD, extensions=(timestamping(),)
        )
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
        (folder / "serial").write_text("01\n")

    def response(self, content: bytes, signer: Identity | None = None) -> bytes:
        signer = signer or self.signer
        (self.folder / "content").write_bytes(content)
        (self.folder / "signer.pem").write_bytes(signer.pem)
        (self.folder / "signer.key").write_bytes(
            signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        openssl("ts", "-query", "-data", self.folder / "content", "-sha256", "-cert", "-no_nonce",
                "-out", self.folder / "query")  # fmt: skip
        openssl("ts", "-reply", "-config", self.folder / "tsa.cnf", "-queryfile",
                self.folder / "query", "-signer", self.folder / "signer.pem", "-inkey",
                self.folder / "signer.key", "-out", self.folder / "response")  # fmt: skip
        return (self.folder / "response").read_bytes()

    def token(self, content: bytes) -> bytes:
        self.response(content)
        return openssl("ts", "-reply", "-in", self.folder / "response", "-token_out")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa"))


def codes(authority: Authority, value: bytes, content: bytes = MESSAGE) -> list[str]:
    seal = Seal("时间戳", "a", value, (), "", None, (signed_bytes("the text", content),))
    trust = Trust((Certificate.read(authority.root.der),))
    return [finding.code for finding in judge_seal(seal, trust)]


HOLDS = ["timestamp-valid", "seal-revocation-unknown"]


def test_a_response_and_its_token_hold(authority: Authority) -> None:
    assert codes(authority, authority.response(MESSAGE)) == HOLDS
    assert codes(authority, authority.token(MESSAGE)) == HOLDS


def test_a_timestamp_of_something_else_does_not_hold(authority: Authority) -> None:
    assert codes(authority, authority.token(MESSAGE), MESSAGE + b".") == ["timestamp-invalid"]


def test_a_changed_token_does_not_hold(authority: Authority) -> None:
    token = authority.token(MESSAGE)
    for place in (token.rindex(b"\x04\x20"), len(token) - 20):
        changed = bytearray(token)
        changed[place + 5] ^= 1
        assert codes(authority, bytes(changed)) != HOLDS


def test_a_token_with_the_imprint_of_other_content_does_not_hold(authority: Authority) -> None:
    """The imprint is exchanged in place; nothing but the signature can tell."""
    token, other = authority.token(MESSAGE), signed_bytes("", b"forged").digest("sha256")
    held = signed_bytes("", MESSAGE).digest("sha256")
    assert codes(authority, token.replace(held, other), b"forged") == ["timestamp-invalid"]


def test_a_timestamp_of_an_authority_that_nobody_trusts_is_told(authority: Authority) -> None:
    value = authority.response(MESSAGE)
    seal = Seal("时间戳", "a", value, (), "", None, (signed_bytes("the text", MESSAGE),))
    found = list(judge_seal(seal, Trust()))
    assert [finding.code for finding in found] == ["timestamp-valid", "seal-not-trusted"]


def test_another_implementation_agrees(authority: Authority) -> None:
    value = authority.response(MESSAGE)
    verifier = (
        rfc3161_client.VerifierBuilder()
        .add_root_certificate(authority.root.certificate)
        .tsa_certificate(authority.signer.certificate)
        .build()
    )
    response = rfc3161_client.decode_timestamp_response(value)
    assert verifier.verify_message(response, MESSAGE)
    with pytest.raises(rfc3161_client.VerificationError):
        verifier.verify_message(response, MESSAGE + b".")
