"""What a source is told of its dispatch note: `lantai.tally.v1` of docs/formats/tally.md. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from storage.catalogue.dispatch_notes import GapEntry, Note

GAP_MAX = 1000
_NAME_BYTES_MAX = 240
ENDING = b".tally.json"


def answer_name(name_raw: bytes) -> bytes:
    """How the answer to the note of this name is called."""
    return name_raw[:_NAME_BYTES_MAX] + ENDING


def answer_of(note: Note, gap: Sequence[GapEntry]) -> bytes:
    """The whole file. `gap` has at most one more than GAP_MAX, which says that there are more."""
    members = note_members(note) | {
        "gap": [gap_members(entry) for entry in gap[:GAP_MAX]],
        "gap_more": len(gap) > GAP_MAX,
    }
    return msgspec.json.format(msgspec.json.encode({"format": "lantai.tally.v1"} | members)) + b"\n"


def note_members(note: Note) -> dict[str, Any]:
    """One note as its answer, the api and the command line tell it."""
    counts = note.counts
    return {
        "source": note.source,
        "name": note.name,
        "state": note.state,
        "at": note.changed_at,
        "taken_at": note.taken_at,
        "reason": note.reason,
        "counts": {
            "matched": counts.matched,
            "under-way": counts.under_way,
            "missing": counts.missing,
            "different": counts.different,
            "surplus": counts.surplus,
        },
    }


def gap_members(entry: GapEntry) -> dict[str, Any]:
    """One package of the gap."""
    members: dict[str, Any] = {"kind": entry.kind, "identifier": entry.identifier}
    for key, numbers in (("expected", entry.expected), ("received", entry.received)):
        if numbers is not None:
            members[key] = {"file_count": numbers[0], "content_bytes": numbers[1]}
    return members
