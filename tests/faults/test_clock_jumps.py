"""Clocks jump by a year, and back by an hour, under running processes: nothing comes of it.

tests/faults/clock_shift.c is preloaded into the keeper, the intake, the notary and a node; a file
for each says by how much its wall clock is wrong, and may change at any moment.

1. Packages are stored. 2. Every clock jumps, each elsewhere: packages are stored, a copy rots and
is mended. 3. They jump again, by an hour back: the same. 4. They are right again: the keeper still
leads under the epoch it had, nobody has lost a package, and nothing was called for.
"""

import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.control_client import ask
from daemon.demo.layout import SOURCE, DemoLayout, DemoSettings, lay_out
from daemon.demo.processes import Processes, instances, lantai
from storage.catalogue import leases
from storage.catalogue.engine import Catalogue
from storage.ocfl.layout import object_folder
from tests.appliance import (
    Sender,
    expect_kept,
    stored,
    transfers_of,
    tree,
    wait_until_keeper_leads,
)
from tests.fault_page import record_fault

LIBRARY_SOURCE = Path(__file__).parent / "clock_shift.c"
HOUR_S = 3600
YEAR_S = 365 * 24 * HOUR_S
JUMPS = (
    {"keeper": YEAR_S, "ingest": -YEAR_S, "node-1": YEAR_S, "notary": YEAR_S},
    {"keeper": -YEAR_S, "ingest": YEAR_S, "node-1": -YEAR_S, "notary": -YEAR_S},
    {"keeper": -HOUR_S, "ingest": -HOUR_S, "node-1": -HOUR_S, "notary": -HOUR_S},
)
LOT = 3
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = [pytest.mark.longer, pytest.mark.timeout(300)]


class Clocks:
    """The wall clocks of some roles, wrong by as much as one likes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = folder / "clock_shift.so"
        command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror"]
        subprocess.run([*command, "-o", self._library, LIBRARY_SOURCE], check=True)
        for name in JUMPS[0]:
            (folder / name).write_bytes(bytes(8))

    def jump(self, name: str, seconds: int) -> None:
        """From now on the clock of `name` is wrong by so much."""
        # Written in place: the process has the file mapped.
        with (self._folder / name).open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))

    def program(self, name: str) -> tuple[str, ...]:
        """How `lantai` is called for `name`."""
        if name not in JUMPS[0]:
            return ()
        variables = (f"LD_PRELOAD={self._library}", f"LANTAI_TEST_CLOCK={self._folder / name}")
        return ("env", *variables, *lantai())


@pytest.fixture
def clocks(tmp_path: Path) -> Clocks:
    (tmp_path / "clocks").mkdir()
    return Clocks(tmp_path / "clocks")


@pytest.fixture
def appliance(tmp_path: Path, clocks: Clocks) -> Iterator[Processes]:
    layout = lay_out(tmp_path / "a", DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2))
    with Processes(layout) as processes:
        processes.create_nodes()
        wanted = instances(layout)
        for instance in wanted:
            processes.start(replace(instance, program=clocks.program(instance.name)))
        for instance in wanted:
            processes.wait_until_well(instance.name)
        wait_until_keeper_leads(layout)
        yield processes


async def test_clocks_that_jump_by_a_year_change_nothing(
    appliance: Processes, clocks: Clocks, wait_until: WaitUntil
) -> None:
    layout = appliance.layout
    sender = Sender(layout)
    sender.send(LOT)
    await wait_until(lambda: stored(layout) == LOT, 60, "the first receipts")
    epoch = keeper_epoch(layout)
    for turn, jumps in enumerate(JUMPS):
        for name, seconds in jumps.items():
            clocks.jump(name, seconds)
        sender.send(LOT)
        expected = (turn + 2) * LOT
        await wait_until(lambda n=expected: stored(layout) == n, 60, f"receipts after {jumps}")
        await a_copy_rots_and_is_mended(layout, sender.sent[turn].name, wait_until)
    for name in JUMPS[0]:
        clocks.jump(name, 0)
    sender.send(LOT)
    expected = (len(JUMPS) + 2) * LOT
    await wait_until(lambda: stored(layout) == expected, 60, "the last receipts")
    await wait_until(lambda: not list(layout.drop.iterdir()), 10, "an empty drop folder")
    for package in sender.sent:
        expect_kept(layout, package)
    assert {each.state.value for each in transfers_of(layout)} == {"stored"}
    years = {each.created_at[:4] for each in transfers_of(layout)}
    assert len(years) == 3, "the intake's clock did jump"
    assert {each.attempts for each in transfers_of(layout)} == {1}, "nobody took anything over"
    assert keeper_epoch(layout) == epoch, "the keeper leads as before"
    status = ask(layout.socket("keeper"), "status")["detail"]
    assert (status["suspect_nodes"], status["objects_without_a_good_copy"]) == ([], [])
    for name in ("keeper", "ingest", "notary", "node-1"):
        appliance.wait_until_well(name)
    record_fault(
        "F44",
        observed="stored, receipted and mended throughout; the keeper's epoch and every claim held",
        figure=f"{len(JUMPS)} jumps of {len(JUMPS[0])} clocks, 0 taken over",
    )


async def a_copy_rots_and_is_mended(layout: DemoLayout, name: str, wait_until: WaitUntil) -> None:
    """On node-1, whose clock is wrong, by order of a keeper whose clock is wrong otherwise."""
    object_id = f"lantai:{SOURCE}/{name}"
    folder = layout.root("node-1") / object_folder(object_id)
    victim = folder / "v1/content/received/data/0.bin"
    signed = copy_in(folder)
    victim.chmod(0o640)
    victim.write_bytes(b"not what was signed")
    ask(layout.socket("keeper"), "sweep-start", node="node-1")
    await wait_until(lambda: is_mended(layout, object_id), 60, f"{name}'s mend")
    assert copy_in(folder) == signed


def copy_in(folder: Path) -> dict[str, bytes]:
    """What the folder holds, but for the receipts that a node is told beside (`logs/`)."""
    return {path: data for path, data in tree(folder).items() if not path.startswith("logs/")}


def is_mended(layout: DemoLayout, object_id: str) -> bool:
    """Whether damage to node-1's copy was found, and nothing of it is left to do."""
    found = ask(layout.socket("keeper"), "findings", node="node-1", object_id=object_id)
    return bool(found) and all(each["mended_at"] is not None for each in found)


def keeper_epoch(layout: DemoLayout) -> int:
    catalogue = Catalogue.open(load_config(layout.config).catalogue.url)
    try:
        lease = catalogue.look(leases.get, "keeper")
    finally:
        catalogue.close()
    assert lease is not None
    return lease.epoch
