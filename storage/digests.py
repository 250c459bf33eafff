"""SHA-256 of files and streams: the digest that every inventory, receipt and answer names.

FIPS 180-4; OCFL 1.1 section 3.5.1 allows it as content digest. Reads through the page cache, so
what it says of a file proves nothing about the medium: that is storage.medium's affair.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

# One mebibyte: large enough that the interpreter is not the cost, small enough to stay in cache.
CHUNK_BYTES = 1024 * 1024


def sha256_of_file(path: Path, *, chunk_bytes: int = CHUNK_BYTES) -> str:
    """The digest of the whole file in lower-case hexadecimal. Raises OSError as it comes."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(chunk_bytes))
    with path.open("rb", buffering=0) as stream:
        while read_bytes := stream.readinto(buffer):
            digest.update(buffer[:read_bytes])
    return digest.hexdigest()


def sha256_of(chunks: Iterable[bytes | memoryview]) -> str:
    """The digest of everything that `chunks` yields, in order."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
