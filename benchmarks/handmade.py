"""The pipeline that an archive would script by hand, with the tools that every distribution has.

`bagit.py --validate`, rsync to three folders, `sync`, `bagit.py --validate` of each copy; two
packages at a time. Its tools are given whole shares of the packages at once, because starting
Python for each package would cost more than the work. It reads the copies back out of the page
cache, keeps no record and signs nothing.
"""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_A_TIME = 2
BAGIT = Path(sys.executable).with_name("bagit.py")


def store(source: Path, names: Sequence[str], copies: Sequence[Path]) -> None:
    """Put every package of `source` into each of `copies`. Raises CalledProcessError."""
    shares = [names[number::AT_A_TIME] for number in range(AT_A_TIME)]
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        for _ in threads.map(lambda share: _store(source, share, copies), filter(None, shares)):
            pass


def validate(folder: Path, names: Sequence[str], processes: int = 1) -> None:
    """`bagit.py --validate`. Raises CalledProcessError."""
    spread = ["--processes", str(processes)] if processes > 1 else []
    subprocess.run(
        [sys.executable, BAGIT, "--quiet", *spread, "--validate", *names],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def _store(source: Path, names: Sequence[str], copies: Sequence[Path]) -> None:
    # A package that comes alone still has both processors.
    processes = AT_A_TIME if len(names) == 1 else 1
    validate(source, names, processes)
    for copy in copies:
        subprocess.run(
            ["rsync", "-a", *names, f"{copy}/"], cwd=source, check=True, capture_output=True
        )
    subprocess.run(["sync", "-f", *copies], check=True)
    for copy in copies:
        validate(copy, names, processes)
