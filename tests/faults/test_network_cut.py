"""The network is cut, in part, in one direction, or badly: nothing is receipted without N copies.

One appliance of real processes, each node in a network namespace of its own (tests/network.py).
The tests run in order and leave it well.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from daemon.demo.layout import NODES, DemoLayout, DemoSettings
from tests.appliance import Sender, expect_kept, stored
from tests.fault_page import record_fault
from tests.network import NetworkedProcesses, networked_appliance

HEALED_S_MAX = 60.0
MIB = 1024 * 1024
PLACES = 4  # packages led at once
LOT = 4 * PLACES  # packages sent at once
WINDOW_MIB = 8  # docs/wire/put.md: the credit of one put
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.needs_root, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkedProcesses]:
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, packages_in_flight=PLACES)
    folder = tmp_path_factory.mktemp("net") / "a"
    with networked_appliance(folder, settings) as processes:
        yield processes


@pytest.fixture(scope="module")
def sender(appliance: NetworkedProcesses) -> Sender:
    return Sender(appliance.layout)


async def test_a_coordinator_left_with_one_node_gives_no_receipt_and_all_heals_by_itself(
    appliance: NetworkedProcesses, sender: Sender, wait_until: WaitUntil
) -> None:
    """1. node-2 is cut off; node-3 hears and cannot answer; four packages come.

    2. node-3 can answer again: two copies are no receipt either. 3. node-2 is back: all heals.
    """
    layout, network = appliance.layout, appliance.network
    for node in NODES:  # only who was greeted is missed
        await wait_until(lambda n=node: is_greeted(layout, n), 30, f"the greeting of {node}")
    network.cut("node-2")
    network.mute("node-3")
    packages = sender.send(4)
    await wait_until(lambda: kept_by(layout, "node-1") == 4, 30, "node-1's copies")
    for node in ("node-2", "node-3"):
        await wait_until(lambda n=node: is_lost(layout, n), 30, f"the loss of {node}")
    assert stored(layout) == 0, "one copy is no receipt"
    network.heal("node-3")
    began_s = time.monotonic()
    await wait_until(lambda: kept_by(layout, "node-3") == 4, HEALED_S_MAX, "node-3's copies")
    node_3_s = time.monotonic() - began_s
    assert stored(layout) == 0, "two copies are no receipt"
    assert kept_by(layout, "node-2") == 0
    network.heal("node-2")
    began_s = time.monotonic()
    await wait_until(lambda: stored(layout) == 4, HEALED_S_MAX, "all receipts")
    node_2_s = time.monotonic() - began_s
    await wait_until(lambda: not list(layout.drop.iterdir()), 10, "an empty drop folder")
    for package in packages:
        expect_kept(layout, package)
    assert [kept_by(layout, node) for node in NODES] == [4, 4, 4], "nothing twice"
    record_fault(
        "F32",
        observed="two copies and no receipt while it lasted; every package whole afterwards",
        figure=f"0 receipts, healed {node_2_s:.1f} s after the cut",
    )
    record_fault(
        "F33",
        observed="asked again by the same operation; one object each",
        figure=f"0 twice, healed {node_3_s:.1f} s after",
    )
    record_fault(
        "F34",
        observed="one copy and no receipt while it lasted; every package whole afterwards",
        figure="0 receipts",
    )


@pytest.mark.longer
async def test_lost_packets_make_it_slower_and_never_wrong(
    appliance: NetworkedProcesses, sender: Sender, wait_until: WaitUntil
) -> None:
    network = appliance.network
    clean_s = await time_to_store(appliance, sender, wait_until, LOT)
    paces = {}
    for percent in (1, 5):
        for node in NODES:
            network.lose(node, percent)
        paces[percent] = clean_s / await time_to_store(appliance, sender, wait_until, LOT)
    for node in NODES:
        network.heal(node)
    assert paces[1] > 0.2, paces
    for package in sender.sent[-2 * LOT :]:
        expect_kept(appliance.layout, package)
    record_fault(
        "F35",
        observed="every package whole, one object each",
        figure=f"{paces[1]:.0%} of the clean rate at 1 %, {paces[5]:.0%} at 5 %",
    )


@pytest.mark.longer
async def test_a_transfer_that_is_reset_again_and_again_goes_on_where_it_was(
    appliance: NetworkedProcesses, sender: Sender, wait_until: WaitUntil
) -> None:
    """Three times, each after another 6 MiB of a package of 24."""
    layout, network = appliance.layout, appliance.network
    before, received = stored(layout), network.received_mib("node-1")
    network.reset_after("node-1", 6)
    (package,) = sender.send(size_bytes=24 * MIB, files=1)
    for number in range(3):
        await wait_until(lambda: network.resets_of("node-1") > 0, 30, f"reset {number}")
        assert stored(layout) == before
        network.reset_after("node-1", 6)
    network.heal("node-1")
    await wait_until(lambda: stored(layout) == before + 1, HEALED_S_MAX, "the receipt")
    twice_mib = network.received_mib("node-1") - received - 24
    await wait_until(lambda: not list(layout.drop.iterdir()), 10, "an empty drop folder")
    expect_kept(layout, package)
    assert twice_mib / 3 < WINDOW_MIB, "what is said again is less than a window for each reset"
    record_fault(
        "F36",
        observed="resumed after each reset; one object",
        figure=f"3 resets in 24 MiB, {twice_mib / 3:.1f} MiB sent twice for each",
    )


async def test_a_slow_line_to_one_node_leaves_the_others_their_pace(
    appliance: NetworkedProcesses, sender: Sender, wait_until: WaitUntil
) -> None:
    """Four places; sixteen packages of 200 KB; node-3 behind 1 Mbit/s.

    Were a place held until node-3 has its copy, node-3 would have twelve before the last began.
    """
    layout, network = appliance.layout, appliance.network
    ingest = appliance.process_id("ingest")
    before, resident = stored(layout), resident_mib(ingest)

    async def pace_s() -> float:
        """Until the quick nodes have a lot of packages."""
        had = kept_by(layout, "node-1")
        began_s = time.monotonic()
        sender.send(LOT, files=1, size_bytes=200_000)
        for node in ("node-1", "node-2"):
            await wait_until(lambda n=node: kept_by(layout, n) >= had + LOT, 60, f"{node}'s copies")
        return time.monotonic() - began_s

    async def all_stored(lots: int) -> None:
        await wait_until(
            lambda: stored(layout) == before + lots * LOT, HEALED_S_MAX, "all receipts"
        )

    clean_s = await pace_s()
    await all_stored(1)
    network.throttle("node-3", "1mbit")
    slow_s = await pace_s()
    at_node_3 = kept_by(layout, "node-3") - before - LOT
    assert at_node_3 < LOT - PLACES, "the others waited for it, or the line is not slow"
    network.unthrottle("node-3")
    await all_stored(2)
    clean_s = (clean_s + await pace_s()) / 2
    await all_stored(3)
    grown_mib = resident_mib(ingest) - resident
    assert grown_mib < 64
    record_fault(
        "F37",
        observed="the other nodes had their copies as soon as without; receipts waited",
        figure=f"others at {clean_s / slow_s:.0%} of their rate, {grown_mib:+.0f} MiB",
    )


async def time_to_store(
    appliance: NetworkedProcesses, sender: Sender, wait_until: WaitUntil, count: int
) -> float:
    before = stored(appliance.layout)
    began_s = time.monotonic()
    sender.send(count)
    await wait_until(lambda: stored(appliance.layout) == before + count, 90, "all receipts")
    took_s = time.monotonic() - began_s
    await wait_until(lambda: not list(appliance.layout.drop.iterdir()), 10, "an empty drop folder")
    return took_s


def kept_by(layout: DemoLayout, node: str) -> int:
    return len(list(layout.root(node).glob("*/*/*/inventory.json")))


def is_lost(layout: DemoLayout, node: str) -> bool:
    """Whether the intake has noticed that the node is silent."""
    return is_told(layout, "wire.node.silent", node)


def is_greeted(layout: DemoLayout, node: str) -> bool:
    """Whether the intake has had an answer of the node."""
    return is_told(layout, "wire.node.greeted", node)


def is_told(layout: DemoLayout, event: str, node: str) -> bool:
    log = (layout.logs / "ingest.log").read_text(errors="replace")
    return any(event in line and node in line for line in log.splitlines())


def resident_mib(process_id: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process_id}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
