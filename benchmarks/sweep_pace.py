"""Does a sweep keep its pace, foresee its end, and leave others alone?

The whole appliance, holding packages of mixed sizes. First packages are taken in and stored files
read, with the sweeps of all nodes on and off in turns. Then one node's volume is swept at several
caps: the rate that was achieved, and how wrong the forecasts were meanwhile. Asserts nothing.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bagit

from benchmarks import appliance, ground
from benchmarks.ground import Ground
from benchmarks.rounds import machine
from benchmarks.workloads import Workload, make_bags
from daemon.config import load_config, required
from daemon.control_client import ControlClient, ask
from daemon.demo.layout import NODES, DemoLayout
from daemon.demo.processes import Processes
from daemon.keys import KeyFolder
from daemon.roles.node import volume_settings
from storage.sweep.plan import SweepSettings
from storage.sweep.sweeper import Sweeper, TrailPlace
from storage.volume.volume import Volume

MIB = 1024 * 1024
NODE = "node-1"
CAPS_MIB = (10, 40, 120)
# A forecast is judged while so much of the pass is left: of the last second any part is much.
_JUDGED_SHARE = 0.2


def main() -> None:
    """Measure as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixed-mib", type=int, default=400, help="packages of mixed sizes")
    parser.add_argument("--packages", type=int, default=100, help="taken in for each measurement")
    parser.add_argument("--reads", type=int, default=300, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the images are made")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    random.seed(options.seed)
    print(f"{machine()}\n{ground.describe()}; seed {options.seed}\n")
    with tempfile.TemporaryDirectory(prefix="lantai-bench-", dir=options.folder) as folder:
        _measure(Path(folder), options)


def _measure(base: Path, options: argparse.Namespace) -> None:
    batches = 2 * options.rounds
    cases = Workload("case packages", options.packages * batches, 125_000)
    names = make_bags(cases, base / "bags")
    mixed = _mixed_bags(base / "bags", options.mixed_mib * MIB)
    size_bytes = cases.disk_bytes + 4 * options.mixed_mib * MIB
    # As a site runs it: the sweeps set their own pace, and yield.
    with Ground(base, size_bytes) as disks, appliance.running(disks, sweep="") as site:
        sent = disks.folder / "sent"
        subprocess.run(["mv", base / "bags", sent], check=True)
        _store(site.layout, sent, mixed)
        shares = [names[number::batches] for number in range(batches)]
        _neighbours(site, sent, shares, options.reads)
        site.stop(NODE)
        asyncio.run(_pace(site.layout))


def _mixed_bags(folder: Path, content_bytes: int) -> list[str]:
    """Of one to eight files, 2 KB to 64 MiB in all, as many small as large ones."""
    names: list[str] = []
    while content_bytes > 0:
        size_bytes = min(int(10 ** random.uniform(3.3, 7.8)), content_bytes)
        names.append(f"mixed-{len(names):04}")
        bag, files = folder / names[-1], random.choice((1, 3, 8))
        bag.mkdir()
        for number in range(files):
            (bag / f"{number}.bin").write_bytes(os.urandom(size_bytes // files + 1))
        bagit.make_bag(str(bag), {"External-Identifier": names[-1]}, checksums=["sha256"])
        content_bytes -= size_bytes
    return names


# The appliance beside its sweeps.


def _neighbours(site: Processes, sent: Path, shares: list[list[str]], reads: int) -> None:
    figures: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    while shares:
        order = [True, False]
        random.shuffle(order)
        for sweeping in order:
            with _sweeps(site.layout, on=sweeping):
                names, began_s = shares.pop(), time.monotonic()
                _store(site.layout, sent, names)
                rate = len(names) / (time.monotonic() - began_s)
                p95_ms = _p95_of_reads_ms(site.layout, reads)
            figures[sweeping].append((rate, p95_ms))
            said = "on" if sweeping else "off"
            print(f"  sweeps {said}: {rate:.1f} packages/s, read p95 {p95_ms:.1f} ms", flush=True)
    on, off = figures[True], figures[False]
    rates = [with_[0] / without[0] for with_, without in zip(on, off, strict=True)]
    waits = [with_[1] / without[1] for with_, without in zip(on, off, strict=True)]
    print("\n| with the sweeps of all nodes on, against off | median | of the rounds |")
    print("|---|---|---|")
    for name, ratios in (("packages taken in per second", rates), ("p95 of verified reads", waits)):
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
        print(f"| {name} | {statistics.median(ratios):.2f} | {spread} |")
    print()


def _store(layout: DemoLayout, sent: Path, names: list[str]) -> None:
    """Hand them in by rename; return when each has its stored receipt."""
    before = len(list(layout.returned.glob("*.stored.json")))
    for name in names:
        (sent / name).rename(layout.drop / name)
        (layout.drop / f"{name}.done").touch()
    while len(list(layout.returned.glob("*.stored.json"))) < before + len(names):
        time.sleep(0.02)


@contextmanager
def _sweeps(layout: DemoLayout, *, on: bool) -> Iterator[None]:
    """Every node reads all the time, or does not."""
    stop = threading.Event()
    sockets = [layout.socket(node) for node in NODES]

    def keep_on() -> None:
        while not stop.wait(0.1):
            for socket in sockets:
                if not ask(socket, "sweep-status")["nodes"][0]["running"]:
                    ask(socket, "sweep-start")

    thread = threading.Thread(target=keep_on)
    for socket in sockets:
        ask(socket, "sweep-resume" if on else "sweep-pause")
    if on:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if on:
            thread.join()


def _p95_of_reads_ms(layout: DemoLayout, reads: int) -> float:
    waits_ms: list[float] = []
    with ControlClient(layout.socket("api")) as api:
        packages = api.ask("packages", after="", limit=1000)["packages"]
        for _ in range(reads):
            file = _any_file(api, random.choice(packages)["object_id"])
            offset = random.randrange(max(1, file["size_bytes"] - 65536))
            began_s = time.monotonic()
            api.ask("read", **file["where"], offset=offset, length=65536)
            waits_ms.append((time.monotonic() - began_s) * 1000)
    return statistics.quantiles(waits_ms, n=20)[-1]


def _any_file(api: ControlClient, object_id: str) -> dict[str, Any]:
    listed = api.ask("files", object_id=object_id, version=0, after="", limit=100)
    file = random.choice([each for each in listed["files"] if each["size_bytes"]])
    where = {"object_id": object_id, "version": listed["version"], "path": file["path"]}
    return {"where": where, "size_bytes": file["size_bytes"]}


# A sweep alone: its pace, and its forecasts.


async def _pace(layout: DemoLayout) -> None:
    config = load_config(layout.node_config(NODE))
    settings = volume_settings(required(config.node, "node"))
    key = KeyFolder(config.site.keys_folder).signing_key(NODE)
    volume = Volume.open(settings, key)
    state = volume.state()
    print(f"{state.objects} packages of mixed sizes, {state.content_bytes >> 20} MiB\n")
    print("| cap MiB/s | achieved MiB/s | of the cap | forecasts | median error | largest |")
    print("|---|---|---|---|---|---|")
    for number, cap_mib in enumerate(CAPS_MIB, start=1):
        # Each in another year, so that everything is due again.
        await _sweep(volume, cap_mib, timedelta(days=365 * number))
    volume.close()


async def _sweep(volume: Volume, cap_mib: int, ahead: timedelta) -> None:
    def now() -> datetime:
        return datetime.now(UTC) + ahead

    settings = SweepSettings(read_bytes_per_second_max=cap_mib * MIB, quick_period_hours=0)
    place = TrailPlace(volume.settings.trails)
    sweeper, stop = Sweeper(volume, settings, chance=0.5, now=now, trails=place), asyncio.Event()
    read: list[tuple[float, int]] = []
    said: list[tuple[float, float]] = []  # when, and the seconds that were said to be left
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sweeper.run(stop))
        while not read or (await sweeper.status()).running:
            await asyncio.sleep(0.25)
            status = await sweeper.status()
            grown = status.checked_bytes > (read[-1][1] if read else 0)
            if status.running and status.reason == "deadline" and grown:
                read.append((time.monotonic(), status.checked_bytes))
                finish = datetime.fromisoformat(status.forecasts[0].finish_at)
                said.append((time.monotonic(), (finish - now()).total_seconds()))
        stop.set()
    (first_s, first), (ended_s, last) = read[0], read[-1]
    achieved = (last - first) / (ended_s - first_s) / MIB
    judged_until_s = ended_s - _JUDGED_SHARE * (ended_s - first_s)
    errors = [abs(left_s / (ended_s - at_s) - 1) for at_s, left_s in said if at_s < judged_until_s]
    print(
        f"| {cap_mib} | {achieved:.1f} | {achieved / cap_mib:.1%} | {len(errors)} "
        f"| {statistics.median(errors):.1%} | {max(errors):.1%} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
