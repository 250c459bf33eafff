"""One page of the chronicle: rows of the ledger as bytes, and the chain over its events.

docs/formats/chronicle.md. Written by whoever tells the nodes, taken apart by nodes (for receipts)
and by whoever rebuilds a catalogue. Knows rows by table and member only; what they mean is the
catalogue's affair.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from storage.errors import Refusal

# Packed; in base64 it fits into one record of a journal (64 KiB).
PAGE_BYTES_MAX = 45_000
# Unpacked; a page that claims more is no page.
ROWS_BYTES_MAX = 4 * 1024 * 1024
FIRST_CHAIN = "0" * 64
# Longer text of an answer travels in slices of its own.
SLICE_BYTES = 32 * 1024
SLICES = "answer_slices"

Value = str | int | None | dict[str, str]

# What the chain is over, for ever: a member that events get later stays outside.
EVENT_MEMBERS = (
    "sequence", "at", "who", "origin", "act", "outcome",
    "transfer_id", "package_id", "node", "detail",
)  # fmt: skip


class PageMalformed(Refusal):
    """The bytes are no page of the chronicle."""

    code: ClassVar[str] = "told-malformed"


@dataclass(frozen=True, slots=True)
class Position:
    """How much of the ledger has been told: events and answers up to these numbers."""

    event_sequence: int = 0
    answer_id: int = 0
    chain: str = FIRST_CHAIN  # over all events up to there


@dataclass(frozen=True, slots=True)
class Row:
    """One row of one table. Bytes are {"text": …} or {"base64": …}."""

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Page:
    """What is told at once. A page of slices ends where it begins."""

    after: Position
    upto: Position
    as_of: int  # sequence of the last event when the rows were read: of two images the later counts
    body: bytes  # packed rows


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    table: str
    row: dict[str, Value]


_lines = msgspec.json.Decoder(_Line)


def pack(rows: Iterable[Row]) -> bytes:
    """JSON Lines under zlib (RFC 1950): receipts are much alike."""
    lines = (msgspec.json.encode(_Line(row.table, dict(row.values))) for row in rows)
    return zlib.compress(b"\n".join(lines), 6)


def unpack(body: bytes) -> Iterator[Row]:
    """The rows of a page. Raises PageMalformed."""
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(body, ROWS_BYTES_MAX)
        if not unpacking.eof:
            raise PageMalformed("the page is cut off, or too long")
        for line in text.splitlines():
            read = _lines.decode(line)
            yield Row(read.table, read.row)
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PageMalformed(f"the page cannot be read: {error}") from error


def chain_after(chain: str, events: Iterable[Mapping[str, Value]]) -> str:
    """The chain hash behind these events, in their order."""
    for event in events:
        members = {name: event[name] for name in EVENT_MEMBERS}
        said = msgspec.json.encode(members)
        chain = hashlib.sha256(bytes.fromhex(chain) + said).hexdigest()
    return chain
