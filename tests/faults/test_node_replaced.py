"""Nodes are wiped, lost for ever and replaced while packages arrive (F52). Real processes.

No sender notices: nothing is rejected, every receipt verifies, and the copies are counted by
reading the disks.
"""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import NotRunning, RoleRefused, ask
from daemon.demo.layout import DemoLayout, DemoSettings, configure
from daemon.demo.processes import Instance, Processes, lantai
from tests.appliance import Sender, keeper_leads, restart, running_appliance, stored
from tests.appliance_figures import figure
from tests.fault_page import record_fault
from tests.steady_sender import SteadySender, good_copies, steadily

ALL = ("node-1", "node-2", "node-3", "node-4")
AT_FIRST = ALL[:3]
FIRST = 12
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("heavy")]


async def test_a_wiped_node_is_refilled_and_a_lost_one_replaced_while_packages_arrive(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    """One story: each part goes on where the one before it ended."""
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, nodes=AT_FIRST, spares=ALL[3:])
    with running_appliance(tmp_path / "a", settings) as processes:
        steady = SteadySender(processes.layout, Sender(processes.layout), ALL, pause_s=0.5)
        steady.sent += steady.sender.send(FIRST)
        await wait_until(lambda: stored(processes.layout) == FIRST, 120, "the first receipts")
        async with steadily(steady):
            await a_wiped_node_is_refilled_once_a_person_has_confirmed_it(
                processes, steady, wait_until
            )
            await a_lost_node_is_replaced_by_another(processes, steady, wait_until)
        await wait_until(steady.answered, 120, "the last receipts")
        await wait_until(lambda: below_target(processes.layout) == 0, 60, "every copy")
        steady.expect_all_kept(("node-1", "node-2", "node-4"))


async def a_wiped_node_is_refilled_once_a_person_has_confirmed_it(
    processes: Processes, steady: SteadySender, wait_until: WaitUntil
) -> None:
    layout = processes.layout
    processes.kill("node-2")
    shutil.rmtree(layout.root("node-2").parent)
    layout.root("node-2").parent.mkdir()
    await asyncio.to_thread(processes.create_node, "node-2")
    restart(processes, "node-2")
    await wait_until(lambda: shown(layout, "node-2").get("to_fill", 0) >= FIRST, 120, "the loss")
    kept = sum(good_copies(layout, package, ["node-2"]) for package in steady.sent[:FIRST])
    assert kept == 0, "nothing is filled before a person has confirmed the disk"
    lantai_does(layout, "audit", "trust", "node-2", "--reason", "a new disk")
    began_s = time.monotonic()
    forecast: list[tuple[float, float]] = []

    def is_filled() -> bool:
        said = shown(layout, "node-2")
        if said.get("to_fill") and said.get("to_fill_left_s") is not None:
            forecast.append((time.monotonic(), said["to_fill_left_s"]))
        return said.get("to_fill") == 0

    await wait_until(is_filled, 240, "the refilled node")
    ended_s = time.monotonic()
    assert good_copies(layout, steady.sent[0], ["node-2"]) == 1
    said = [f"{left:.0f} s forecast, {ended_s - at:.0f} s taken" for at, left in forecast[-1:]]
    reckoned = "; ".join(said) or "too quick to forecast"
    record_fault(
        "F52",
        observed=f"{FIRST} objects back on an empty disk after a person's word, none before; ingest"
        " went on",
        figure=f"refilled in {ended_s - began_s:.0f} s; {reckoned}",
    )


async def a_lost_node_is_replaced_by_another(
    processes: Processes, steady: SteadySender, wait_until: WaitUntil
) -> None:
    layout = processes.layout
    uuid = shown(layout, "node-3")["node_uuid"]
    processes.kill("node-3")
    shutil.rmtree(layout.root("node-3").parent)
    refused = lantai_says(layout, "node", "lost", "node-3", "--uuid", uuid, "--reason", "fire")
    assert refused.returncode == 1
    assert "add a node in another domain first" in refused.stderr

    configure(layout, ALL)
    await asyncio.to_thread(processes.create_node, "node-4")
    processes.start(Instance("node-4", "node", layout.node_config("node-4")))
    for role in ("node-1", "node-2", "notary", "ingest", "keeper", "api"):
        processes.stop(role)
        restart(processes, role)
    await wait_until(lambda: keeper_leads(layout), 60, "a keeper that takes orders")
    lantai_does(layout, "node", "add", "node-4", "--reason", "in place of node-3")
    await wait_until(lambda: shown_nodes(layout).get("node-4") == "up", 60, "the new node")
    wrong = lantai_says(layout, "node", "lost", "node-3", "--uuid", "0", "--reason", "fire")
    assert wrong.returncode == 1
    assert "not the uuid" in wrong.stderr
    lantai_does(layout, "node", "lost", "node-3", "--uuid", uuid, "--reason", "fire")
    await wait_until(
        lambda: shown(layout, "node-3").get("to_move") == 0, 240, "copies in place of the lost"
    )
    assert all(good_copies(layout, each, ALL) >= 3 for each in steady.sent[:FIRST])


def shown(layout: DemoLayout, node: str) -> dict[str, Any]:
    """What the keeper says of a node; nothing while it is not there."""
    try:
        said: dict[str, Any] = ask(layout.socket("keeper"), "node-show", node=node)
    except (NotRunning, RoleRefused):
        return {}
    return said


def shown_nodes(layout: DemoLayout) -> dict[str, str]:
    """Node → state."""
    try:
        said = ask(layout.socket("keeper"), "nodes")
    except (NotRunning, RoleRefused):
        return {}
    return {each["node"]: each["state"] for each in said["nodes"]}


def below_target(layout: DemoLayout) -> float | None:
    return figure(layout.addresses["keeper"], "lantai_keeper_copies_below_target")


def lantai_does(layout: DemoLayout, *words: str) -> None:
    done = lantai_says(layout, *words)
    assert done.returncode == 0, done.stderr


def lantai_says(layout: DemoLayout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*lantai(), *words, "--config", str(layout.config)]
    return subprocess.run(command, check=False, capture_output=True, text=True)
