"""A node that stands still, has no descriptors left, is full, or is overwritten by its own user.

The tests run in order on one appliance of real processes and leave it well. LANTAI_STOPPED_S says
for how long a node stands still: by default a little longer than its links are patient.
"""

import os
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.control_client import ask
from daemon.demo.layout import NODES, DemoLayout, DemoSettings
from daemon.demo.processes import Processes
from storage.ocfl.layout import object_folder
from tests.appliance import Sender, expect_kept, running_appliance, stored, transfers_of, tree
from tests.conftest import LACKS
from tests.fault_page import record_fault

STOPPED_S = float(os.environ.get("LANTAI_STOPPED_S", "12"))
WELL_AGAIN_S = 90
LOT = 4
MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")
MEMORY_MIB = 64  # beside what the process had before
PACKAGE_MIB = 160
STORM = 2  # damaged objects on one node within an hour, before a person is asked
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.longer, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    settings = DemoSettings(
        mount=False, quiet_s=0.1, scan_s=0.2, packages_in_flight=2, mends_per_node_hour_max=STORM
    )
    with running_appliance(tmp_path_factory.mktemp("trouble") / "a", settings) as processes:
        yield processes


@pytest.fixture(scope="module")
def sender(appliance: Processes) -> Sender:
    return Sender(appliance.layout)


async def test_a_node_that_stands_still_loses_nothing_when_it_wakes(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """Stopped while it takes packages; the two others go on, and nothing is receipted."""
    layout = appliance.layout
    before = stored(layout)
    sender.send(LOT)
    process = appliance.process_id("node-2")
    os.kill(process, signal.SIGSTOP)
    awake_at = time.monotonic() + STOPPED_S
    sender.send(LOT)
    quick = ("node-1", "node-3")
    await wait_until(
        lambda: all(kept_by(layout, node) == before + 2 * LOT for node in quick), 30, "two copies"
    )
    await wait_until(lambda: time.monotonic() > awake_at, STOPPED_S + 1)
    assert stored(layout) - before <= LOT, "what came meanwhile has two copies only"
    os.kill(process, signal.SIGCONT)
    woken_s = time.monotonic()
    await wait_until(lambda: stored(layout) == before + 2 * LOT, WELL_AGAIN_S, "all receipts")
    took_s = time.monotonic() - woken_s
    await all_kept(layout, sender, wait_until)
    assert {each.attempts for each in transfers_of(layout)} == {1}
    record_fault(
        "F39",
        observed="a node stopped while it takes packages: the others went on, it resumed",
        figure=f"{STOPPED_S:.0f} s, all stored {took_s:.1f} s after it woke, 0 twice",
    )


async def test_a_node_without_descriptors_refuses_and_goes_on_when_it_has_some(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    before = stored(layout)
    process = appliance.process_id("node-2")
    opened = len(list(Path(f"/proc/{process}/fd").iterdir()))
    limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (opened, limits[1]))
    try:
        sender.send(LOT)
        await wait_until(lambda: '"code": "busy"' in log_of(layout, "node-2"), 30, "a refusal")
        assert stored(layout) == before
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
    began_s = time.monotonic()
    await wait_until(lambda: stored(layout) == before + LOT, WELL_AGAIN_S, "all receipts")
    took_s = time.monotonic() - began_s
    await all_kept(layout, sender, wait_until)
    state = ask(layout.socket("node-2"), "status")
    assert (state["well"], "volume.read-only" in log_of(layout, "node-2")) == (True, False)
    record_fault(
        "F42",
        observed="refused as busy and asked again; the disk is not blamed",
        figure=f"all stored {took_s:.1f} s after the limit was lifted",
    )


@pytest.mark.needs_root
async def test_a_node_with_less_memory_than_a_package_has_bytes_keeps_it(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    before = stored(layout)
    process = appliance.process_id("node-2")
    with memory_limited(process, MEMORY_MIB) as group:
        (package,) = sender.send(files=1, size_bytes=PACKAGE_MIB * 2**20)
        await wait_until(lambda: stored(layout) == before + 1, 120, "the receipt")
        peak_mib = int((group / "memory.max_usage_in_bytes").read_text()) / 2**20
        assert "oom_kill 0" in (group / "memory.oom_control").read_text()
    assert appliance.process_id("node-2") == process
    await wait_until(lambda: not list(layout.drop.iterdir()), 10, "an empty drop folder")
    expect_kept(layout, package)
    record_fault(
        "F41",
        observed="a package larger than the node's memory is kept; nobody is killed",
        figure=f"{PACKAGE_MIB} MiB under a limit of {MEMORY_MIB}, cache included: "
        f"{peak_mib:.0f} MiB",
    )


async def test_a_node_whose_files_are_overwritten_is_stopped_at_and_all_is_intact_elsewhere(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """Whoever has the node's user id writes over every file of its root, and renames it."""
    layout = appliance.layout
    victims = [path for path in layout.root("node-3").glob("*/*/*/v1/**/*") if path.is_file()]
    for victim in victims:
        victim.chmod(0o640)
        victim.write_bytes(b"pay us" * (1 + victim.stat().st_size // 6))
        victim.rename(victim.with_name(f"{victim.name}.locked"))
    locked = list(layout.root("node-3").rglob("*.locked"))
    ask(layout.socket("keeper"), "sweep-start", node="node-3")
    await wait_until(lambda: suspects(layout) == ["node-3"], 60, "the call for a person")
    detail = ask(layout.socket("keeper"), "status")["detail"]
    assert detail["objects_without_a_good_copy"] == []
    for package in sender.sent:
        folder = object_folder(f"lantai:{package.source}/{package.name}")
        for node in ("node-1", "node-2"):
            received = layout.root(node) / folder / "v1/content/received"
            assert tree(received) == package.files, "other domains are intact"
    left = sum(path.exists() for path in locked)
    assert left > 0, "it went on mending a node that somebody is destroying"
    record_fault(
        "F56",
        observed="mending stopped and a person was called; both other copies of each intact",
        figure=f"{len(victims)} files overwritten, {left} left as evidence, 0 objects lost",
    )


@contextmanager
def memory_limited(process: int, mebibytes: int) -> Iterator[Path]:
    """Put the process into a memory group of its own; what it has already is not counted."""
    if not (MEMORY_GROUPS / "memory.limit_in_bytes").exists():
        pytest.skip(f"{LACKS}a memory controller in {MEMORY_GROUPS}")
    home = next(
        line.rpartition(":")[2]
        for line in Path(f"/proc/{process}/cgroup").read_text().splitlines()
        if ":memory:" in line
    )
    group = MEMORY_GROUPS / f"lantai-{process}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(mebibytes * 2**20))
        (group / "cgroup.procs").write_text(str(process))
        yield group
    finally:
        (MEMORY_GROUPS / home.lstrip("/") / "cgroup.procs").write_text(str(process))
        group.rmdir()


def kept_by(layout: DemoLayout, node: str) -> int:
    return len(list(layout.root(node).glob("*/*/*/inventory.json")))


def suspects(layout: DemoLayout) -> list[str]:
    listed: list[str] = ask(layout.socket("keeper"), "status")["detail"]["suspect_nodes"]
    return listed


def log_of(layout: DemoLayout, name: str) -> str:
    return (layout.logs / f"{name}.log").read_text(errors="replace")


async def all_kept(layout: DemoLayout, sender: Sender, wait_until: WaitUntil) -> None:
    await wait_until(lambda: not list(layout.drop.iterdir()), 10, "an empty drop folder")
    for package in sender.sent:
        expect_kept(layout, package)
    assert [kept_by(layout, node) for node in NODES] == [len(sender.sent)] * len(NODES)
