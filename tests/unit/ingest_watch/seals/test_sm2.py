"""SM2 with SM3, held against what openssl makes."""

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ingest_watch.seals.certificates import Certificate
from ingest_watch.seals.judging import judge_seal
from ingest_watch.seals.seal import Seal, signed_bytes
from ingest_watch.seals.sm2 import sm2_key
from ingest_watch.seals.trust import Trust
from tests.certificates import Sm2Authority

MESSAGE = "封装包".encode() * 100


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Sm2Authority:
    return Sm2Authority(tmp_path_factory.mktemp("sm2"))


def codes(authority: Sm2Authority, value: bytes, content: bytes = MESSAGE) -> list[str]:
    # openssl's certificates begin when they are made.
    at = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    candidates = (signed_bytes("the text", content),)
    seal = Seal("签名1", "a", value, (authority.signer,), "SM3withSM2", at, candidates)
    trust = Trust((Certificate.read(authority.root),))
    return [finding.code for finding in judge_seal(seal, trust)]


def test_an_sm2_signature_holds_under_an_sm2_root(authority: Sm2Authority) -> None:
    assert codes(authority, authority.sign(MESSAGE)) == ["seal-valid", "seal-revocation-unknown"]


def test_an_sm2_signature_may_be_two_plain_numbers(authority: Sm2Authority) -> None:
    r, s = decode_dss_signature(authority.sign(MESSAGE))
    value = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert codes(authority, value)[0] == "seal-valid"


def test_twenty_sm2_signatures_hold_and_none_over_another_message(
    authority: Sm2Authority,
) -> None:
    for number in range(20):
        content = f"message {number}".encode()
        value = authority.sign(content)
        assert codes(authority, value, content)[0] == "seal-valid"
        assert codes(authority, value, content + b".") == ["seal-invalid"]


def test_an_sm2_certificate_is_only_verified_by_its_issuer(authority: Sm2Authority) -> None:
    root, signer = Certificate.read(authority.root), Certificate.read(authority.signer)
    assert signer.was_signed_by(root)
    assert root.was_signed_by(root)
    assert not root.was_signed_by(signer)


@pytest.mark.parametrize(
    "value", [b"", b"\x00" * 64, b"\xff" * 64, b"\x30\x06\x02\x01\x00\x02\x01\x00"]
)
def test_numbers_out_of_range_are_no_signature(authority: Sm2Authority, value: bytes) -> None:
    assert codes(authority, value)[0] in {"seal-invalid", "seal-empty"}


@pytest.mark.parametrize("encoded", [b"", b"\x04" + b"\x01" * 64, b"\x02" + b"\x01" * 32])
def test_a_point_that_is_not_on_the_curve_is_no_key(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="point"):
        sm2_key(encoded)
