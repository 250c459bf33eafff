"""A node that lost an object, and one whose disk was replaced: noticed, called, filled. Processes.

The tests run in order on one appliance and leave it well.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import ask
from daemon.demo.layout import SOURCE, DemoLayout, DemoSettings
from daemon.demo.processes import Processes, lantai
from storage.ocfl.layout import object_folder
from storage.volume.index_tree import counting
from tests.appliance import Sender, Sent, restart, running_appliance, stored, tree
from tests.appliance_figures import figure
from tests.fault_page import record_fault

STORM = 3
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2, mends_per_node_hour_max=STORM)
    with running_appliance(tmp_path_factory.mktemp("replaced") / "a", settings) as processes:
        yield processes


@pytest.fixture(scope="module")
def sender(appliance: Processes) -> Sender:
    return Sender(appliance.layout)


async def test_another_disk_under_an_old_name_is_noticed_filled_by_a_persons_word_and_heard(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """One story: each part goes on where the one before it ended."""
    await an_object_that_a_node_no_longer_knows_is_found_and_mended(appliance, sender, wait_until)
    await another_disk_under_an_old_name_is_called_and_filled_by_a_persons_word(
        appliance, sender, wait_until
    )
    await what_the_new_disk_finds_first_is_heard(appliance, sender, wait_until)
    record_fault(
        "F52", observed="called for; nothing filled before a person's word; then every copy"
    )


async def an_object_that_a_node_no_longer_knows_is_found_and_mended(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    sent = sender.send(STORM + 2)
    await wait_until(lambda: stored(layout) == len(sent), 60, "the stored receipts")
    appliance.stop("node-2")
    forget(layout, "node-2", sent[0])
    restart(appliance, "node-2")
    await wait_until(lambda: is_whole(layout, "node-2", sent[0]), 90, "the mend")
    await wait_until(lambda: not open_findings(layout), 30, "the end of the finding")
    (found,) = ask(layout.socket("keeper"), "findings", limit=10)
    assert (found["node"], found["sequence"], found["kind"]) == ("node-2", -1, "object-missing")


async def another_disk_under_an_old_name_is_called_and_filled_by_a_persons_word(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    packages = [folder.name for folder in layout.accepted.iterdir()]
    appliance.stop("node-3")
    shutil.rmtree(layout.root("node-3").parent)
    create = [*lantai(), "node", "create", "--config", str(layout.node_config("node-3"))]
    subprocess.run(create, check=True, capture_output=True)
    restart(appliance, "node-3")
    address = layout.addresses["keeper"]
    await wait_until(lambda: figure(address, "lantai_keeper_suspect_nodes") == 1, 90, "the call")
    await wait_until(lambda: len(open_findings(layout)) == len(packages), 60, "all losses")
    await wait_until(
        lambda: figure(address, "lantai_keeper_copies_below_target") == len(packages), 30, "figure"
    )
    assert kept_by(layout, "node-3") == 0, "nothing is filled without a person"
    trust = ["audit", "trust", "node-3", "--reason", "new disk", "--config", str(layout.config)]
    subprocess.run([*lantai(), *trust], check=True, capture_output=True)
    await wait_until(lambda: not open_findings(layout), 90, "every object")
    assert kept_by(layout, "node-3") == len(packages)
    await wait_until(
        lambda: figure(address, "lantai_keeper_copies_below_target") == 0, 30, "all copies"
    )
    await wait_until(
        lambda: figure(address, "lantai_keeper_suspect_nodes") == 0, 30, "no new storm"
    )


async def what_the_new_disk_finds_first_is_heard(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    package = sender.send()[0]
    await wait_until(lambda: kept_by(layout, "node-3") == STORM + 3, 60, "its copy")
    victim = folder_of(layout, "node-3", package) / "v1/content/received/data/0.bin"
    victim.chmod(0o640)
    victim.write_bytes(b"not what was signed")
    ask(layout.socket("keeper"), "sweep-start", node="node-3")
    await wait_until(lambda: is_whole(layout, "node-3", package), 90, "the mend")
    heard = ask(layout.socket("keeper"), "findings", node="node-3", limit=1)
    assert [(each["object_id"], each["kind"]) for each in heard] == [
        (f"lantai:{SOURCE}/{package.name}", "truncated")
    ]


def folder_of(layout: DemoLayout, node: str, package: Sent) -> Path:
    return layout.root(node) / object_folder(f"lantai:{SOURCE}/{package.name}")


def is_whole(layout: DemoLayout, node: str, package: Sent) -> bool:
    folder = folder_of(layout, node, package) / "v1/content/received"
    return folder.exists() and tree(folder) == package.files


def kept_by(layout: DemoLayout, node: str) -> int:
    return len(list(layout.root(node).glob("*/*/*/inventory.json")))


def open_findings(layout: DemoLayout) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = ask(layout.socket("keeper"), "findings", open=1, limit=1000)
    return listed


def forget(layout: DemoLayout, node: str, package: Sent) -> None:
    """Neither folder nor row is left, as when an older image of the disk was put back."""
    shutil.rmtree(folder_of(layout, node, package))
    index = layout.root(node).parent / "index.sqlite"
    name = f"lantai:{SOURCE}/{package.name}"
    with closing(sqlite3.connect(index)) as database, database, counting(database, name):
        deleted = database.execute("DELETE FROM objects WHERE object_id=?", (name,))
        assert deleted.rowcount == 1
