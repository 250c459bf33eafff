"""Signatures over bytes: held against keys, certificates, anchors and revocation lists."""

import base64
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from ingest_watch.seals.certificates import Certificate
from ingest_watch.seals.judging import judge_seal
from ingest_watch.seals.seal import Seal, SignedBytes, signed_bytes
from ingest_watch.seals.trust import NO_TRUST, Trust, trust_from_folder
from tests.certificates import (
    END,
    SIGNED_AT,
    START,
    Identity,
    ecdsa_key,
    ed25519_key,
    identity,
    openssl,
    revocation_list,
    rsa_key,
)

MESSAGE = b"<signed/>" * 1000
# Keys take a while to make; certificates over them do not.
RSA, ECDSA, ED25519, ROOT_KEY = rsa_key(), ecdsa_key(), ed25519_key(), ecdsa_key()
ROOT = identity("root", ROOT_KEY, is_authority=True)
SIGNER = identity("signer", RSA, ROOT)
TRUST = Trust((Certificate.read(ROOT.der),))


def rsa_signature(content: bytes = MESSAGE) -> bytes:
    return RSA.sign(content, padding.PKCS1v15(), hashes.SHA256())


def seal(
    value: bytes,
    *certificates: bytes,
    algorithm: str = "",
    signed_at: dt.datetime | None = SIGNED_AT,
    candidates: tuple[SignedBytes, ...] = (signed_bytes("the text", MESSAGE),),
) -> Seal:
    return Seal("签名1", "case.eep", value, certificates, algorithm, signed_at, candidates)


def codes(found: Seal, trust: Trust = TRUST) -> list[str]:
    return [finding.code for finding in judge_seal(found, trust)]


UNLISTED = "seal-revocation-unknown"


@pytest.mark.parametrize("algorithm", ["SHA256withRSA", "1.2.840.113549.1.1.11"])
def test_an_rsa_signature_holds_under_a_trusted_root(algorithm: str) -> None:
    good = seal(rsa_signature(), SIGNER.der, algorithm=algorithm)
    assert codes(good) == ["seal-valid", UNLISTED]


def test_an_rsa_signature_says_its_own_digest_where_only_rsa_is_stated() -> None:
    good = seal(rsa_signature(), SIGNER.der, algorithm="RSA")
    assert codes(good) == ["seal-valid", "seal-algorithm-loose", UNLISTED]


def test_a_pss_signature_holds() -> None:
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    value = RSA.sign(MESSAGE, scheme, hashes.SHA256())
    assert codes(seal(value, SIGNER.der, algorithm="RSASSA-PSS SHA-256"))[0] == "seal-valid"
    other = seal(value, SIGNER.der, algorithm="RSA PSS", candidates=(signed_bytes("", b""),))
    assert codes(other) == ["seal-invalid"]


def test_an_ecdsa_signature_holds_whether_or_not_its_digest_is_stated() -> None:
    signer = identity("signer", ECDSA, ROOT)
    value = ECDSA.sign(MESSAGE, ec.ECDSA(hashes.SHA384()))
    assert codes(seal(value, signer.der, algorithm="ECDSA-SHA384")) == ["seal-valid", UNLISTED]
    assert codes(seal(value, signer.der))[0] == "seal-valid"
    assert codes(seal(value, signer.der, algorithm="ECDSA-SHA256")) == ["seal-invalid"]


def test_an_ed25519_signature_holds() -> None:
    signer = identity("signer", ED25519, ROOT)
    good = seal(ED25519.sign(MESSAGE), signer.der, algorithm="Ed25519")
    assert codes(good) == ["seal-valid", UNLISTED]
    assert codes(seal(ED25519.sign(b"other"), signer.der)) == ["seal-invalid"]


def test_a_certificate_may_come_as_pem() -> None:
    assert codes(seal(rsa_signature(), SIGNER.pem, algorithm="SHA256withRSA"))[0] == "seal-valid"


def test_the_candidate_that_matched_is_named() -> None:
    candidates = (signed_bytes("the element", b"no"), signed_bytes("the text", MESSAGE))
    found = seal(rsa_signature(), SIGNER.der, algorithm="SHA256withRSA", candidates=candidates)
    (first, *_) = judge_seal(found, TRUST)
    assert "the text" in first.message
    assert "the element" not in first.message


def test_one_changed_byte_makes_a_signature_invalid_and_every_candidate_is_named() -> None:
    candidates = (signed_bytes("the element", b"no"), signed_bytes("the text", MESSAGE + b" "))
    found = seal(rsa_signature(), SIGNER.der, candidates=candidates)
    (only,) = judge_seal(found, TRUST)
    assert only.code == "seal-invalid"
    assert "the element, the text" in only.message


def test_another_key_makes_a_signature_invalid() -> None:
    other = identity("signer", rsa_key(), ROOT)
    assert codes(seal(rsa_signature(), other.der)) == ["seal-invalid"]


def test_the_signer_is_found_wherever_it_stands_among_the_certificates() -> None:
    assert codes(seal(rsa_signature(), ROOT.der, SIGNER.der, algorithm="SHA256withRSA"))[0] == (
        "seal-valid"
    )


def test_another_algorithm_than_stated_is_told() -> None:
    found = codes(seal(rsa_signature(), SIGNER.der, algorithm="SHA1withRSA"))
    assert "seal-algorithm-differs" in found


def test_a_signature_over_sha1_is_told_to_be_weak() -> None:
    value = RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA1())
    assert "seal-digest-weak" in codes(seal(value, SIGNER.der, algorithm="SHA1withRSA"))


def test_nothing_but_a_strict_digest_information_is_accepted_of_rsa() -> None:
    """Bytes behind the digest would let a small exponent forge (Bleichenbacher 2006)."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(MESSAGE)
    information = bytes.fromhex("3031300d060960864801650304020105000420") + digest.finalize()
    size = RSA.key_size // 8
    numbers = RSA.private_numbers()
    for tail, expected in ((b"", "seal-valid"), (b"\x00", "seal-invalid")):
        block = b"\x00\x01" + b"\xff" * (size - 3 - len(information + tail)) + b"\x00"
        padded = int.from_bytes(block + information + tail, "big")
        value = pow(padded, numbers.d, numbers.public_numbers.n).to_bytes(size, "big")
        assert codes(seal(value, SIGNER.der))[0] == expected


@pytest.mark.parametrize("form", [lambda text: text.encode(), bytes.fromhex])
def test_a_digest_in_place_of_a_signature_proves_nothing_and_is_told(form: object) -> None:
    assert callable(form)
    digest = hashes.Hash(hashes.MD5())
    digest.update(MESSAGE)
    value = form(digest.finalize().hex())
    (only,) = judge_seal(seal(value, algorithm="MD5"), TRUST)
    assert only.code == "seal-digest-only"
    assert "that of the text" in only.message
    (only,) = judge_seal(seal(form("00" * 16), algorithm="MD5"), TRUST)
    assert "it matches none" in only.message


def test_a_signature_without_certificate_or_value_is_refused() -> None:
    assert codes(seal(rsa_signature(), algorithm="RSA")) == ["seal-certificate-missing"]
    assert codes(seal(b"", SIGNER.der)) == ["seal-empty"]


def test_what_cannot_be_read_is_refused_and_never_raises() -> None:
    assert codes(seal(rsa_signature(), b"nonsense")) == ["seal-certificate-unreadable"]
    cms = bytes.fromhex("3010") + bytes.fromhex("06092a864886f70d010702") + b"\xa0\x03abc"
    assert codes(seal(cms)) == ["seal-unreadable"]


def damaged(content: bytes) -> Iterator[bytes]:
    """Every cut and every byte in turn, a few bits at a time."""
    for place in range(0, len(content), 5):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        yield bytes(changed)
    yield from (content[:length] for length in range(1, len(content), 41))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_no_damage_to_a_certificate_or_a_message_raises_or_passes_for_trusted() -> None:
    value = rsa_signature()
    for certificate in damaged(SIGNER.der):
        found = codes(seal(value, certificate, algorithm="SHA256withRSA"))
        assert found[0].startswith("seal-")
        assert found != ["seal-valid", UNLISTED]
    for message in damaged(cms(MESSAGE, options=[pkcs7.PKCS7Options.DetachedSignature])):
        assert codes(seal(message))[0].startswith(("seal-", "timestamp-"))


def test_a_kind_of_key_that_nothing_here_knows_is_refused() -> None:
    key = openssl("genpkey", "-algorithm", "ED448")
    request = openssl("req", "-x509", "-new", "-key", "/dev/stdin", "-subj", "/CN=a", content=key)
    found = seal(b"\x01" * 114, request)
    assert codes(found) == ["seal-algorithm-unknown"]


def test_without_anchors_a_signature_holds_and_is_not_trusted() -> None:
    good = seal(rsa_signature(), SIGNER.der, algorithm="SHA256withRSA")
    assert codes(good, NO_TRUST) == ["seal-valid", "seal-not-trusted"]


def test_a_chain_needs_every_link() -> None:
    middle_key = ecdsa_key()
    middle = identity("middle", middle_key, ROOT, is_authority=True)
    signer = identity("signer", RSA, middle)
    assert "seal-not-trusted" in codes(seal(rsa_signature(), signer.der))
    assert "seal-not-trusted" not in codes(seal(rsa_signature(), signer.der, middle.der))
    powerless = identity("middle", middle_key, ROOT)
    assert "seal-not-trusted" in codes(seal(rsa_signature(), signer.der, powerless.der))
    ended = identity("middle", middle_key, ROOT, is_authority=True, period=(START, START))
    assert "seal-not-trusted" in codes(seal(rsa_signature(), signer.der, ended.der))
    namesake = identity("middle", ecdsa_key(), ROOT, is_authority=True)
    assert "seal-not-trusted" in codes(seal(rsa_signature(), signer.der, namesake.der))


def test_an_issuer_of_the_anchors_name_with_another_key_is_not_trusted() -> None:
    forged_root = identity("root", ecdsa_key(), is_authority=True)
    signer = identity("signer", RSA, forged_root)
    assert "seal-not-trusted" in codes(seal(rsa_signature(), signer.der, forged_root.der))


def test_a_path_length_is_honoured() -> None:
    short = Identity(
        ROOT_KEY,
        x509.CertificateBuilder()
        .subject_name(ROOT.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(ROOT_KEY.public_key())
        .serial_number(5)
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(True, 0), critical=True)
        .sign(ROOT_KEY, hashes.SHA256()),
    )
    middle = identity("middle", ECDSA, short, is_authority=True)
    signer = identity("signer", RSA, middle)
    trust = Trust((Certificate.read(short.der),))
    assert "seal-not-trusted" in codes(seal(rsa_signature(), signer.der, middle.der), trust)


def test_an_unknown_critical_extension_is_not_trusted() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    signer = identity("signer", RSA, ROOT, extensions=((unknown, True),))
    assert "seal-not-trusted" in codes(seal(rsa_signature(), signer.der))


@pytest.mark.parametrize("moment", [START - dt.timedelta(days=1), END + dt.timedelta(1)])
def test_a_certificate_that_was_not_valid_when_it_signed_is_refused(
    moment: dt.datetime,
) -> None:
    assert "seal-certificate-not-valid" in codes(
        seal(rsa_signature(), SIGNER.der, signed_at=moment)
    )


def test_a_signature_without_a_time_is_told() -> None:
    assert "seal-time-none" in codes(seal(rsa_signature(), SIGNER.der, signed_at=None))


def test_a_certificate_for_something_else_is_told() -> None:
    usage = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    signer = identity("signer", RSA, ROOT, extensions=((usage, True),))
    assert "seal-certificate-purpose" in codes(seal(rsa_signature(), signer.der))


def test_a_certificate_that_was_revoked_before_it_signed_is_refused() -> None:
    good = seal(rsa_signature(), SIGNER.der, algorithm="SHA256withRSA")
    before, after = SIGNED_AT - dt.timedelta(1), SIGNED_AT + dt.timedelta(1)

    def with_list(encoded: bytes) -> list[str]:
        return codes(good, Trust(TRUST.anchors, (encoded,)))

    assert with_list(revocation_list(ROOT, SIGNER, before)) == [
        "seal-valid",
        "seal-certificate-revoked",
    ]
    assert with_list(revocation_list(ROOT, SIGNER, after)) == ["seal-valid"]
    assert with_list(revocation_list(ROOT, None, before)) == ["seal-valid"]


def test_a_revocation_list_that_its_issuer_did_not_sign_says_nothing() -> None:
    forger = identity("forger", ecdsa_key())
    forged = revocation_list(ROOT, SIGNER, START, signer=forger)
    good = seal(rsa_signature(), SIGNER.der, algorithm="SHA256withRSA")
    assert codes(good, Trust(TRUST.anchors, (forged,))) == ["seal-valid", UNLISTED]


def test_trust_is_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(ROOT.pem + SIGNER.pem)
    (tmp_path / "one.cer").write_bytes(ROOT.der)
    (tmp_path / "root.crl").write_bytes(revocation_list(ROOT, None, START))
    (tmp_path / "README.txt").write_text("what these are")
    trust = trust_from_folder(tmp_path)
    assert [each.subject for each in trust.anchors] == ["CN=root", "CN=root", "CN=signer"]
    assert len(trust.revocation_lists) == 1


@pytest.mark.parametrize("name", ["root.pem", "root.crl"])
def test_a_file_that_cannot_be_read_in_the_trust_folder_is_never_passed_over(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"-----BEGIN nonsense-----")
    with pytest.raises(ValueError, match=name):
        trust_from_folder(tmp_path)


def cms(content: bytes, *, options: list[pkcs7.PKCS7Options]) -> bytes:
    return (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(content)
        .add_signer(SIGNER.certificate, RSA, hashes.SHA256())
        .sign(Encoding.DER, [pkcs7.PKCS7Options.Binary, *options])
    )


@pytest.mark.parametrize(
    "options",
    [[], [pkcs7.PKCS7Options.DetachedSignature], [pkcs7.PKCS7Options.NoAttributes]],
    ids=["attached", "detached", "without-attributes"],
)
def test_a_cms_signature_holds_over_its_content_only(options: list[pkcs7.PKCS7Options]) -> None:
    value = cms(MESSAGE, options=options)
    at = dt.datetime.now(dt.UTC)
    assert codes(seal(value, signed_at=at)) == ["seal-valid", UNLISTED]
    other = seal(value, candidates=(signed_bytes("the text", MESSAGE[:-1]),))
    assert codes(other) == ["seal-invalid"]


def test_a_cms_signature_whose_attributes_were_changed_is_invalid() -> None:
    value = bytearray(cms(MESSAGE, options=[pkcs7.PKCS7Options.DetachedSignature]))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(MESSAGE)
    held = digest.finalize()
    other = hashes.Hash(hashes.SHA256())
    other.update(b"forged")
    value[value.index(held) : value.index(held) + 32] = other.finalize()
    forged = seal(bytes(value), candidates=(signed_bytes("the text", b"forged"),))
    assert codes(forged) == ["seal-invalid"]


def test_openssl_agrees_that_a_cms_signature_holds(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("key", "cert", "root", "cms", "content")}
    files["root"].write_bytes(ROOT.pem)
    files["cms"].write_bytes(cms(MESSAGE, options=[pkcs7.PKCS7Options.DetachedSignature]))
    files["content"].write_bytes(MESSAGE)
    openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", files["cms"], "-content",
        files["content"], "-CAfile", files["root"], "-purpose", "any", "-out", tmp_path / "out",
    )  # fmt: skip
    assert base64.b64encode((tmp_path / "out").read_bytes()) == base64.b64encode(MESSAGE)
