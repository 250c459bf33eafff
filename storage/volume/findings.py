"""What was found wrong on this disk and is on record, as a value.

docs/formats/journal.md (`finding`). Nothing here reads or mends.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Damage on record; `sequence` is its number in the journal and never used again."""

    sequence: int
    found_at: str  # RFC 3339, UTC
    object_id: str  # empty for a stray that belongs to no object
    kind: str  # storage.sweep.model.DamageKind
    path: str  # below the object's folder; below the root for a stray object
    detail: str
    evidence: str  # JSON of storage.sweep.evidence.Evidence, or empty
    mended_at: str | None
