"""How fast is taking packages in, with everything on, against a pipeline made by hand?

From the rename into the drop folder to the last stored receipt; by hand, from the first validation
to the last. Both on fresh disks, from the same bags. Prints a table; asserts no time.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks import appliance, ground, handmade
from benchmarks.ground import Ground
from benchmarks.rounds import Measured, interleaved, machine, table
from benchmarks.workloads import Workload, make_bags, workloads

LANTAI, HAND_MADE = "lantai", "hand-made"


def main() -> None:
    """Measure as the options say."""
    options = _options()
    print(f"{machine()}\n{ground.describe()}\n")
    with tempfile.TemporaryDirectory(prefix="lantai-bench-", dir=options.folder) as folder:
        for number, workload in enumerate(workloads(options.packages, options.large_mib << 20)):
            _measure(workload, Path(folder) / str(number), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--packages", type=int, default=500, help="of W1; 0 leaves it out")
    parser.add_argument("--large-mib", type=int, default=128, help="each file of W2'; 0: without")
    parser.add_argument("--folder", type=Path, default=None, help="where the images are made")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def _measure(workload: Workload, base: Path, options: argparse.Namespace) -> None:
    print(f"{workload.describe()}; seed {options.seed}")
    names = make_bags(workload, base / "bags")
    contestants = {
        LANTAI: partial(_lantai, base, workload, names),
        HAND_MADE: partial(_hand_made, base, workload, names),
    }
    results = interleaved(contestants, options.rounds, options.seed)
    print("\n" + table(results, list(contestants), HAND_MADE, workload.packages) + "\n")
    shutil.rmtree(base)


def _lantai(base: Path, workload: Workload, names: list[str]) -> Measured:
    with Ground(base, workload.disk_bytes) as disks, appliance.running(disks) as processes:
        source = _fresh_bags(base, disks)
        before = appliance.usage(processes)
        began_s = time.monotonic()
        appliance.store(processes.layout, source, names)
        wall_s = time.monotonic() - began_s
        after = appliance.usage(processes)
        intake_mib, worker_mib = after.intake_rss_bytes_max >> 20, after.worker_rss_bytes_max >> 20
        note = f"Intake: {intake_mib} MiB resident at most, a worker {worker_mib} MiB."
        return Measured(wall_s, after.cpu_s - before.cpu_s, (note,))


def _hand_made(base: Path, workload: Workload, names: list[str]) -> Measured:
    with Ground(base, workload.disk_bytes) as disks:
        copies = [disks.mount(disks.folder / f"copy-{number}") for number in (1, 2, 3)]
        source = _fresh_bags(base, disks)
        before, began_s = os.times(), time.monotonic()
        handmade.store(source, names, copies)
        wall_s, after = time.monotonic() - began_s, os.times()
        cpu_s = after.children_user + after.children_system
        return Measured(wall_s, cpu_s - before.children_user - before.children_system)


def _fresh_bags(base: Path, disks: Ground) -> Path:
    """The bags again, on the intake's disk and synced, so that a rename hands them in."""
    subprocess.run(["cp", "-a", base / "bags", disks.folder / "sent"], check=True)
    subprocess.run(["sync", "-f", disks.folder], check=True)
    return disks.folder / "sent"


if __name__ == "__main__":
    main()
