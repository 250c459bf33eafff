"""The keeper stops and calls a person, and goes on when a person has decided. Real processes.

The tests run in order on one appliance and leave it well.
"""

import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import ask
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings
from daemon.demo.processes import Processes, lantai
from storage.ocfl.layout import object_folder
from tests.appliance import Sender, Sent, restart, running_appliance, stored, tree
from tests.appliance_figures import figure
from tests.fault_page import record_fault

STORM = 2  # more damaged objects than this on one node within an hour
ROUNDED_S = 0.0005  # a status gives milliseconds
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, mends_per_node_hour_max=STORM)
    with running_appliance(tmp_path_factory.mktemp("stops") / "a", settings) as processes:
        yield processes


@pytest.fixture(scope="module")
def sender(appliance: Processes) -> Sender:
    return Sender(appliance.layout)


async def test_a_storm_stop_outlives_the_keeper_and_ends_by_a_persons_word(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """1. Three copies rot on node-1: too many. 2. The keeper is killed. 3. A person decides."""
    layout = appliance.layout
    sent = await kept(layout, sender, wait_until, STORM + 1)
    for package in sent:
        rot(layout, "node-1", package)
    appliance.stop("keeper")  # so that it hears of all three at once
    ordered = lantai_says(layout.node_config("node-1"), "sweep", "start")
    assert ordered.returncode == 0, ordered.stderr
    node = layout.addresses["node-1"]
    await wait_until(lambda: figure(node, "lantai_node_findings_open") == STORM + 1, 60, "damage")
    restart(appliance, "keeper")
    appliance.wait_until_well("keeper")
    await wait_until(lambda: is_stopped(layout), 60, "the stop")
    await wait_until(lambda: len(open_findings(layout)) == STORM + 1, 60, "all findings")
    appliance.kill("keeper")
    restart(appliance, "keeper")
    appliance.wait_until_well("keeper")
    await wait_until(lambda: is_stopped(layout), 60, "the same stop after the restart")
    assert ask(layout.socket("keeper"), "status")["detail"]["suspect_nodes"] == ["node-1"]
    await whole_round_of_mending(layout, wait_until)
    assert len(open_findings(layout)) == STORM + 1
    assert not any(is_whole(layout, "node-1", package) for package in sent)

    told = lantai_says(layout.config, "audit", "trust", "node-1", "--reason", "a cable was loose")
    assert told.returncode == 0, told.stderr
    await wait_until(lambda: not open_findings(layout), 60, "all mends")
    assert all(is_whole(layout, "node-1", package) for package in sent)
    await whole_round_of_mending(layout, wait_until)
    await wait_until(lambda: not is_stopped(layout), 30, "the end of the stop")
    assert ask(layout.socket("keeper"), "status")["detail"]["suspect_nodes"] == [], "not anew"
    record_fault(
        "F30",
        observed="stopped, also after the keeper was killed; went on by a person's word",
        figure=f"limit {STORM}: 0 mends beyond",
    )


async def test_a_catalogue_that_stands_alone_against_all_nodes_is_called_for_and_nothing_touched(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """1. The row says another digest than every node. 2. One copy rots: it stays as it is.
    3. The row is put right: that copy is mended, and the call ends."""
    layout = appliance.layout
    (package,) = await kept(layout, sender, wait_until, 1)
    object_id = f"lantai:{SOURCE}/{package.name}"
    signed = set_digest(layout, object_id, "e" * 64)
    before = copies_of(layout, object_id)
    appliance.stop("keeper")
    restart(appliance, "keeper")
    appliance.wait_until_well("keeper")
    await wait_until(lambda: disagreements(layout) == [object_id], 60, "the call for a person")
    await wait_until(lambda: figure(at(layout), DISAGREES) == 1, 30, "the figure for Prometheus")
    log = (layout.logs / "keeper.log").read_text(errors="replace")
    assert any(
        "repair.catalogue_disagrees" in line and object_id in line for line in log.splitlines()
    )
    assert copies_of(layout, object_id) == before

    rot(layout, "node-2", package)
    rotten = copies_of(layout, object_id)
    ask(layout.socket("keeper"), "sweep-start", node="node-2")
    await wait_until(lambda: len(open_findings(layout)) == 1, 60, "the finding")
    await whole_round_of_mending(layout, wait_until)
    assert copies_of(layout, object_id) == rotten, "nothing was touched on any node"

    set_digest(layout, object_id, signed)
    await wait_until(lambda: not open_findings(layout), 60, "the mend")
    assert copies_of(layout, object_id) == before
    await wait_until(lambda: disagreements(layout) == [], 90, "the end of the call")
    record_fault(
        "F26",
        observed="called for; no copy touched until the row was put right",
        figure="0 bytes changed",
    )


DISAGREES = "lantai_keeper_catalogue_disagreements"


async def kept(layout: DemoLayout, sender: Sender, wait_until: WaitUntil, count: int) -> list[Sent]:
    before = stored(layout)
    sent = sender.send(count)
    await wait_until(lambda: stored(layout) == before + count, 60, "the stored receipts")
    return sent


def folder_of(layout: DemoLayout, node: str, package: Sent) -> Path:
    return layout.root(node) / object_folder(f"lantai:{SOURCE}/{package.name}")


def rot(layout: DemoLayout, node: str, package: Sent) -> None:
    victim = folder_of(layout, node, package) / "v1/content/received/data/0.bin"
    victim.chmod(0o640)
    victim.write_bytes(b"not what was signed")


def is_whole(layout: DemoLayout, node: str, package: Sent) -> bool:
    return tree(folder_of(layout, node, package) / "v1/content/received") == package.files


def copies_of(layout: DemoLayout, object_id: str) -> Mapping[str, Mapping[str, bytes]]:
    """What each node holds of it, but for the receipts that it is told beside (`logs/`)."""
    folders = {node: layout.root(node) / object_folder(object_id) for node in NODES}
    return {
        node: {path: data for path, data in tree(folder).items() if not path.startswith("logs/")}
        for node, folder in folders.items()
    }


def open_findings(layout: DemoLayout) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = ask(layout.socket("keeper"), "findings", open=1, limit=1000)
    return listed


def at(layout: DemoLayout) -> str:
    return layout.addresses["keeper"]


def is_stopped(layout: DemoLayout) -> bool:
    return figure(at(layout), "lantai_keeper_mending_stopped") == 1


def disagreements(layout: DemoLayout) -> list[str]:
    listed: list[str] = ask(layout.socket("keeper"), "status")["detail"]["catalogue_disagrees"]
    return listed


async def whole_round_of_mending(layout: DemoLayout, wait_until: WaitUntil) -> None:
    """Wait until a leading keeper has begun and ended one: two ends, by when it beat last."""
    for _ in range(2):
        asked_s = time.monotonic()
        await wait_until(
            lambda before_s=asked_s: round_ended_after(layout, before_s), 120, "a round of mending"
        )


def round_ended_after(layout: DemoLayout, before_s: float) -> bool:
    """Whether a round ended since; between rounds the part `repair` says what the last one did."""
    asked_s = time.monotonic()
    parts = ask(layout.socket("keeper"), "status")["parts"]
    (repair,) = (part for part in parts if part["name"] == "repair")
    ended_s = asked_s - repair["last_beat_age_s"] - ROUNDED_S  # at the earliest
    return "mends carried out" in repair["status"] and ended_s > before_s


def lantai_says(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*lantai(), *words, "--config", str(config)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def set_digest(layout: DemoLayout, object_id: str, digest: str) -> str:
    """Write another digest into the row, as a broken database would; return what stood there."""
    with sqlite3.connect(layout.folder / "catalogue.sqlite", timeout=30) as database:
        database.execute("DROP TRIGGER IF EXISTS packages_baseline_never_update")
        where = "WHERE object_id=?"
        query = f"SELECT inventory_sha256 FROM packages {where}"
        (before,) = database.execute(query, (object_id,)).fetchone()
        database.execute(f"UPDATE packages SET inventory_sha256=? {where}", (digest, object_id))
    database.close()
    return str(before)
