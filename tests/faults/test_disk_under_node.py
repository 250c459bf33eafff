"""A node's disk runs full, and then goes away, while packages keep coming. Real processes.

1. node-2 lies on a disk of its own; packages are stored. 2. Somebody fills that disk: no package is
stored, none is lost; the node is swept and read as before. 3. Room comes back: all are stored,
without anybody's help. 4. The disk is unmounted under the node: it takes nothing, and not one byte
is written where the disk was. 5. The disk is back: all are stored.
"""

import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.control_client import NotRunning, RoleRefused, ask
from daemon.demo.layout import DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes
from tests.appliance import Sender, expect_kept, restart, staged, stored
from tests.fault_page import record_fault

MEBIBYTE = 1024 * 1024
NODE = "node-2"
# So long a package that cannot be stored is looked at.
UNSTORED_S = 4
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.needs_root, pytest.mark.timeout(300)]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[DemoLayout]:
    """A demo whose second node lies on an ext4 file system of 256 MiB."""
    layout = lay_out(tmp_path / "a", DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2))
    image, place = tmp_path / "image", layout.root(NODE).parent
    with image.open("wb") as stream:
        stream.truncate(256 * MEBIBYTE)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    place.mkdir(exist_ok=True)
    mount(image, place)
    yield layout
    subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)


def mount(image: Path, place: Path) -> None:
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)


async def test_a_disk_that_is_full_and_then_gone_loses_nothing(
    layout: DemoLayout, tmp_path: Path, wait_until: WaitUntil
) -> None:
    place = layout.root(NODE).parent
    with Processes(layout) as processes:
        processes.create_nodes()
        processes.start_all(lambda _name: None)
        sender = Sender(layout)
        sent = sender.send(3)
        await wait_until(lambda: stored(layout) == 3, 60, "the stored receipts")

        filler = place / "somebody-else"
        leave_free(filler, 60 * MEBIBYTE)  # less than the reserve
        sent += sender.send(2, files=200)
        await nothing_is_stored(layout, 3)
        before = status(layout)
        assert before["volume"] == "ready", before
        ask(layout.socket(NODE), "sweep-start")
        await wait_until(lambda: swept_since(layout, before), 60, "a sweep of the full disk")
        filler.unlink()
        room_s = time.monotonic()
        await wait_until(lambda: stored(layout) == 5, 60, "the stored receipts")
        recovered_s = time.monotonic() - room_s

        subprocess.run(["umount", "--lazy", str(place)], check=True)
        sent += sender.send(2)
        await wait_until(lambda: not takes_writes(layout), 15, "the node's refusal")
        await nothing_is_stored(layout, 5)
        below = [path for path in place.rglob("*") if path.is_file()]
        assert below == [], "written below the mount point"
        mount(tmp_path / "image", place)
        processes.stop(NODE)
        restart(processes, NODE)
        processes.wait_until_well(NODE)
        await wait_until(lambda: stored(layout) == 7, 90, "the stored receipts")
        await wait_until(lambda: not list(layout.drop.iterdir()), 30, "an empty drop folder")
        await wait_until(lambda: not staged(layout), 30, "empty staging")
        for package in sent:
            expect_kept(layout, package)
    record_fault(
        "F13",
        observed="a full node: refused before any data, swept and read on; then stored unaided",
        figure=f"{recovered_s:.0f} s after room",
    )
    record_fault("F16", observed="the node refused; nothing stored", figure="0 bytes below")


def leave_free(path: Path, free_bytes: int) -> None:
    state = os.statvfs(path.parent)
    with path.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, state.f_bavail * state.f_frsize - free_bytes)


def status(layout: DemoLayout) -> dict[str, Any]:
    answer: dict[str, Any] = ask(layout.socket(NODE), "status")["detail"]
    return answer


def takes_writes(layout: DemoLayout) -> bool:
    try:
        return bool(status(layout)["volume"] == "ready")
    except (NotRunning, RoleRefused):
        return False


def swept_since(layout: DemoLayout, before: dict[str, Any]) -> bool:
    return bool(status(layout)["oldest_checked_at"] > before["oldest_checked_at"])


async def nothing_is_stored(layout: DemoLayout, count: int) -> None:
    """Not for some seconds."""
    until_s = time.monotonic() + UNSTORED_S
    while time.monotonic() < until_s:
        assert stored(layout) == count, "stored without a third copy"
