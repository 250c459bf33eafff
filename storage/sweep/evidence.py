"""What was seen of a damaged file, so that a person can judge the disk and not only the file.

DESIGN.md, promise 4; docs/operations/repair.md, "Evidence". Expected and observed stay apart: one
was signed at ingest, the other was read from a disk, and nothing ever turns the second into the
first. Values only.
"""

from dataclasses import asdict, dataclass

import msgspec

from storage.model import ObservedDigest


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known of one damage; None where it could not be known.

    The bad range goes from `first_bad_offset` up to and without `bad_end_offset`, in steps of
    `granularity_bytes`: 1 MiB where signed blocks tell (files over 1 MiB), 4 KiB where the disk
    refused to read. Files of at most 1 MiB are good or bad as a whole.
    """

    expected_sha256: str | None = None
    observed: ObservedDigest | None = None
    expected_bytes: int | None = None
    observed_bytes: int | None = None
    first_bad_offset: int | None = None
    bad_end_offset: int | None = None
    granularity_bytes: int | None = None
    bad_blocks: int | None = None
    errno: int | None = None
    device: str | None = None  # "major:minor" of the file system the copy lies on

    def text(self) -> str:
        """JSON, members by name, without those that are not known."""
        members = asdict(self)
        observed = members.pop("observed")
        known = {name: value for name, value in members.items() if value is not None}
        if observed is not None:
            known["observed_sha256"] = observed["hexadecimal"]
        return msgspec.json.encode(known, order="sorted").decode()


@dataclass(frozen=True, slots=True)
class BadRange:
    """Where in a file the damage lies, as narrowly as can be said."""

    first_offset: int
    end_offset: int
    granularity_bytes: int
    blocks: int | None = None  # how many blocks in it are bad; those between may be good
