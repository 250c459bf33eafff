"""Tell whether a zip is what a digest of unnamed algorithm says, and which algorithm it was.

DA/T 70-2018 item 1-1; docs/formats/case-batch.md. 64 hexadecimal digits are SM3 or SHA-256 and
cannot be told apart by looking, so both are tried. Digests that staging has not taken are computed
from the staged copy.
"""

import base64
import binascii
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from ingest_watch.algorithms import KNOWN, new_hasher

_PIECE_BYTES = 1024 * 1024
# By the digest's length in bytes; SM3 first, because it is what the rules ask for.
_ALGORITHMS = {
    16: ("md5",),
    20: ("sha1",),
    32: ("sm3", "sha256"),
    48: ("sha384",),
    64: ("sha512",),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A digest as stated, and what it may be."""

    value: str  # lower-case hexadecimal
    algorithms: tuple[str, ...]


def claim_of(stated: str) -> Claim | None:
    """Read a stated digest, hexadecimal or base64; None if it is neither of a known length."""
    for decode in (bytes.fromhex, _from_base64):
        try:
            digest = decode(stated)
        except (ValueError, binascii.Error):
            continue
        algorithms = tuple(name for name in _ALGORITHMS.get(len(digest), ()) if name in KNOWN)
        if algorithms:
            return Claim(digest.hex(), algorithms)
    return None


def matching(
    claim: Claim, known: dict[str, str], opened: Callable[[], AbstractContextManager[BinaryIO]]
) -> str | None:
    """Return the algorithm under which the claim holds.

    `known` are digests that were taken already; for any other the file is `opened` and read.
    """
    for algorithm in claim.algorithms:
        actual = known.get(algorithm)
        if actual is None:
            with opened() as stream:
                actual = _digest(stream, algorithm)
        if actual == claim.value:
            return algorithm
    return None


def _digest(stream: BinaryIO, algorithm: str) -> str:
    hasher = new_hasher(algorithm)
    while piece := stream.read(_PIECE_BYTES):
        hasher.update(memoryview(piece))
    return hasher.hexdigest()


def _from_base64(stated: str) -> bytes:
    return base64.b64decode(stated, validate=True)
