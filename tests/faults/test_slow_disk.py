"""One node's disk becomes slow: it is called so, reads go around it, and writing still waits.

Real processes; tests/faults/slow_reads.c is preloaded into node-1, where each read of a stored file
takes 500 ms longer while it is told to. Staff read through the mount.

1. Files are read while all is well. 2. node-1 becomes slow: reads are slow until it is called slow.
3. Then none goes to it. 4. It is well again, and is asked again.
"""

import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

import pytest

from daemon.demo.layout import SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, instances, lantai
from tests.appliance import Sender, Sent, expect_kept, stored
from tests.appliance_figures import figure
from tests.fault_page import record_fault

LIBRARY_SOURCE = Path(__file__).parent / "slow_reads.c"
SLOW_MS = 500
AFTER_S = 10  # then it is tried again: a lot is read in less
LOT = 12
LOTS = 12  # for as long as it takes until the node is called slow
SLOW = 'lantai_reader_node_slow{node="node-1"}'
ANSWER = 'lantai_reader_node_answer_seconds{node="node-1"}'
READS = "lantai_reader_reads_total"
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.longer, pytest.mark.needs_fuse, pytest.mark.timeout(300)]


class SlowDisk:
    """Below one folder, for one process."""

    def __init__(self, folder: Path, below: Path) -> None:
        self._library, self._delay = folder / "slow_reads.so", folder / "delay"
        command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(self._library)]
        subprocess.run([*command, str(LIBRARY_SOURCE), "-ldl"], check=True)
        self._delay.write_bytes(bytes(8))
        variables = {
            "LD_PRELOAD": self._library,
            "LANTAI_TEST_SLOW": below,
            "LANTAI_TEST_SLOW_BY": self._delay,
        }
        self.program = ("env", *(f"{name}={value}" for name, value in variables.items()), *lantai())

    def delay(self, milliseconds: int) -> None:
        with self._delay.open("r+b") as file:
            file.write(milliseconds.to_bytes(8, "little"))


@pytest.fixture
def layout(tmp_path: Path) -> DemoLayout:
    layout = lay_out(tmp_path / "a", DemoSettings(quiet_s=0.1, scan_s=0.2))
    text = layout.config.read_text()
    layout.config.write_text(text.replace("[site]\n", f"[site]\nslow_node_after_s = {AFTER_S}\n"))
    return layout


@pytest.fixture
def disk(tmp_path: Path, layout: DemoLayout) -> SlowDisk:
    (tmp_path / "slow").mkdir()
    return SlowDisk(tmp_path / "slow", layout.root("node-1"))


@pytest.fixture
def appliance(layout: DemoLayout, disk: SlowDisk) -> Iterator[Processes]:
    with Processes(layout) as processes:
        processes.create_nodes()
        wanted = instances(layout)
        for instance in wanted:
            program = disk.program if instance.name == "node-1" else ()
            processes.start(replace(instance, program=program))
        for instance in wanted:
            processes.wait_until_well(instance.name)
        yield processes


async def test_reads_go_around_a_node_whose_disk_has_become_slow(
    appliance: Processes, disk: SlowDisk, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    view = layout.addresses["view"]
    sender = Sender(layout)
    sender.send(LOTS * LOT)
    await wait_until(lambda: stored(layout) == LOTS * LOT, 90, "all receipts")
    first, unread, last = sender.sent[:LOT], iter(sender.sent[LOT:-LOT]), sender.sent[-LOT:]
    healthy_s = reading_s(layout, first)
    disk.delay(SLOW_MS)
    slow_s = []

    def is_called_slow() -> bool:
        slow_s.extend(reading_s(layout, [next(unread)]))
        return figure(view, SLOW) == 1

    await wait_until(is_called_slow, 60, "node-1 to be called slow")
    assert max(slow_s) > 0.5, "the disk was slow"
    answer_s = figure(view, ANSWER)
    around_s = reading_s(layout, last)
    reads = LOT + len(slow_s) + LOT
    await wait_until(lambda: figure(view, READS) == reads, 10, "the figures of all reads")
    assert figure(view, ANSWER) == answer_s, "node-1 was read from"
    (package,) = sender.send()
    await wait_until(
        lambda: stored(layout) == LOTS * LOT + 1, 60, "the receipt, which waits for it"
    )
    disk.delay(0)

    await wait_until(lambda: figure(view, SLOW) == 0, 3 * AFTER_S, "node-1 to be tried again")
    await wait_until(lambda: not list(layout.drop.iterdir()), 10, "an empty drop folder")
    expect_kept(layout, package)
    record_fault(
        "F38",
        observed="called slow, reads went around it; a receipt waited for it",
        figure=f"p95 {percentile_95(around_s) * 1000:.0f} ms against "
        f"{percentile_95(healthy_s) * 1000:.0f} ms healthy, {max(slow_s) * 1000:.0f} ms before",
    )


def reading_s(layout: DemoLayout, packages: list[Sent]) -> list[float]:
    """How long the first reading of one file of each package takes."""
    taken = []
    for package in packages:
        began_s = time.monotonic()
        file = layout.mountpoint / SOURCE / package.name / "v1/data/0.bin"
        assert file.read_bytes() == package.files["data/0.bin"]
        taken.append(time.monotonic() - began_s)
    return taken


def percentile_95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20)[-1]
