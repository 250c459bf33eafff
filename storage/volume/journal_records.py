"""Lines of a journal segment: how they are chained, and what a bad one means.

docs/formats/journal.md, "Line" and "Reading, tails and rot". Reads segments, changes nothing.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.volume.events import Member
from storage.volume.refusals import JournalRotten

FIRST_CHAIN = bytes(32)
PAYLOAD_BYTES_MAX = 65_536

_CHAIN_DIGITS = 64
_LINE_BYTES_MAX = _CHAIN_DIGITS + 1 + PAYLOAD_BYTES_MAX + 1
_A_RECORD = re.compile(rb'[0-9a-f]{64} (\{"sequence":[0-9]+,[^\n]*\})\n')

_payload_decoder = msgspec.json.Decoder(dict[str, Member])


@dataclass(frozen=True, slots=True)
class Record:
    """One good line."""

    sequence: int
    at: str
    kind: str
    members: dict[str, Member]  # without the three above
    segment: int
    offset: int  # where the line begins in its segment
    chain: bytes
    end: int = 0  # where the next line begins; 0 when it was not read from a file


@dataclass(frozen=True, slots=True)
class Bad:
    """The first line that does not fit."""

    offset: int
    is_rot: bool  # complete records follow it


def chain_after(previous: bytes, payload: bytes) -> bytes:
    """The chain hash of a record with this payload."""
    return hashlib.sha256(previous + payload).digest()


def encode_line(chain: bytes, payload: bytes) -> bytes:
    """One line as it is written."""
    assert len(payload) <= PAYLOAD_BYTES_MAX, "a record is at most 64 KiB"
    assert b"\n" not in payload, "a payload is one line"
    return chain.hex().encode() + b" " + payload + b"\n"


def read_records(
    path: Path, segment: int, offset: int, previous: bytes | None
) -> Iterator[Record | Bad]:
    """Every record from `offset` on; the last item is a Bad if one does not fit.

    `previous` is the chain hash before the first; None takes it from the segment's opening
    record, or at another offset believes the first line.
    """
    sequence: int | None = None
    with path.open("rb") as stream:
        stream.seek(offset)
        while line := stream.readline(_LINE_BYTES_MAX):
            record = parse(line, segment, offset)
            if record is None or not _fits(record, line, previous, sequence):
                yield Bad(offset, is_rot=_records_follow(path, offset))
                return
            yield record
            previous, sequence, offset = record.chain, record.sequence, record.end


def record_at(path: Path, segment: int, offset: int) -> Record:
    """The record that begins at `offset`. Raises JournalRotten if its line is not one."""
    with path.open("rb") as stream:
        stream.seek(offset)
        record = parse(stream.readline(_LINE_BYTES_MAX), segment, offset)
    if record is None:
        raise JournalRotten(f"{path} holds no record at byte {offset}")
    return record


def parse(line: bytes, segment: int, offset: int) -> Record | None:
    """The record that a line is, its chain unchecked; None if it is none."""
    if not line.endswith(b"\n") or line[_CHAIN_DIGITS : _CHAIN_DIGITS + 1] != b" ":
        return None
    try:
        chain = bytes.fromhex(line[:_CHAIN_DIGITS].decode("ascii"))
        members = _payload_decoder.decode(line[_CHAIN_DIGITS + 1 : -1])
        sequence, at, kind = members.pop("sequence"), members.pop("at"), members.pop("kind")
    except (ValueError, KeyError, msgspec.DecodeError):
        return None
    if line[:_CHAIN_DIGITS] != chain.hex().encode():
        return None  # capitals, or white space between the digits
    if not (isinstance(sequence, int) and isinstance(at, str) and isinstance(kind, str)):
        return None
    return Record(sequence, at, kind, members, segment, offset, chain, offset + len(line))


def _fits(record: Record, line: bytes, previous: bytes | None, sequence: int | None) -> bool:
    if sequence is not None and record.sequence != sequence + 1:
        return False
    if previous is None and record.offset > 0:
        return True
    if previous is None:
        previous = _previous_chain(record)
    elif record.offset == 0 and _previous_chain(record) != previous:
        return False
    if previous is None:
        return False
    return chain_after(previous, line[_CHAIN_DIGITS + 1 : -1]) == record.chain


def _previous_chain(record: Record) -> bytes | None:
    stated = record.members.get("previous_chain")
    if record.kind != "segment" or not isinstance(stated, str):
        return None
    try:
        return bytes.fromhex(stated)
    except ValueError:
        return None


def _records_follow(path: Path, offset: int) -> bool:
    """Whether a complete record begins anywhere behind the first byte of the bad one."""
    with path.open("rb") as stream:
        stream.seek(offset + 1)
        rest = stream.read(os.fstat(stream.fileno()).st_size)
    for match in _A_RECORD.finditer(rest):
        try:
            _payload_decoder.decode(match.group(1))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        return True
    return False
