"""A node that was away is brought level by what differs alone. Real processes, four nodes.

Its disk comes back as it was before the last packages, as after an older image was restored: what
it forgot is found when it returns, and only that is transferred.
"""

import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import ask
from daemon.demo.layout import SOURCE, DemoLayout, DemoSettings
from daemon.demo.processes import Processes
from storage.volume.journal_records import FIRST_CHAIN, Bad, read_records
from tests.appliance import Sender, Sent, restart, running_appliance, stored
from tests.appliance_figures import figures

NODE_COUNT = 4
AWAY = "node-4"
NODES = ("node-1", "node-2", "node-3", AWAY)
MESSAGES = "lantai_keeper_comparison_messages_total"
COMPARISONS = "lantai_keeper_comparisons_total"
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Processes]:
    settings = DemoSettings(
        mount=False, quiet_s=0.1, scan_s=0.2, mends_per_node_hour_max=100, nodes=NODES
    )
    with running_appliance(tmp_path / "a", settings) as processes:
        yield processes


@dataclass(frozen=True)
class Told:
    """What the keeper says of its comparisons."""

    comparisons: float
    messages: float


async def test_a_node_with_a_disk_of_yesterday_gets_what_it_forgot_and_nothing_else(
    appliance: Processes, wait_until: WaitUntil, tmp_path: Path
) -> None:
    layout, sender = appliance.layout, Sender(appliance.layout)
    folder = layout.root(AWAY).parent
    sender.send(8)
    await wait_until(lambda: stored(layout) == 8, 90, "the first receipts")
    appliance.stop(AWAY)
    shutil.copytree(folder, tmp_path / "yesterday", symlinks=True)
    restart(appliance, AWAY)
    later = sender.send(8)
    await wait_until(lambda: stored(layout) == 16, 90, "the later receipts")
    lost = names(later) & committed(folder)
    assert lost, "some of them were placed there"

    appliance.stop(AWAY)
    folder.rename(tmp_path / "today")
    shutil.copytree(tmp_path / "yesterday", folder, symlinks=True)
    kept = committed(folder)
    before = told(layout)
    restart(appliance, AWAY)
    await wait_until(lambda: transferred(folder) >= lost, 90, "the mends")
    await wait_until(lambda: not open_findings(layout), 60, "the mends on record")

    assert transferred(folder) == lost, "what it forgot, and no more"
    assert missed(layout) == lost, "each on record, whether a comparison or an audit came first"
    assert committed(folder) == kept, "nothing was written as new"
    assert told(layout).messages - before.messages < 40 * (told(layout).comparisons + 1)
    await a_return_without_a_difference_costs_one_message_for_each_node(appliance, wait_until)
    assert transferred(folder) == lost


async def a_return_without_a_difference_costs_one_message_for_each_node(
    appliance: Processes, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    appliance.stop(AWAY)
    before = compared(layout)
    restart(appliance, AWAY)

    def is_compared() -> bool:
        now = compared(layout)
        return bool(now["at"] > before["at"] and now["nodes"] == NODE_COUNT)

    await wait_until(is_compared, 60, "a comparison")
    last = compared(layout)
    assert last["messages"] == NODE_COUNT
    assert last["sentence"] == f"{NODE_COUNT} nodes keep what the catalogue says"


def compared(layout: DemoLayout) -> dict[str, Any]:
    """What the keeper says of its last comparison."""
    last: dict[str, Any] = ask(layout.socket("keeper"), "status")["detail"]["compared"]
    return last


def told(layout: DemoLayout) -> Told:
    return Told(*figures(layout.addresses["keeper"], COMPARISONS, MESSAGES))


def names(packages: list[Sent]) -> set[str]:
    return {f"lantai:{SOURCE}/{package.name}" for package in packages}


def committed(folder: Path) -> set[str]:
    return recorded(folder, "committed")


def transferred(folder: Path) -> set[str]:
    return recorded(folder, "mended")


def recorded(folder: Path, kind: str) -> set[str]:
    """Objects of the records of one kind in a node's journal, which may be growing."""
    found, chain = set(), FIRST_CHAIN
    for number, path in enumerate(sorted((folder / "journal").glob("*.log")), 1):
        whole = path.read_bytes().rfind(b"\n") + 1  # what follows may be half a line
        for record in read_records(path, number, 0, chain):
            if record.offset >= whole:
                break
            assert not isinstance(record, Bad), path
            chain = record.chain
            if record.kind == kind:
                found.add(str(record.members["object_id"]))
    return found


def open_findings(layout: DemoLayout) -> list[dict[str, Any]]:
    return findings(layout, open=1)


def missed(layout: DemoLayout) -> set[str]:
    """Objects whose copy on the node that was away is on record as missing, mended or not."""
    return {finding["object_id"] for finding in findings(layout, node=AWAY)}


def findings(layout: DemoLayout, **which: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = ask(layout.socket("keeper"), "findings", limit=1000, **which)
    return listed
