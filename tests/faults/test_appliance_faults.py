"""One appliance, and what a site does to it: stops, full disks, liars, rot in several places.

The tests run in order on one running appliance and leave it well; the large package comes last, as
every sweep after it reads it. Real processes throughout.
"""

import json
import re
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import ask
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings
from daemon.demo.processes import Processes, lantai
from storage.ocfl.layout import object_folder
from tests.appliance import (
    Sender,
    Sent,
    expect_kept,
    restart,
    running_appliance,
    staged,
    stored,
    transfers_of,
)
from tests.appliance_figures import figure
from tests.fault_page import record_fault

FILES = 20_000
# A process that read nothing yet has some 60 MiB; a list of 20 000 files held whole, twice that.
RESIDENT_MIB_MAX = 160
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, mends_per_node_hour_max=6)
    folder = tmp_path_factory.mktemp("faults") / "a"
    with running_appliance(folder, settings) as processes:
        yield processes


@pytest.fixture(scope="module")
def sender(appliance: Processes) -> Sender:
    return Sender(appliance.layout)


async def test_a_full_node_delays_packages_and_fails_none(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    config = layout.node_config("node-2")
    written = config.read_text()
    before = stored(layout)
    config.write_text(re.sub(r"reserve_bytes = \d+", "reserve_bytes = 1000000000000000", written))
    assert appliance.stop("node-2") == 0
    restart(appliance, "node-2")
    appliance.wait_until_well("node-2")
    (package,) = sender.send()
    await wait_until(lambda: "replication.put.delayed" in _log(layout, "ingest"), 30)
    await wait_until(lambda: _state(layout, package) == "writing", 30)
    await wait_until(lambda: "node-2: " in _message(layout, package), 30, "the reason, told")
    assert "add a disk or a node" in _message(layout, package)
    assert stored(layout) == before
    config.write_text(written)
    assert appliance.stop("node-2") == 0
    restart(appliance, "node-2")
    await wait_until(lambda: stored(layout) == before + 1, 60, "the stored receipt")
    await wait_until(lambda: not (layout.drop / package.name).exists(), 10)
    expect_kept(layout, package)


async def test_a_mend_takes_the_other_source_when_the_first_is_damaged_too(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """Two of three copies rot in the same file; only the third can mend them."""
    layout = appliance.layout
    (package,) = await _stored_packages(appliance, sender, wait_until)
    for node in ("node-1", "node-2"):
        _rot(layout, node, package)
    ask(layout.socket("keeper"), "sweep-start")
    await wait_until(lambda: _mended(layout, package) == {"node-1", "node-2"}, 60, "both mends")
    expect_kept(layout, package)
    await wait_until(lambda: _open_findings(layout) == 0, 30, "closed findings")
    record_fault("F28", observed="both mended from the third")


async def test_a_mend_ends_well_although_a_source_is_killed(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    (package,) = await _stored_packages(appliance, sender, wait_until)
    _rot(layout, "node-3", package)
    ask(layout.socket("keeper"), "sweep-start")
    appliance.kill("node-1")
    await wait_until(lambda: _mended(layout, package) == {"node-3"}, 90, "the mend")
    restart(appliance, "node-1")
    appliance.wait_until_well("node-1")
    expect_kept(layout, package)
    record_fault("F31", observed="the source was killed; mended from the other")


async def test_a_node_away_by_plan_is_not_missed_and_its_copy_is_neither_bad_nor_good(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """1. Said to be away, and stopped. 2. Both other copies rot. 3. Back: both are mended."""
    layout = appliance.layout
    (package,) = await _stored_packages(appliance, sender, wait_until)
    until = f"{datetime.now(UTC).astimezone() + timedelta(days=1):%Y-%m-%dT%H:%M}"
    words = ("--until", until, "--reason", "the rack is moved")
    assert _cli(layout.config, "node", "away", "node-3", *words).returncode == 0
    assert _cli(layout.config, "node", "away", "node-2", *words).returncode == 1
    keeper = layout.addresses["keeper"]
    missing = 'lantai_keeper_node_away{node="node-3"}'
    await wait_until(lambda: figure(keeper, missing) == 1, 30, "the figure for Prometheus")
    # Whoever asked before it was known to be away has ended; both others answer.
    await wait_until(lambda: _is_left_alone(layout, "node-3"), 60, "rounds without node-3")
    silent_before = _silences(layout, "node-3")
    assert appliance.stop("node-3") == 0
    for node in ("node-1", "node-2"):
        _rot(layout, node, package)
    ask(layout.socket("keeper"), "sweep-start", node="node-1")
    ask(layout.socket("keeper"), "sweep-start", node="node-2")
    await wait_until(lambda: _open_findings(layout) == 2, 60, "both findings")
    at_risk = "lantai_keeper_packages_at_risk"
    await wait_until(lambda: figure(keeper, at_risk) == 1, 30, "the package at risk")
    status = ask(layout.socket("keeper"), "status")["detail"]
    assert [each["node"] for each in status["away"]] == ["node-3"]
    assert status["objects_without_a_good_copy"] == [], "the absent copy is not given up"
    assert "按计划离线" in _cli(layout.config, "status").stdout
    object_id = f"lantai:{SOURCE}/{package.name}"
    copies = json.loads(_cli(layout.config, "package", "show", object_id, "--json").stdout)[
        "copies"
    ]
    assert [copy["node"] for copy in copies if copy["away_until"]] == ["node-3"]
    shown = _cli(layout.config, "salvage", "show", object_id, "--json")
    assert '"away"' in shown.stdout, shown
    assert _silences(layout, "node-3") == silent_before
    restart(appliance, "node-3")
    appliance.wait_until_well("node-3")
    assert _cli(layout.config, "node", "back", "node-3", "--reason", "done").returncode == 0
    await wait_until(lambda: _mended(layout, package) == {"node-1", "node-2"}, 60, "both mends")
    await wait_until(lambda: figure(keeper, missing) == 0, 30, "the figure for Prometheus")
    expect_kept(layout, package)


async def test_damage_to_every_copy_is_left_alone_and_called_for(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    (package,) = await _stored_packages(appliance, sender, wait_until)
    rotten = [_rot(layout, node, package) for node in NODES]
    before = [file.read_bytes() for file in rotten]
    object_id = f"lantai:{SOURCE}/{package.name}"
    ask(layout.socket("keeper"), "sweep-start")

    def called_for() -> bool:
        status = ask(layout.socket("keeper"), "status")["detail"]
        return bool(status["objects_without_a_good_copy"] == [object_id])

    await wait_until(called_for, 60, "the call for a person")
    assert [file.read_bytes() for file in rotten] == before
    assert _cli(layout.config, "package", "verify", object_id).returncode == 1


async def test_a_host_without_a_keeper_still_sweeps_its_own_node(
    appliance: Processes, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    appliance.kill("keeper")
    config = layout.node_config("node-1")
    ordered = _cli(config, "sweep", "start", "--json")
    assert ordered.returncode == 0, ordered.stderr
    assert [node["node"] for node in json.loads(ordered.stdout)["nodes"]] == ["node-1"]
    assert _cli(config, "sweep", "start", "--node", "node-2").returncode == 1
    restart(appliance, "keeper")
    await wait_until(lambda: _is_well(appliance, "keeper"), 60)


async def test_a_stop_in_the_middle_of_a_large_package_is_clean_and_loses_nothing(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """Twenty thousand small files; stopped while they are staged, and while they are written."""
    layout = appliance.layout
    before = stored(layout)
    (package,) = sender.send(files=FILES)
    await wait_until(lambda: staged(layout), 30, "the beginning of staging")
    assert appliance.stop("ingest") == 0
    restart(appliance, "ingest")
    await wait_until(lambda: _state(layout, package) == "writing", 60, "the beginning of writing")
    assert not (layout.returned / f"{package.name}.stored.json").exists()
    assert appliance.stop("ingest") == 0
    restart(appliance, "ingest")
    await wait_until(lambda: stored(layout) == before + 1, 90, "the stored receipt")
    await wait_until(lambda: not staged(layout), 90, "empty staging")
    assert (layout.returned / f"{package.name}.received.json").exists()
    expect_kept(layout, package)
    for name in ("ingest", *NODES):
        assert _resident_mib_max(appliance.process_id(name)) < RESIDENT_MIB_MAX, name


def test_everything_stops_with_status_0_in_the_end(appliance: Processes) -> None:
    assert set(appliance.stop_all().values()) == {0}


async def _stored_packages(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> list[Sent]:
    layout = appliance.layout
    before = stored(layout)
    sent = sender.send()
    await wait_until(lambda: stored(layout) == before + len(sent), 60, "the stored receipt")
    await wait_until(lambda: not list(layout.drop.iterdir()), 10, "an empty drop folder")
    return sent


def _rot(layout: DemoLayout, node: str, package: Sent) -> Path:
    """Change one byte of a file of one copy."""
    folder = layout.root(node) / object_folder(f"lantai:{SOURCE}/{package.name}")
    victim = folder / "v1/content/received/data/0.bin"
    content = bytearray(victim.read_bytes())
    content[NODES.index(node)] ^= 1
    victim.chmod(0o640)
    victim.write_bytes(content)
    return victim


def _findings(layout: DemoLayout) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(layout.socket("keeper"), "findings", limit=1000)
    return found


def _mended(layout: DemoLayout, package: Sent) -> set[str]:
    object_id = f"lantai:{SOURCE}/{package.name}"
    return {
        each["node"]
        for each in _findings(layout)
        if each["object_id"] == object_id and each["mended_at"] is not None
    }


def _open_findings(layout: DemoLayout) -> int:
    return sum(each["mended_at"] is None for each in _findings(layout))


def _state(layout: DemoLayout, package: Sent) -> str | None:
    listed = ask(layout.socket("api"), "transfers", limit=1000)["transfers"]
    return next((each["state"] for each in listed if each["name"] == package.name), None)


def _message(layout: DemoLayout, package: Sent) -> str:
    """What the record of the transfer says of where it stands."""
    return next(each.message for each in transfers_of(layout) if each.name == package.name)


def _is_left_alone(layout: DemoLayout, node: str) -> bool:
    """Whether nobody in the keeper still asks this node, and every other has just answered."""
    parts = ask(layout.socket("keeper"), "status")["parts"]
    said = {part["name"]: part["status"] for part in parts}
    heard = said["hearing"].endswith(f" orders, not asked: {node}")
    return heard and not said["comparison"].startswith("Holding the catalogue against")


def _silences(layout: DemoLayout, node: str) -> int:
    """How often the keeper missed this node."""
    lines = _log(layout, "keeper").splitlines()
    return sum("keeper.node.silent" in line and node in line for line in lines)


def _is_well(appliance: Processes, name: str) -> bool:
    appliance.wait_until_well(name)
    return True


def _resident_mib_max(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def _log(layout: DemoLayout, name: str) -> str:
    return (layout.logs / f"{name}.log").read_text(errors="replace")


def _cli(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*lantai(), *words, "--config", str(config)]
    return subprocess.run(command, check=False, capture_output=True, text=True)
