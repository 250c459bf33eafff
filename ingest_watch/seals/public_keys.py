"""Verify one signature by one public key: RSA (PKCS#1 v1.5 and PSS), ECDSA, Ed25519, SM2.

RFC 8017, FIPS 186-5, RFC 8032, GB/T 32918. RSA, ECDSA and Ed25519 are `cryptography`'s; SM2 is
sm2.py. An RSA signature names its own digest, so what is stated is not needed to verify it. Judges
neither certificates nor trust.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import keys as asn1_keys
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ingest_watch.seals.seal import SignedBytes, signed_bytes
from ingest_watch.seals.signature_algorithms import StatedAlgorithm
from ingest_watch.seals.sm2 import Sm2Key, sm2_key

# Ed25519 reads its message twice, so it is held whole, within what a confined reader may use.
WHOLE_BYTES_MAX = 16 * 1024 * 1024
_SM2_CURVE = "1.2.156.10197.1.301"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(), "sha1": hashes.SHA1(), "sha224": hashes.SHA224(),  # noqa: S303 - as signed
    "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512(),
    "sm3": hashes.SM3(),
}  # fmt: skip
# DER of the algorithm identifier's object identifier (RFC 8017 appendix B.1; GM/T 0006).
_DIGEST_IDENTIFIERS = {
    "md5": "06082a864886f70d0205", "sha1": "06052b0e03021a", "sha224": "0609608648016503040204",
    "sha256": "0609608648016503040201", "sha384": "0609608648016503040202",
    "sha512": "0609608648016503040203", "sm3": "06082a811ccf55018311",
}  # fmt: skip
_TRIED_WHERE_NONE_IS_STATED = ("sha256", "sha384", "sha512", "sha1")

# What asn1crypto and cryptography raise over bytes that a stranger made up (found by mutation).
PARSING_ERRORS = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError,
    UnsupportedAlgorithm,
)  # fmt: skip

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | Sm2Key


class KeyUnusable(Exception):
    """Nothing here can verify by this key; the text says why."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds."""

    key: str  # "RSA", "RSA-PSS", "ECDSA", "Ed25519", "SM2"
    digest: str | None  # normalised; None for Ed25519, which has its own

    @property
    def algorithm(self) -> str:
        """Return it as people write it."""
        return self.key if self.digest is None else f"{self.key} {self.digest.upper()}"


def public_key(subject_public_key_info: bytes) -> PublicKey:
    """Read a certificate's key; raises KeyUnusable."""
    try:
        information = asn1_keys.PublicKeyInfo.load(subject_public_key_info, strict=True)
        parameters = information["algorithm"]["parameters"]
        if information["algorithm"]["algorithm"].native == "ec" and (
            parameters.name == "named" and parameters.chosen.dotted == _SM2_CURVE
        ):
            return sm2_key(bytes(information["public_key"]))
        key = load_der_public_key(subject_public_key_info)
    except PARSING_ERRORS as error:
        raise KeyUnusable(f"{type(error).__name__}: {error}") from None
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return key
    raise KeyUnusable(type(key).__name__)


def verified(
    key: PublicKey, signature: bytes, message: SignedBytes, stated: StatedAlgorithm
) -> Verified | None:
    """Return how the signature holds over the message; None if it does not.

    Raises KeyUnusable when that cannot be found out.
    """
    try:
        match key:
            case rsa.RSAPublicKey():
                return _rsa(key, signature, message, stated)
            case ec.EllipticCurvePublicKey():
                return _ecdsa(key, signature, message, stated)
            case ed25519.Ed25519PublicKey():
                return _ed25519(key, signature, message)
            case Sm2Key():
                return _sm2(key, signature, message)
    except UnsupportedAlgorithm as error:
        raise KeyUnusable(str(error)) from None


def _rsa(
    key: rsa.RSAPublicKey, signature: bytes, message: SignedBytes, stated: StatedAlgorithm
) -> Verified | None:
    if stated.is_pss:
        return _pss(key, signature, message, stated)
    try:
        recovered = key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    except InvalidSignature:
        return None
    for digest, identifier in _DIGEST_IDENTIFIERS.items():
        if bytes.fromhex(identifier) in recovered[:24]:
            expected = _digest_informations(bytes.fromhex(identifier), message.digest(digest))
            return Verified("RSA", digest) if recovered in expected else None
    return None


def _digest_informations(identifier: bytes, digest: bytes) -> tuple[bytes, bytes]:
    """DigestInfo in DER, with and without the NULL parameters: nothing else is ever accepted."""
    octets = b"\x04" + bytes([len(digest)]) + digest

    def sequence(content: bytes) -> bytes:
        return b"\x30" + bytes([len(content)]) + content

    return sequence(sequence(identifier + b"\x05\x00") + octets), sequence(
        sequence(identifier) + octets
    )


def _pss(
    key: rsa.RSAPublicKey, signature: bytes, message: SignedBytes, stated: StatedAlgorithm
) -> Verified | None:
    for digest in _digests_to_try(stated):
        scheme = padding.PSS(padding.MGF1(_HASHES[digest]), padding.PSS.AUTO)
        try:
            key.verify(signature, message.digest(digest), scheme, Prehashed(_HASHES[digest]))
        except InvalidSignature:
            continue
        return Verified("RSA-PSS", digest)
    return None


def _ecdsa(
    key: ec.EllipticCurvePublicKey, signature: bytes, message: SignedBytes, stated: StatedAlgorithm
) -> Verified | None:
    for digest in _digests_to_try(stated):
        try:
            key.verify(signature, message.digest(digest), ec.ECDSA(Prehashed(_HASHES[digest])))
        except InvalidSignature:
            continue
        return Verified("ECDSA", digest)
    return None


def _digests_to_try(stated: StatedAlgorithm) -> Iterator[str]:
    yield from (stated.digest,) if stated.digest else _TRIED_WHERE_NONE_IS_STATED


def _ed25519(
    key: ed25519.Ed25519PublicKey, signature: bytes, message: SignedBytes
) -> Verified | None:
    content = message.whole(WHOLE_BYTES_MAX)
    if content is None:
        raise KeyUnusable(f"Ed25519 over more than {WHOLE_BYTES_MAX} bytes")
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return None
    return Verified("Ed25519", None)


def _sm2(key: Sm2Key, signature: bytes, message: SignedBytes) -> Verified | None:
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        if len(signature) != 64:
            return None
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    prefix = signed_bytes("", key.signer_prefix_input()).digest("sm3")
    holds = key.verifies(r, s, message.digest("sm3", prefix))
    return Verified("SM2", "sm3") if holds else None
