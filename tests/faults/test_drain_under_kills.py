"""A node is drained while packages arrive and processes die at random (F53). Real processes."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.config import load_config
from daemon.control_client import NotRunning, RoleRefused, ask
from daemon.demo.layout import SOURCE, DemoLayout, DemoSettings
from daemon.demo.processes import Processes
from storage.catalogue import copies, packages
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import CopyState
from storage.ocfl.layout import object_folder
from tests.appliance import Sender, keeper_leads, restart, running_appliance, stored
from tests.fault_page import record_fault
from tests.steady_sender import SteadySender, is_whole, steadily

NODES = ("node-1", "node-2", "node-3", "node-4")
STAYING = ("node-1", "node-3", "node-4")
FIRST = 16
KILLS = int(os.environ.get("LANTAI_DRAIN_KILLS", "3"))
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("heavy")]


async def test_a_node_is_drained_under_kills_and_no_package_ever_lacks_a_copy(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    """1. Packages lie on four nodes. 2. node-2 is drained while more arrive, and the keeper or a
    node is killed again and again. 3. It becomes removable, is given up, and 4. comes back."""
    seed = int(os.environ.get("LANTAI_SEED", "53"))
    print(f"LANTAI_SEED={seed}")
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, nodes=NODES)
    with running_appliance(tmp_path / "a", settings) as processes:
        layout = processes.layout
        steady = SteadySender(layout, Sender(layout), NODES, pause_s=0.5)
        steady.sent += steady.sender.send(FIRST)
        await wait_until(lambda: stored(layout) == FIRST, 120, "the first receipts")
        await wait_until(lambda: signed_by_all(layout), 30, "the first layout on every node")
        began_s = time.monotonic()
        async with steadily(steady):
            order(layout, "node-drain", node="node-2", reason="an old disk")
            await kill_at_random(processes, steady, wait_until, random.Random(seed))
            await wait_until(lambda: shown(layout).get("removable") is True, 240, "removable")
        drained_s = time.monotonic() - began_s
        await wait_until(steady.answered, 120, "the last receipts")
        steady.look()
        assert steady.fewest >= 3, f"{steady.fewest} good copies were left of a package"
        steady.expect_all_kept(STAYING)
        await wait_until(lambda: keeper_leads(layout), 60, "a keeper that takes orders")
        processes.stop("node-2")
        order(layout, "node-lost", node="node-2", reason="removed", uuid=shown(layout)["node_uuid"])
        assert shown(layout)["to_move"] == 0, "nothing was needed of it any more"
        await a_node_that_comes_back_counts_once_it_was_read_whole(processes, steady, wait_until)
    record_fault(
        "F53",
        observed=f"{KILLS} kills of keeper and nodes in the middle of a drain, {len(steady.sent)}"
        f" packages, {steady.looks} counts of all copies on the disks: never under 3",
        figure=f"drained in {drained_s:.0f} s, 0 lost",
    )


async def a_node_that_comes_back_counts_once_it_was_read_whole(
    processes: Processes, steady: SteadySender, wait_until: WaitUntil
) -> None:
    """One of its copies rotted while it was away: that one does not count."""
    layout = processes.layout
    (rotten, *others) = (each for each in steady.sent if is_whole(layout, "node-2", each))
    assert counted(layout) == set()
    victim = layout.root("node-2") / object_folder(f"lantai:{SOURCE}/{rotten.name}")
    victim = victim / "v1/content/received/data/0.bin"
    victim.chmod(0o640)
    victim.write_bytes(b"not what was signed")
    order(layout, "node-readonly", node="node-2", reason="it was only a cable")
    with pytest.raises(RoleRefused, match="has not been verified"):
        order(layout, "node-up", node="node-2", reason="too early")
    assert counted(layout) == set(), "nothing counts unread"
    restart(processes, "node-2")  # it is read as soon as it answers
    await wait_until(lambda: shown(layout).get("verified") is True, 120, "the whole sweep")
    assert counted(layout) == {f"lantai:{SOURCE}/{each.name}" for each in others}
    order(layout, "node-up", node="node-2", reason="verified")


def counted(layout: DemoLayout) -> set[str]:
    """Objects whose copy on node-2 counts as good."""
    catalogue = Catalogue.open(load_config(layout.config).catalogue.url)
    try:
        held = catalogue.look(copies.on_node, "node-2")
        return {
            catalogue.look(packages.get, copy.package_id).object_id
            for copy in held
            if copy.state is CopyState.COMMITTED
        }
    finally:
        catalogue.close()


async def kill_at_random(
    processes: Processes, steady: SteadySender, wait_until: WaitUntil, chance: random.Random
) -> None:
    """After every few packages some process dies, and comes back as systemd would have it."""
    for _ in range(KILLS):
        seen = steady.looks + chance.randint(1, 2)
        await wait_until(lambda seen=seen: steady.looks >= seen, 60, "more packages")
        victim = chance.choice(("keeper", "keeper", *NODES))
        processes.kill(victim)
        restart(processes, victim)
        await asyncio.to_thread(processes.wait_until_well, victim)


def order(layout: DemoLayout, verb: str, **arguments: str) -> Any:
    done = ask(layout.socket("keeper"), verb, timeout_s=40, **arguments)
    assert done["state"] == "done", done
    return done


def shown(layout: DemoLayout) -> dict[str, Any]:
    """What the keeper says of node-2; nothing while it is not there."""
    try:
        said: dict[str, Any] = ask(layout.socket("keeper"), "node-show", node="node-2")
    except (NotRunning, RoleRefused):
        return {}
    return said


def signed_by_all(layout: DemoLayout) -> bool:
    try:
        said = ask(layout.socket("keeper"), "nodes")
    except (NotRunning, RoleRefused):
        return False
    return all(each["signed_layout"] == said["layout"] for each in said["nodes"])
