"""The content of one archive entry, as the unpackers hand it on.

Values only; zip_contents.py and tar_members.py make them, unpack.py writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """One file of an archive. `pieces` must be read to its end before the next file is taken."""

    path: str  # as the listing has it
    size_bytes: int  # declared; `pieces` yields exactly as many or raises PackageRejected
    pieces: Iterator[memoryview]
