"""What a stated signature algorithm means, whether it is an object identifier or somebody's words.

RFC 8017, RFC 5758, RFC 8410, GM/T 0006 (object identifiers). Senders write "RSA", "SM3withSM2",
"SHA256WithRSAEncryption", "1.2.156.10197.1.501": each gives a kind of key, a digest, both or none.
"""

import re
from dataclasses import dataclass
from typing import Literal

KeyKind = Literal["rsa", "ecdsa", "sm2", "ed25519"]

_OBJECT_IDENTIFIERS = {
    "1.2.840.113549.1.1.1": "rsa", "1.2.840.113549.1.1.4": "rsa md5",
    "1.2.840.113549.1.1.5": "rsa sha1", "1.2.840.113549.1.1.10": "rsa pss",
    "1.2.840.113549.1.1.11": "rsa sha256", "1.2.840.113549.1.1.12": "rsa sha384",
    "1.2.840.113549.1.1.13": "rsa sha512", "1.2.840.113549.1.1.14": "rsa sha224",
    "1.2.840.10045.2.1": "ecdsa", "1.2.840.10045.4.1": "ecdsa sha1",
    "1.2.840.10045.4.3.1": "ecdsa sha224", "1.2.840.10045.4.3.2": "ecdsa sha256",
    "1.2.840.10045.4.3.3": "ecdsa sha384", "1.2.840.10045.4.3.4": "ecdsa sha512",
    "1.3.101.112": "ed25519",
    "1.2.156.10197.1.301": "sm2", "1.2.156.10197.1.301.1": "sm2 sm3",
    "1.2.156.10197.1.501": "sm2 sm3", "1.2.156.10197.1.504": "rsa sm3",
    "1.2.156.10197.1.401": "sm3",
    "1.2.840.113549.2.5": "md5", "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224", "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
}  # fmt: skip
_DIGEST = re.compile(r"md5|sm3|sha(?:1|224|256|384|512)")
_KEYS: tuple[tuple[str, KeyKind], ...] = (
    ("sm2", "sm2"), ("rsa", "rsa"), ("ed25519", "ed25519"), ("ecdsa", "ecdsa"), ("ecc", "ecdsa"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatedAlgorithm:
    """What was said; None where nothing was."""

    key: KeyKind | None = None
    digest: str | None = None  # normalised (algorithms.py)
    is_pss: bool = False


def stated_algorithm(text: str) -> StatedAlgorithm:
    """Read what a sender, a certificate or a CMS message states."""
    plain = text.strip().lower()
    plain = _OBJECT_IDENTIFIERS.get(plain, plain)
    plain = re.sub(r"[-_/\s]", "", plain)
    digest = _DIGEST.search(plain)
    key = next((kind for word, kind in _KEYS if word in plain), None)
    return StatedAlgorithm(key, digest.group() if digest else None, "pss" in plain)
