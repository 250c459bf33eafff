"""Room on the staging disk, asked for before a byte of a package is written.

Attack catalogue A31, A53. Logical sizes count, holes included. Also tells the worker's owner how
much there is to do.
"""

import os
from pathlib import Path
from typing import ClassVar

from ingest_watch.workload import expect
from storage.errors import Refusal


class StagingFull(Refusal):
    """The staging disk has no room for the package. Not the sender's fault: wait."""

    code: ClassVar[str] = "staging-full"


def expect_room(folder: Path | int, needed_bytes: int) -> None:
    """Raise StagingFull unless so much fits below `folder` (a path, or an open folder)."""
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    if needed_bytes > free_bytes:
        raise StagingFull(
            f"staging has {free_bytes} bytes free and the package needs {needed_bytes}: "
            "make room below the staging folder"
        )
    expect(needed_bytes)
