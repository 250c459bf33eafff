"""The digest algorithms an OCFL inventory may name, and how to compute them in one pass.

OCFL 1.1 section 3.4 (md5, sha1, sha256, sha512, blake2b-512) and community extension 0009 (the
other BLAKE2b lengths, sha512/256 and `size`). Reads no file: callers feed it chunks.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

CONTENT_ALGORITHMS = ("sha512", "sha256")


class RunningDigest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Size:
    """`size` of extension 0009: the number of bytes, in decimal."""

    def __init__(self) -> None:
        self._size_bytes = 0

    def update(self, data: bytes, /) -> None:
        self._size_bytes += len(data)

    def hexdigest(self) -> str:
        return str(self._size_bytes)


@dataclass(frozen=True, slots=True)
class DigestAlgorithm:
    name: str
    start: Callable[[], RunningDigest]
    form: re.Pattern[str]  # what a value of this algorithm looks like, in either case

    def fits(self, digest: str) -> bool:
        return self.form.fullmatch(digest) is not None


def _hexadecimal(name: str, digits: int, start: Callable[[], RunningDigest]) -> DigestAlgorithm:
    return DigestAlgorithm(name, start, re.compile(f"[0-9a-fA-F]{{{digits}}}"))


ALGORITHMS: dict[str, DigestAlgorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        _hexadecimal("sha512", 128, hashlib.sha512),
        _hexadecimal("sha256", 64, hashlib.sha256),
        _hexadecimal("sha1", 40, partial(hashlib.sha1, usedforsecurity=False)),
        _hexadecimal("md5", 32, partial(hashlib.md5, usedforsecurity=False)),
        _hexadecimal("blake2b-512", 128, hashlib.blake2b),
        _hexadecimal("blake2b-160", 40, partial(hashlib.blake2b, digest_size=20)),
        _hexadecimal("blake2b-256", 64, partial(hashlib.blake2b, digest_size=32)),
        _hexadecimal("blake2b-384", 96, partial(hashlib.blake2b, digest_size=48)),
        _hexadecimal("sha512/256", 64, partial(hashlib.new, "sha512_256")),
        DigestAlgorithm("size", _Size, re.compile(r"0|[1-9][0-9]*", re.ASCII)),
    )
}


def digests_of(chunks: Iterable[bytes], names: Iterable[str]) -> dict[str, str]:
    """Every named digest of one stream, lower case, in a single pass over it."""
    running = {name: ALGORITHMS[name].start() for name in names}
    for chunk in chunks:
        for digest in running.values():
            digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in running.items()}


def digest_of_text(text: str, name: str) -> str:
    return digests_of([text.encode("utf-8")], [name])[name]
