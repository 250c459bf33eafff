"""The set of paths that may lie in an object, at eight bytes a path.

A package has up to a million files, and a sweep must say which of those on the disk nobody named.
Paths are kept as keyed 64-bit digests: with the key drawn anew for each object nobody can plant a
file whose digest falls together with another's. Knows nothing of OCFL.
"""

import hashlib
import secrets
from array import array
from bisect import bisect_left


class ExpectedPaths:
    """Filled with files, then sealed, then asked."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)
        self._files = array("Q")
        self._folders = array("Q")
        self._last_folder = ""

    def add_file(self, path: str) -> None:
        """A file may lie here, and folders on the way to it."""
        self._files.append(self._digest(path))
        folder = path.rpartition("/")[0]
        # Files of one folder mostly come together; repetitions cost eight bytes and no more.
        if folder == self._last_folder:
            return
        self._last_folder = folder
        while folder:
            self._folders.append(self._digest(folder))
            folder = folder.rpartition("/")[0]

    def seal(self) -> None:
        """No more comes; from now on it may be asked."""
        self._files = array("Q", sorted(self._files))
        self._folders = array("Q", sorted(self._folders))

    def has_file(self, path: str) -> bool:
        """Whether a file of this path was added."""
        return _holds(self._files, self._digest(path))

    def has_folder(self, path: str) -> bool:
        """Whether a file somewhere below this path was added."""
        return _holds(self._folders, self._digest(path))

    def _digest(self, path: str) -> int:
        # A name on the disk need not be UTF-8: surrogates stand for its bytes.
        data = path.encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._key).digest(), "big")


def _holds(digests: "array[int]", digest: int) -> bool:
    position = bisect_left(digests, digest)
    return position < len(digests) and digests[position] == digest
