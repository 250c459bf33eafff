"""Killed at any moment: every package still ends once, with one object and one receipt.

1. An appliance of real processes runs; small packages keep arriving.
2. Again and again, at a random moment, a role is killed with SIGKILL and started again: the intake
   most often, the notary and the keeper in between.
3. At the end every package has exactly one transfer, which is stored; one receipt that verifies;
   one object with the sender's bytes on each node; its original in accepted/. Staging is empty, and
   no worker process of a killed intake is left.
"""

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from daemon.demo.layout import NODES, DemoSettings
from tests.appliance import (
    Sender,
    children_of,
    expect_kept,
    restart,
    running_appliance,
    staged,
    stored,
    transfers_of,
)
from tests.fault_page import record_fault

ROUNDS = 12
PACKAGES_A_ROUND = 4
VICTIMS = ("ingest", "ingest", "notary", "ingest", "keeper")
WaitUntil = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.timeout(300)


async def test_packages_end_once_however_often_the_intake_is_killed(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    settings = DemoSettings(mount=False, quiet_s=0.1, scan_s=0.2)
    with running_appliance(tmp_path / "a", settings) as appliance:
        layout = appliance.layout
        sender = Sender(layout, seed)
        orphans: set[int] = set()
        for number in range(ROUNDS):
            sender.send(PACKAGES_A_ROUND)
            victim = VICTIMS[number % len(VICTIMS)]
            moment = time.monotonic() + chance.uniform(0.1, 2.5)
            await wait_until(lambda at=moment: time.monotonic() >= at)
            orphans.update(children_of(appliance.process_id(victim)))
            appliance.kill(victim)
            restart(appliance, victim)
            if number % 3 == 0:
                appliance.wait_until_well(victim)

        def all_stored() -> bool:
            return stored(layout) == len(sender.sent)

        await wait_until(all_stored, 120, "a receipt for each package")
        await wait_until(lambda: not list(layout.drop.iterdir()), 30, "an empty drop folder")
        await wait_until(lambda: not staged(layout), 30, "empty staging")
        await wait_until(
            lambda: all(transfer.closed_at for transfer in transfers_of(layout)),
            30,
            "every transfer closed",
        )

        transfers = transfers_of(layout)
        ends = Counter(transfer.name for transfer in transfers if transfer.state != "withdrawn")
        assert ends == {package.name: 1 for package in sender.sent}
        assert {transfer.state.value for transfer in transfers} <= {"stored", "withdrawn"}
        for package in sender.sent:
            expect_kept(layout, package)
        for node in NODES:
            assert len(list(layout.root(node).glob("*/*/*/inventory.json"))) == len(sender.sent)
        await wait_until(lambda: not _alive(orphans), 10, "the end of killed processes' workers")
        assert set(appliance.stop_all().values()) == {0}
    record_fault(
        "F1",
        observed="each package ended once, with one receipt and one object",
        figure=f"{ROUNDS} kills, {len(sender.sent)} packages, 0 lost, 0 twice",
    )


def _alive(process_ids: set[int]) -> set[int]:
    return {number for number in process_ids if Path(f"/proc/{number}").exists()}
