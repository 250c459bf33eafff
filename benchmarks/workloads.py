"""What is stored in the measurements: bags of random bytes, made by bagit.py.

RFC 8493. W1 are case packages of 8 files and 1 MB; W2' is one bag of 8 files of 128 MiB.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import bagit

FILES_PER_BAG = 8
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Workload:
    """So many equal bags."""

    name: str
    packages: int
    file_bytes: int

    @property
    def content_bytes(self) -> int:
        return self.packages * FILES_PER_BAG * self.file_bytes

    @property
    def disk_bytes(self) -> int:
        """A disk that holds it twice with room to spare: the intake keeps original and staging."""
        return 3 * self.content_bytes + 1024 * 1024 * 1024

    def describe(self) -> str:
        return f"{self.name}: {self.packages} × {FILES_PER_BAG} files of {self.file_bytes:,} bytes"


def workloads(packages: int, large_file_bytes: int) -> list[Workload]:
    """Both of them; a size of 0 leaves one out."""
    both = [Workload("W1", packages, 125_000), Workload("W2'", 1, large_file_bytes)]
    return [each for each in both if each.content_bytes > 0]


def make_bags(workload: Workload, target: Path) -> list[str]:
    """Make the bags in the folder `target`; return their names."""
    target.mkdir(parents=True)
    names = [f"case-{number:05}" for number in range(workload.packages)]
    for name in names:
        folder = target / name
        folder.mkdir()
        for number in range(FILES_PER_BAG):
            _write_random(folder / f"file-{number}.bin", workload.file_bytes)
        bagit.make_bag(str(folder), {"External-Identifier": name}, checksums=["sha256"])
    return names


def _write_random(path: Path, size_bytes: int) -> None:
    with path.open("wb") as stream:
        for begun in range(0, size_bytes, _PIECE_BYTES):
            stream.write(os.urandom(min(_PIECE_BYTES, size_bytes - begun)))
