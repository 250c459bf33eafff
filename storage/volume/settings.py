"""What a volume is told: where it lies, who it is, and its limits.

docs/formats/volume.md, "Tree". Values only; nothing here touches a disk.
"""

import os
from dataclasses import dataclass
from pathlib import Path

GIBIBYTE = 1024**3
MEBIBYTE = 1024**2
SELF_TEST_BYTES = 16 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """One node's disk as configured. Everything beside the root is on the same file system."""

    root: Path  # the OCFL storage root
    node: str
    domain: str  # failure domain
    reserve_bytes: int = GIBIBYTE  # stays free, whatever arrives
    allow_unproven: bool = False
    self_test_bytes: int = SELF_TEST_BYTES  # written and read back at every opening
    group_packages_max: int = 64
    group_bytes_max: int = 512 * MEBIBYTE
    # How long a group waits for company. A group in work is waited for anyway.
    group_wait_s: float = 0.005
    journal_segment_bytes_max: int = 64 * 1024 * 1024  # then a new segment begins
    operations_max: int = 256
    # 0 reads back in the committing thread. Measured: on two cores, which the sender and the
    # receiving threads keep busy already, processes of their own cost more than they bring.
    read_back_processes: int = 4 if (os.cpu_count() or 1) >= 4 else 0

    @property
    def beside(self) -> Path:
        """The folder that holds the root and the working folders."""
        return self.root.parent

    @property
    def staging(self) -> Path:
        """Operations that are not published yet."""
        return self.beside / "staging"

    @property
    def quarantine(self) -> Path:
        """Bad copies and strays; nothing here is ever deleted by this software."""
        return self.beside / "quarantine"

    @property
    def trash(self) -> Path:
        """For disposal by two people; not used yet."""
        return self.beside / "trash"

    @property
    def blocks(self) -> Path:
        """Block lists; rebuilt from the files."""
        return self.beside / "blocks"

    @property
    def canaries(self) -> Path:
        """Planted objects that prove the sweep; no records, never served or mended."""
        return self.beside / "canaries"

    @property
    def trails(self) -> Path:
        """How far the checks of large objects are; lost, they begin again."""
        return self.beside / "sweep"

    @property
    def layouts(self) -> Path:
        """Who belongs to the archive, as the keeper told it; kept for ever."""
        return self.beside / "layout"

    @property
    def journal(self) -> Path:
        """The journal's segments."""
        return self.beside / "journal"

    @property
    def index(self) -> Path:
        """The index; rebuilt from the journal."""
        return self.beside / "index.sqlite"

    @property
    def receipts(self) -> Path:
        """Long receipts, until all their slices are here; lost, nothing is."""
        return self.beside / "receipts"

    @property
    def lock(self) -> Path:
        """Held for as long as a process has the volume open."""
        return self.beside / "lock"
