"""How fast does a node read its copies again, against the tools that check manifests?

The sweep at full speed over one node's storage root, against `sha256sum -c`, hashdeep's audit and
`bagit.py --validate` over the senders' files in the very same objects. The sweep always reads the
medium; the others are measured with the files in the page cache (warm) and out of it (cold). The
last line is no tool but what the processors can hash.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import appliance, ground, handmade
from benchmarks.ground import Ground
from benchmarks.rounds import Contestant, Measured, interleaved, machine, table
from benchmarks.workloads import Workload, make_bags, workloads
from daemon.demo.processes import Processes
from storage.medium import StillCachedError, evict_and_prove

NODE = "node-1"
_EVICT_S = 10.0
LANTAI, SHA256SUM, HASHDEEP, BAGIT = "lantai", "sha256sum -c", "hashdeep -a", "bagit.py --validate"
# So many bytes of SHA-256 on every processor, without a disk: nobody who hashes can be faster.
LIMIT = "SHA-256 in memory"
_HASH = "import hashlib,sys; d=bytes(1<<20); [hashlib.sha256(d) for _ in range(int(sys.argv[1]))]"


def main() -> None:
    """Measure as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--packages", type=int, default=500, help="of W1; 0 leaves it out")
    parser.add_argument("--large-mib", type=int, default=128, help="each file of W2'; 0: without")
    parser.add_argument("--folder", type=Path, default=None, help="where the images are made")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"{machine()}\n{ground.describe()}\n")
    with tempfile.TemporaryDirectory(prefix="lantai-bench-", dir=options.folder) as folder:
        for number, workload in enumerate(workloads(options.packages, options.large_mib << 20)):
            _measure(workload, Path(folder) / str(number), options)


@dataclass(frozen=True, slots=True)
class Copies:
    """One node's copies, and the manifests made of them for its rivals."""

    root: Path
    bags: list[str]  # relative to the root
    files: list[Path]
    manifests: list[Path]  # of sha256sum, one for each processor
    known: Path  # of hashdeep


def _measure(workload: Workload, base: Path, options: argparse.Namespace) -> None:
    print(f"{workload.describe()}; seed {options.seed}")
    names = make_bags(workload, base / "bags")
    with Ground(base, workload.disk_bytes) as disks, appliance.running(disks) as processes:
        subprocess.run(["mv", base / "bags", disks.folder / "sent"], check=True)
        appliance.store(processes.layout, disks.folder / "sent", names)
        copies = _prepared(processes.layout.root(NODE), base)
        for temperature, make_ready in (("cold", _evict), ("warm", _read)):
            contestants = _contestants(processes, copies, make_ready)
            print(f" {temperature}:")
            results = interleaved(contestants, options.rounds, options.seed)
            print("\n" + table(results, list(contestants), SHA256SUM, workload.packages) + "\n")
    shutil.rmtree(base)


def _contestants(
    processes: Processes, copies: Copies, make_ready: Callable[[list[Path]], None]
) -> dict[str, Contestant]:
    rivals: dict[str, Callable[[], None]] = {
        SHA256SUM: partial(_sha256sum, copies),
        BAGIT: partial(_bagit, copies),
        LIMIT: partial(_hash_in_memory, copies),
    }
    if shutil.which("hashdeep"):
        rivals[HASHDEEP] = partial(_hashdeep, copies)
    else:
        print("hashdeep is missing here: Debian has it in the package hashdeep")

    def rival(check: Callable[[], None]) -> Measured:
        make_ready(copies.files)
        before, began_s = os.times(), time.monotonic()
        check()
        wall_s, after = time.monotonic() - began_s, os.times()
        used_s = after.children_user + after.children_system
        return Measured(wall_s, used_s - before.children_user - before.children_system)

    def lantai() -> Measured:
        make_ready(copies.files)
        before_s, began_s = appliance.cpu_s(processes, NODE), time.monotonic()
        appliance.sweep(processes, NODE)
        return Measured(time.monotonic() - began_s, appliance.cpu_s(processes, NODE) - before_s)

    return {LANTAI: lantai} | {name: partial(rival, check) for name, check in rivals.items()}


def _prepared(root: Path, base: Path) -> Copies:
    bags = sorted(str(each.parent.relative_to(root)) for each in root.rglob("received/bagit.txt"))
    files = sorted(path for bag in bags for path in (root / bag).rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
    ]
    manifests = [base / f"manifest-{number}.txt" for number in range(handmade.AT_A_TIME)]
    for number, manifest in enumerate(manifests):
        manifest.write_text("".join(lines[number :: len(manifests)]))
    known = base / "known.txt"
    if shutil.which("hashdeep"):
        with known.open("wb") as stream:
            subprocess.run(
                ["hashdeep", "-c", "sha256", "-r", "-l", *bags], cwd=root, check=True, stdout=stream
            )
    return Copies(root, bags, files, manifests, known)


def _evict(files: list[Path]) -> None:
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            _evict_one(descriptor)
        finally:
            os.close(descriptor)


def _evict_one(descriptor: int) -> None:
    deadline = time.monotonic() + _EVICT_S
    while True:
        try:
            evict_and_prove(descriptor)
        except StillCachedError:
            # The processor that holds the page in a batch of its own gives it up when it must.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _read(files: list[Path]) -> None:
    for path in files:
        with path.open("rb") as stream:
            while stream.read(1024 * 1024):
                pass


def _at_once(commands: list[list[str | Path]], folder: Path) -> None:
    """Run them beside each other. Raises CalledProcessError if one finds fault."""
    run = partial(subprocess.run, cwd=folder, check=True, capture_output=True)
    with ThreadPoolExecutor(len(commands)) as threads:
        for _ in threads.map(run, commands):
            pass


def _sha256sum(copies: Copies) -> None:
    _at_once([["sha256sum", "--quiet", "-c", each] for each in copies.manifests], copies.root)


def _hashdeep(copies: Copies) -> None:
    audit: list[str | Path] = [
        "hashdeep",
        "-c",
        "sha256",
        "-a",
        "-k",
        copies.known,
        "-r",
        "-l",
        *copies.bags,
    ]
    _at_once([audit], copies.root)


def _hash_in_memory(copies: Copies) -> None:
    mib = sum(path.stat().st_size for path in copies.files) // (1 << 20)
    share = str(mib // handmade.AT_A_TIME + 1)
    _at_once([[sys.executable, "-c", _HASH, share]] * handmade.AT_A_TIME, copies.root)


def _bagit(copies: Copies) -> None:
    if len(copies.bags) == 1:
        handmade.validate(copies.root, copies.bags, handmade.AT_A_TIME)
        return
    start: list[str | Path] = [sys.executable, handmade.BAGIT, "--quiet", "--validate"]
    shares = [copies.bags[number :: handmade.AT_A_TIME] for number in range(handmade.AT_A_TIME)]
    _at_once([[*start, *share] for share in shares], copies.root)


if __name__ == "__main__":
    main()
