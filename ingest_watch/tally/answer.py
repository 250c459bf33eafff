"""What a source is told of its dispatch note: `lantai.tally.v1` of docs/formats/tally.md. Pure.

The api and the command line tell the same members. The schema that ships is published.py's.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from storage.catalogue.dispatch_notes import GapEntry, Note

GAP_MAX = 1000
_NAME_BYTES_MAX = 240
ENDING = b".tally.json"

Kind = Literal["missing", "different", "surplus", "under-way"]


class TallyCounts(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How many packages are in which state."""

    matched: int
    under_way: int
    missing: int
    different: int
    surplus: int


class Numbers(Struct, frozen=True, forbid_unknown_fields=True):
    """A package's files and bytes; null where nothing was stated."""

    file_count: int | None
    content_bytes: int | None


class GapPackage(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One package of the gap; the numbers of one that is different."""

    kind: Kind
    identifier: str
    expected: Numbers | None = None
    received: Numbers | None = None


class TallyAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """One note and the beginning of its gap."""

    format: Literal["lantai.tally.v1"]
    source: str
    name: str
    state: Literal["open", "closed", "replaced", "refused"]
    at: str
    taken_at: str
    reason: str
    counts: TallyCounts
    gap: list[GapPackage]
    gap_more: bool


def answer_name(name_raw: bytes) -> bytes:
    """How the answer to the note of this name is called."""
    return name_raw[:_NAME_BYTES_MAX] + ENDING


def answer_of(note: Note, gap: Sequence[GapEntry], limit: int = GAP_MAX) -> TallyAnswer:
    """The answer. `gap` may have one more than `limit`, which says that there are more."""
    counts = note.counts
    return TallyAnswer(
        format="lantai.tally.v1",
        source=note.source,
        name=note.name,
        state=note.state.value,
        at=note.changed_at,
        taken_at=note.taken_at,
        reason=note.reason,
        counts=TallyCounts(
            matched=counts.matched,
            under_way=counts.under_way,
            missing=counts.missing,
            different=counts.different,
            surplus=counts.surplus,
        ),
        gap=[_package(entry) for entry in gap[:limit]],
        gap_more=len(gap) > limit,
    )


def encode(answer: TallyAnswer) -> bytes:
    """The whole file."""
    return msgspec.json.format(msgspec.json.encode(answer)) + b"\n"


def members_of(answer: TallyAnswer) -> dict[str, Any]:
    """The same, of JSON values."""
    members: dict[str, Any] = msgspec.to_builtins(answer)
    return members


def _package(entry: GapEntry) -> GapPackage:
    expected, received = (
        None if numbers is None else Numbers(*numbers)
        for numbers in (entry.expected, entry.received)
    )
    return GapPackage(entry.kind, entry.identifier, expected, received)
