"""A seal as a package carries it, and the bytes that it may have been made over.

DA/T 70-2018 item 1-1 (固化信息有效性). Formats make these values, judging.py judges them. Where a
standard leaves open which bytes are signed, a seal names several candidates, and the judgement says
which one matched. Bytes are read as a stream, as often as there are digests to take, never held.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from ingest_watch.algorithms import KNOWN


class SignedBytes:
    """One reading of what was signed. Each digest is taken once, however often it is asked for."""

    def __init__(
        self, name: str, pieces: Callable[[], Iterable[bytes]], *, has_boundaries: bool = True
    ) -> None:
        self.name = name  # for people: "the element as received"
        # Whether these bytes also say where one text ends and the next begins.
        self.has_boundaries = has_boundaries
        self._pieces = pieces
        self._digests: dict[tuple[str, bytes], bytes] = {}

    def digest(self, algorithm: str, prefix: bytes = b"") -> bytes:
        """Return the digest over `prefix` and these bytes, by the algorithm's normalised name."""
        key = algorithm, prefix
        if key not in self._digests:
            hasher = hashlib.new(KNOWN[algorithm], prefix, usedforsecurity=False)
            for piece in self._pieces():
                hasher.update(piece)
            self._digests[key] = hasher.digest()
        return self._digests[key]

    def whole(self, bytes_max: int) -> bytes | None:
        """Return all of it, or None if that is more than `bytes_max`."""
        held = bytearray()
        for piece in self._pieces():
            held += piece
            if len(held) > bytes_max:
                return None
        return bytes(held)


def signed_bytes(name: str, content: bytes) -> SignedBytes:
    """Return bytes that are at hand as what was signed."""
    return SignedBytes(name, lambda: (content,))


@dataclass(frozen=True, slots=True)
class Seal:
    """One signature or timestamp."""

    place: str  # where it stands, for people
    path: str  # the file it stands in, relative to the package
    value: bytes  # the signature itself: raw, DER, a CMS message or a timestamp token
    certificates: tuple[bytes, ...]  # as sent beside it, DER or PEM
    algorithm: str  # as stated; "" for not at all
    signed_at: datetime | None  # as stated, with a zone
    candidates: tuple[SignedBytes, ...]  # the likeliest first
