"""The whole appliance as the thing measured: real processes, three nodes on disks of their own.

daemon/demo lays it out, with `[ingest]` and `[node]` as the product ships them. Everything that is
promised is on: CURVE, read-back from the medium, group commit, catalogue, signed receipts.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ground import Ground
from daemon.control_client import ask
from daemon.demo.layout import NODES, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, instances

_POLL_S = 0.02
_WITHIN_S = 900.0
# At full speed: how fast a site lets it run is the site's choice.
_UNPACED = "\n[node.sweep]\nread_bytes_per_second_max = 1000000000000\n"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the appliance's processes have used so far."""

    cpu_s: float
    intake_rss_bytes_max: int  # the intake's own process
    worker_rss_bytes_max: int  # the largest of its workers


@contextmanager
def running(ground: Ground, sweep: str = _UNPACED) -> Iterator[Processes]:
    """Start it on `ground`; everything is well when the block begins.

    `sweep` is what the nodes' configuration says of sweeping.
    """
    # A marker says at once that a package is whole: no quiet time is part of what is measured.
    settings = DemoSettings(complete_when="marker", mount=False, keeper_cycle_s=30, scan_s=10)
    layout = lay_out(ground.folder / "site", settings)
    for node in NODES:
        ground.mount(layout.root(node).parent)
    for node in NODES:
        config = layout.node_config(node)
        config.write_text(config.read_text() + sweep)
    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        yield processes


def store(
    layout: DemoLayout, source: Path, names: Sequence[str], within_s: float = _WITHIN_S
) -> None:
    """Hand in every package of `source` by rename; return when the last stored receipt is there."""
    for name in names:
        (source / name).rename(layout.drop / name)
        (layout.drop / f"{name}.done").touch()
    deadline = time.monotonic() + within_s
    while _receipts(layout) < len(names):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{_receipts(layout)} of {len(names)} receipts came in time")
        time.sleep(_POLL_S)


def sweep(processes: Processes, node: str) -> None:
    """Have one node read all its copies again; return when it has, and found nothing wrong."""
    socket = processes.layout.socket(node)
    before = _sweep_status(socket)
    ask(socket, "sweep-start")
    deadline = time.monotonic() + _WITHIN_S
    while not _is_over(now := _sweep_status(socket), before["cycle"]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the sweep of {node} did not end in time")
        time.sleep(_POLL_S)
    if (now["checked_objects"], now["damaged_objects"]) != (now["total_objects"], 0):
        raise AssertionError(f"the sweep says {now}")


def cpu_s(processes: Processes, name: str) -> float:
    """Of one role, its children included."""
    root = processes.process_id(name)
    return sum(_cpu_s(each) for each in (root, *_below(_children(), root)))


def usage(processes: Processes) -> Usage:
    """Of every process of the appliance, children included, alive or gone."""
    return Usage(
        sum(cpu_s(processes, each.name) for each in instances(processes.layout)),
        *rss_bytes_max(processes, "ingest"),
    )


def rss_bytes_max(processes: Processes, name: str) -> tuple[int, int]:
    """The most memory that a role, and the largest of its workers, ever had resident."""
    process = processes.process_id(name)
    below = _below(_children(), process)
    return _rss_bytes_max(process), max((_rss_bytes_max(each) for each in below), default=0)


def _sweep_status(socket: Path) -> dict[str, Any]:
    status: dict[str, Any] = ask(socket, "sweep-status")["nodes"][0]
    return status


def _is_over(status: dict[str, Any], earlier_cycle: int) -> bool:
    finished = status["last_finished_at"] is not None and not status["running"]
    return finished and bool(status["cycle"] > earlier_cycle)


def _receipts(layout: DemoLayout) -> int:
    return len(list(layout.returned.glob("*.stored.json")))


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return children


def _below(children: dict[int, list[int]], process: int) -> list[int]:
    own = children.get(process, [])
    return own + [each for child in own for each in _below(children, child)]


def _stat(process: int) -> list[str]:
    """The fields of proc(5) `stat` from `state` on; empty when the process is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _cpu_s(process: int) -> float:
    fields = _stat(process)
    # utime, stime and those of the children that were waited for.
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _rss_bytes_max(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
