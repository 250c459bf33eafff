"""A running intake under fire: hostile packages and killed readers, and what it costs the machine.

All roles as real processes. Issue 3, item 6: memory of the intake, its workers included, stays
below 512 MiB whatever arrives, and a reader that dies takes nothing else along.
"""

import gzip
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from daemon.demo.layout import DemoLayout, DemoSettings
from daemon.demo.processes import Processes
from tests.appliance import Sender, children_of, expect_kept, running_appliance, stored
from tests.bags import ZipPart, bag_files, bag_parts, tar_bytes, write_files, zip_bytes
from tests.conftest import WaitUntil
from tests.fault_page import record_fault

MEBIBYTE = 1024**2
MEMORY_BYTES_MAX = 512 * MEBIBYTE
BOMB = bytes(64 * MEBIBYTE)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "bomb.zip": lambda: zip_bytes([*bag_parts(), ZipPart(b"data/bomb", BOMB)]),
    "bomb.tar.gz": lambda: gzip.compress(tar_bytes({"data/bomb": BOMB}), 9),
    "climbs.zip": lambda: zip_bytes([*bag_parts(), ZipPart(b"../evil", b"evil")]),
    "noise.tar": lambda: os.urandom(16 * MEBIBYTE),
}


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("hostile") / "a"
    with running_appliance(folder, DemoSettings(mount=False)) as processes:
        yield processes


@pytest.fixture(scope="module")
def sender(appliance: Processes) -> Sender:
    return Sender(appliance.layout)


def memory_bytes(process_id: int) -> int:
    """What a process and all below it have of the machine's memory, shared pages shared out."""
    total_kib = 0
    for number in (process_id, *children_of(process_id)):
        with suppress(OSError):  # it has ended
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
            total_kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kib * 1024


class Scale:
    """Weighs a process and all below it again and again, until it is told to stop."""

    def __init__(self, process_id: int) -> None:
        self.peak_bytes = 0
        self._process_id = process_id
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._weigh)

    def __enter__(self) -> "Scale":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _weigh(self) -> None:
        while not self._over.wait(0.05):
            self.peak_bytes = max(self.peak_bytes, memory_bytes(self._process_id))


def send_hostile(layout: DemoLayout) -> set[str]:
    """Drop every hostile package, whole at once; return their names."""
    outside = layout.folder / "hostile"
    outside.mkdir()
    for name, content in HOSTILE.items():
        (outside / name).write_bytes(content())
    long_line = b"Label: " + b"a" * (100 * MEBIBYTE)
    write_files(outside / "line", bag_files(changed={"bag-info.txt": long_line}))
    names = {path.name for path in outside.iterdir()}
    for name in names:
        (outside / name).rename(layout.drop / name)
    return names


async def test_memory_stays_bounded_whatever_arrives_and_good_packages_pass(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    with Scale(appliance.process_id("ingest")) as scale:
        names = send_hostile(layout)
        good = sender.send(5)

        def answered() -> bool:
            rejected = {path.name for path in layout.returned.glob("*.rejected.json")}
            return {f"{name}.rejected.json" for name in names} <= rejected

        await wait_until(answered, within_s=90, what="a refusal for each hostile package")
        await wait_until(lambda: stored(layout) == 5, within_s=90, what="the good packages")
    await wait_until(lambda: not any((layout.drop / each.name).exists() for each in good), 30)
    for package in good:
        expect_kept(layout, package)
    assert 0 < scale.peak_bytes < MEMORY_BYTES_MAX
    assert not (layout.folder / "evil").exists()


async def test_readers_that_are_killed_cost_no_package(
    appliance: Processes, sender: Sender, wait_until: WaitUntil
) -> None:
    """Killed from outside once, all of them, while packages come: each is read again."""
    layout = appliance.layout
    before = stored(layout)
    intake = appliance.process_id("ingest")
    sent = sender.send(8)
    readers = {each for child in children_of(intake) for each in children_of(child)}
    assert readers, "readers stay for the next package"
    for reader in readers:
        os.kill(reader, signal.SIGKILL)
    await wait_until(lambda: stored(layout) == before + 8, 90, "every package")
    await wait_until(lambda: not any((layout.drop / each.name).exists() for each in sent), 30)
    for package in sent:
        expect_kept(layout, package)
    record_fault("F3", observed="every package was judged anew and kept")


def test_the_role_says_how_its_readers_are_confined(appliance: Processes) -> None:
    address = appliance.layout.addresses["ingest"]
    with urlopen(f"http://{address}/healthz", timeout=10) as answer:
        parts = {part["name"]: part for part in json.load(answer)["parts"]}
    assert "confined" in parts["readers"]["status"]
    assert "WITHOUT" not in parts["readers"]["status"]
