"""No good copy left: how soon it is called for, at the pace that an archive runs at.

Three copies of one object are damaged in the same file. Within 60 s of the sweep that finds it the
keeper's figures and its log call for a person. Real processes; the keeper hears its nodes every
30 s, as configured by default.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from daemon.config import Keeper as KeeperSettings
from daemon.control_client import ask
from daemon.demo.layout import NODES, SOURCE, DemoLayout, DemoSettings
from storage.ocfl.layout import object_folder
from tests.appliance import Sender, running_appliance, stored
from tests.appliance_figures import figure
from tests.fault_page import record_fault

WITHIN_S = 60
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.timeout(300)


async def test_an_object_without_a_good_copy_is_called_for_within_a_minute_of_the_sweep(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    settings = DemoSettings(mount=False, keeper_cycle_s=KeeperSettings().cycle_s)
    with running_appliance(tmp_path / "a", settings) as appliance:
        layout = appliance.layout
        (package,) = Sender(layout).send()
        await wait_until(lambda: stored(layout) == 1, 60, "the stored receipt")
        object_id = f"lantai:{SOURCE}/{package.name}"
        rotten = [spoil(layout.root(node) / object_folder(object_id)) for node in NODES]
        ask(layout.socket("keeper"), "sweep-start")
        await wait_until(lambda: all(has_found(layout, node) for node in NODES), 60, "the finding")
        found_s = time.monotonic()

        await wait_until(lambda: calls(layout, object_id), WITHIN_S, "the call for a person")
        assert time.monotonic() - found_s < WITHIN_S
        assert [file.read_bytes() for file in rotten] == [b"not what was signed"] * len(NODES)
    record_fault(
        "F29",
        observed="called for; every copy left as it was",
        figure=f"within {WITHIN_S} s, 0 bytes changed",
    )


def spoil(folder: Path) -> Path:
    file = folder / "v1/content/received/data/0.bin"
    file.chmod(0o640)
    file.write_bytes(b"not what was signed")
    return file


def has_found(layout: DemoLayout, node: str) -> bool:
    return "sweep.finding" in (layout.logs / f"{node}.log").read_text(errors="replace")


def calls(layout: DemoLayout, object_id: str) -> bool:
    """Figures for the alert rules, the event for the log, a line for `lantai status`."""
    keeper = layout.addresses["keeper"]
    figures = ("lantai_keeper_objects_without_good_copy", "lantai_keeper_packages_at_risk")
    if [figure(keeper, name) for name in figures] != [1, 1]:
        return False
    log = (layout.logs / "keeper.log").read_text(errors="replace")
    called = [line for line in log.splitlines() if "repair.object.at_risk" in line]
    status = ask(layout.socket("keeper"), "status")["detail"]
    return any(object_id in line for line in called) and status["objects_without_a_good_copy"] == [
        object_id
    ]
