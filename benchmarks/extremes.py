"""What do the largest packages cost: a million small files, one file of several GiB?

The whole appliance, on fresh disks. Prints the time to the stored receipt and the most memory that
each role and its workers ever had resident. Compares with nothing and asserts nothing: the limits
are DESIGN.md §8's and the issue's.
"""

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import appliance, ground
from benchmarks.ground import Ground
from benchmarks.rounds import machine
from daemon.demo.processes import Processes, instances

_PIECE_BYTES = 1024 * 1024
_GIB = 1024**3
_FOLDER_FILES = 1000


def main() -> None:
    """Measure as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000, help="of 2 KB; 0 leaves it out")
    parser.add_argument("--large-gib", type=int, default=4, help="one file; 0 leaves it out")
    parser.add_argument("--folder", type=Path, default=None, help="where the images are made")
    parser.add_argument("--within-s", type=float, default=7200.0)
    options = parser.parse_args()
    print(f"{machine()}\n{ground.describe()}\n")
    with tempfile.TemporaryDirectory(prefix="lantai-bench-", dir=options.folder) as folder:
        if options.files:
            files = (
                (f"data/{n // _FOLDER_FILES:04}/{n:07}.txt", 2000) for n in range(options.files)
            )
            _measure(f"{options.files:,} files of 2 KB", Path(folder) / "many", files, options)
        if options.large_gib:
            large = iter([("data/film.mxf", options.large_gib * _GIB)])
            _measure(f"one file of {options.large_gib} GiB", Path(folder) / "large", large, options)


def _measure(
    title: str, base: Path, files: Iterator[tuple[str, int]], options: argparse.Namespace
) -> None:
    disk_bytes = 12 * max(options.files * 4096, options.large_gib * _GIB, _GIB)
    with Ground(base, disk_bytes) as disks, appliance.running(disks) as processes:
        source = disks.folder / "bags"
        _write_bag(source / "extreme", files)
        os.sync()
        began_s = time.monotonic()
        appliance.store(processes.layout, source, ["extreme"], within_s=options.within_s)
        print(f"{title}: stored after {time.monotonic() - began_s:.0f} s")
        for name, role_mib, worker_mib in _memory(processes):
            print(f"  {name}: {role_mib} MiB resident at most, the largest worker {worker_mib} MiB")
    shutil.rmtree(base)


def _memory(processes: Processes) -> Iterator[tuple[str, int, int]]:
    for each in instances(processes.layout):
        own, workers = appliance.rss_bytes_max(processes, each.name)
        yield each.name, own >> 20, workers >> 20


def _write_bag(folder: Path, files: Iterator[tuple[str, int]]) -> None:
    folder.mkdir(parents=True)
    (folder / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    with (folder / "manifest-sha256.txt").open("w") as manifest:
        for path, size_bytes in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            manifest.write(f"{_write_random(folder / path, size_bytes)}  {path}\n")


def _write_random(path: Path, size_bytes: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for begun in range(0, size_bytes, _PIECE_BYTES):
            piece = os.urandom(min(_PIECE_BYTES, size_bytes - begun))
            digest.update(piece)
            stream.write(piece)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
