"""Keys that are the same in every run: Ed25519 private keys made of names."""

import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.signing import SigningKey, VerifyKey


@cache
def signing_key(name: str) -> SigningKey:
    """The key of whoever is called so. No secret: simulated archives alone use it."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


@cache
def verify_key(name: str) -> VerifyKey:
    return signing_key(name).verify_key


@cache
def verify_key_hex(name: str) -> str:
    return verify_key(name).hex()
