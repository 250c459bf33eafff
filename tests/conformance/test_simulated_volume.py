"""The simulator's volume makes things durable in the order in which the real one does.

docs/formats/volume.md, "Write order and commit point"; docs/simulator.md. The real one's calls are
those of its process, as the kernel is asked; the simulated one's are those of its disk.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

from storage.model import SignedAnswer, VerifyMode
from storage.signing import SigningKey
from storage.volume.events import Speaker
from storage.volume.order import StoreOrder
from tests.failing_calls import FailingCalls, How, build, environment
from tests.simulation.disk import Disk, SimulatedSync, Trouble
from tests.simulation.keys import signing_key
from tests.simulation.package import make_package as simulated_package
from tests.simulation.package import sha256
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.volume import SimulatedVolume, Steps
from tests.simulation.volume_records import SimulatedIndex, SimulatedJournal
from tests.simulation.volume_steps import (
    SimulatedAdmission,
    SimulatedPublisher,
    SimulatedRecovery,
)
from tests.volume_packages import again, make_package, new_volume, store

PROJECT = Path(__file__).parents[2]
PROGRAM = f"""
import sys, tests
tests.__path__.insert(0, {str(PROJECT / "tests")!r})
from tests.conformance import test_simulated_volume
test_simulated_volume.store_and_mend(test_simulated_volume.Path(sys.argv[1]))
"""
# What a crash between two of them could show.
STEPS = ["sync", "publish", "sync", "write journal", "sync journal"]
MENDING = ["sync", "publish", "quarantine", "sync", "write journal", "sync journal"]


class TracedDisk(Disk):
    """Notes each act that makes something durable, or visible."""

    acts: list[str]

    def sync(self) -> None:
        self.acts.append("sync")
        super().sync()

    def rename(self, source: str, target: str) -> None:
        self.acts.append("publish" if target.startswith("root/") else "quarantine")
        super().rename(source, target)

    def exchange(self, one: str, other: str) -> None:
        self.acts.append("publish")
        super().exchange(one, other)

    def append(self, path: str, content: bytes) -> None:
        self.acts.append("write journal")
        super().append(path, content)

    def fsync(self, path: str) -> None:
        self.acts.append("sync journal")
        super().fsync(path)


def simulated_acts() -> list[list[str]]:
    """Of storing a package, then of mending it."""

    def never(trouble: Trouble) -> None:
        raise AssertionError(trouble)

    disk = TracedDisk("disk", Random(1), never)
    disk.acts = []
    scheduler = Scheduler(Random(1))
    process = Process(scheduler, "node-1")
    speaker = Speaker("node-1", "uuid", "room-1", VerifyMode.DIRECT, signing_key("node-1"))
    steps = Steps(
        SimulatedSync, SimulatedJournal, SimulatedIndex, SimulatedPublisher, SimulatedRecovery,
        SimulatedAdmission,
    )  # fmt: skip
    volume = SimulatedVolume(disk, process, speaker, steps)
    package = simulated_package("a", "lantai:a/1", Random(1), 20)
    traces = []
    for number, mends in enumerate((False, True)):
        order = StoreOrder(
            f"{number:032x}", package.object_id, 1, 1, len(package.file_list),
            len(package.inventory), len(package.content), len(package.files),
            sha256(package.file_list), sha256(package.inventory), replaces_damaged=mends,
        )  # fmt: skip
        incoming: Any = volume.begin(order)
        assert not isinstance(incoming, SignedAnswer)
        incoming.write(0, package.stream)
        disk.acts.clear()
        process.start(volume.commit(incoming))
        scheduler.run(lambda: False, scheduler.now + 9)
        assert volume.index.operation(order.op_id) is not None
        traces.append(list(disk.acts))
    process.bury()
    return traces


def store_and_mend(folder: Path) -> None:
    """In a process of its own, whose every call is logged; an empty line parts the two."""
    beside = folder / "beside"
    beside.mkdir()
    volume = new_volume(beside, SigningKey.generate())
    calls = FailingCalls()
    log = os.open(folder / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    calls.keep_log(log)
    calls.arm(beside, How.COUNT)
    package = make_package({"received/a": b"a"})
    asyncio.run(store(volume, package))
    os.write(log, b"\n")
    asyncio.run(store(volume, again(package, op_id="1" * 32, replaces_damaged=True)))
    calls.disarm()
    volume.close()


def real_acts(tmp_path: Path) -> list[list[str]]:
    library = build(tmp_path)
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], check=True, env=environment(library)
    )
    halves = (tmp_path / "calls").read_text().split("\n\n")
    return [[act for line in half.splitlines() if (act := _act(line))] for half in halves]


def _act(line: str) -> str:
    """A logged call in the simulator's words; empty where it makes nothing durable or visible."""
    call, _, path = line.partition(" ")
    if call == "syncfs":
        return "sync"
    if call.startswith("rename"):
        return "publish" if "/root/" in path else "quarantine" if "/quarantine/" in path else ""
    if "/journal/" in path:
        return {"fsync": "sync journal", "pwrite": "write journal", "write": "write journal"}.get(
            call.rstrip("64"), ""
        )
    return ""


def test_both_volumes_commit_and_mend_by_the_same_steps_in_the_same_order(tmp_path: Path) -> None:
    assert simulated_acts() == [STEPS, MENDING]
    assert real_acts(tmp_path) == [STEPS, MENDING]
