"""The digest of an audit: which bytes go into it, in which order, with which frames.

docs/wire/audit.md, "The answer, byte for byte". The nonce comes first in everything, so that no
part of an answer can be prepared before the question. Values only: answer.py reads the disk.
"""

import hashlib
from dataclasses import dataclass

from storage.model import BLOCK_BYTES

NONCE_BYTES = 32
# Files up to here are read whole, whatever is asked.
WHOLE_BYTES_MAX = 64 * 1024 * 1024
BLOCKS_MAX = 1024

_WHOLE = b"\x00"
_SAMPLED = b"\x01"
_UNREADABLE = b"\x02"
_OBJECT = b"\x10"
_SAMPLING = b"\x20"


@dataclass(frozen=True, slots=True)
class Question:
    """What one audit asks of every holder."""

    object_id: str
    version: int
    nonce: bytes
    blocks: int  # of a large file; 0: all of it

    def __post_init__(self) -> None:
        assert len(self.nonce) == NONCE_BYTES, "a nonce has 32 bytes"
        assert 0 <= self.blocks <= BLOCKS_MAX, "a sample is small"


class FileFrame:
    """One file's part of the digest; `update` with its body, then `finish` with its size."""

    def __init__(self, question: Question, path: str, *, is_sampled: bool = False) -> None:
        kind = _SAMPLED if is_sampled else _WHOLE
        self._digest = hashlib.sha256(question.nonce + kind + _text(path))
        self._is_sampled = is_sampled

    def block(self, index: int, data: memoryview | bytes) -> None:
        """One sampled block, its number before it."""
        assert self._is_sampled, "only samples have numbers"
        self._digest.update(_number(index))
        self._digest.update(data)

    def update(self, data: memoryview | bytes) -> None:
        """The next bytes of a whole file."""
        assert not self._is_sampled, "a sample's blocks have numbers"
        self._digest.update(data)

    def finish(self, size_bytes: int) -> bytes:
        """The file's digest: 32 bytes."""
        self._digest.update(_number(size_bytes))
        return self._digest.digest()


def unreadable(question: Question, path: str) -> bytes:
    """The part of a file that the disk does not give."""
    return hashlib.sha256(question.nonce + _UNREADABLE + _text(path) + _number(0)).digest()


class ObjectFrame:
    """All files of an object, one after the other."""

    def __init__(self, question: Question) -> None:
        begin = question.nonce + _OBJECT + _text(question.object_id) + _number(question.version)
        self._digest = hashlib.sha256(begin)
        self.file_count = 0

    def add(self, file_digest: bytes) -> None:
        """The next file, in the order of docs/wire/audit.md."""
        assert len(file_digest) == hashlib.sha256().digest_size
        self._digest.update(file_digest)
        self.file_count += 1

    def finish(self) -> str:
        """The answer, 64 hexadecimal digits."""
        self._digest.update(_number(self.file_count))
        return self._digest.hexdigest()


def is_sampled(question: Question, size_bytes: int) -> bool:
    """Whether a file of this size is audited by some of its blocks alone."""
    if question.blocks == 0 or size_bytes <= WHOLE_BYTES_MAX:
        return False
    return -(-size_bytes // BLOCK_BYTES) > question.blocks


def sampled_blocks(question: Question, path: str, size_bytes: int) -> list[int]:
    """The numbers of the blocks to read, ascending; nobody knows them before the nonce."""
    count = -(-size_bytes // BLOCK_BYTES)
    assert 0 < question.blocks < count, "a smaller file is read whole"
    begin = question.nonce + _SAMPLING + _text(path) + _number(size_bytes)
    chosen: set[int] = set()
    turn = 0
    while len(chosen) < question.blocks:
        drawn = hashlib.sha256(begin + _number(turn)).digest()
        for place in range(0, len(drawn), 8):
            if len(chosen) < question.blocks:
                chosen.add(int.from_bytes(drawn[place : place + 8], "big") % count)
        turn += 1
    return sorted(chosen)


def _text(text: str) -> bytes:
    # A damaged inventory may name what is not UTF-8; it must still give some answer.
    data = text.encode("utf-8", "surrogatepass")
    return _number(len(data)) + data


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big")
