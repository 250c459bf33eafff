"""Digest algorithms that manifests may name, and which of them one package asks for.

RFC 8493 section 2.4 (normalised names: lower case, letters and digits only); DA/T 70 1-1. SHA-256
is always taken, by storage.blocks; this module only adds what a sender's manifests need besides.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

# Normalised name → hashlib's. Also the digest columns of a listing, so a name here is for ever.
_CANDIDATES = {
    "md5": "md5",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha512224": "sha512_224",
    "sha512256": "sha512_256",
    "sha3224": "sha3_224",
    "sha3256": "sha3_256",
    "sha3384": "sha3_384",
    "sha3512": "sha3_512",
    "blake2b": "blake2b",
    "blake2s": "blake2s",
    "sm3": "sm3",
}
KNOWN = {name: ours for name, ours in _CANDIDATES.items() if ours in hashlib.algorithms_available}
# Still proof against accidents, no longer against intent.
WEAK = frozenset({"md5", "sha1"})
_ALIASES = {"blake2b512": "blake2b", "blake2s256": "blake2s"}


class Hasher(Protocol):
    """What hashlib's objects can do."""

    def update(self, data: memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


def normalised(name: str) -> str:
    """Return the algorithm's normalised name: `SHA-256` and `sha256` are one."""
    plain = "".join(
        character for character in name.lower() if character.isascii() and character.isalnum()
    )
    return _ALIASES.get(plain, plain)


def new_hasher(algorithm: str) -> Hasher:
    """Start a digest by its normalised name, which must be one of KNOWN."""
    return hashlib.new(KNOWN[algorithm], usedforsecurity=False)


def digest_hexadecimal_digits(algorithm: str) -> int:
    """Return how many hexadecimal digits a digest has."""
    return 2 * hashlib.new(KNOWN[algorithm], usedforsecurity=False).digest_size


@dataclass(frozen=True, slots=True)
class WantedDigests:
    """Which algorithms each file of one package needs, known before its bytes are read."""

    # (prefix of the path, algorithms): the first prefix that fits decides.
    rules: tuple[tuple[str, frozenset[str]], ...] = ()

    def algorithms_of(self, path: str) -> frozenset[str]:
        """Return the algorithms, besides SHA-256, that the file at `path` needs."""
        for prefix, algorithms in self.rules:
            if path.startswith(prefix):
                return algorithms
        return frozenset()


def wanted(*rules: tuple[str, Iterable[str]]) -> WantedDigests:
    """Build the plan; unknown algorithms are left out, for nobody can compute them."""
    return WantedDigests(
        tuple(
            (prefix, frozenset(name for name in names if name in KNOWN and name != "sha256"))
            for prefix, names in rules
        )
    )
