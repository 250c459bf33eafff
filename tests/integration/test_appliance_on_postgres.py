"""The whole appliance with its catalogue on PostgreSQL, whose server is restarted in the middle."""

from pathlib import Path

import pytest

from daemon.control_client import ask
from daemon.demo.layout import NODES, DemoLayout, DemoSettings
from storage.ocfl.layout import object_folder
from tests.appliance import Sender, expect_kept, running_appliance, stored, transfers_of
from tests.conftest import POSTGRES_BINARIES, WaitUntil
from tests.fault_page import record_fault
from tests.postgres_server import running_postgres

pytestmark = [pytest.mark.needs_postgres, pytest.mark.timeout(300)]


async def test_packages_are_stored_and_mended_over_a_killed_and_restarted_server(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    """1. Packages are stored. 2. The server is killed with all its children, while more arrive.
    3. It is back: no role has ended, what arrived is stored, once.
    4. A copy is damaged: a sweep finds it, the keeper has it mended."""
    with running_postgres(POSTGRES_BINARIES) as server:
        settings = DemoSettings(
            mount=False, quiet_s=0.1, scan_s=0.2, workers=1, claim_s=6, keeper_lease_s=6,
            catalogue_url=server.new_database(),
        )  # fmt: skip
        with running_appliance(tmp_path / "a", settings) as appliance:
            layout = appliance.layout
            sender = Sender(layout)
            sender.send(4)
            await wait_until(lambda: stored(layout) == 4, 60, "four receipts")
            sender.send(8)
            await wait_until(lambda: len(transfers_of(layout)) > 4, 30, "new transfers")
            server.kill()
            await wait_until(lambda: is_waiting(layout, "ingest"), 60, "an intake that waits")
            server.start()
            await wait_until(lambda: stored(layout) == 12, 120, "twelve receipts")
            await wait_until(lambda: not list(layout.drop.iterdir()), 60, "an empty drop folder")
            for package in sender.sent:
                expect_kept(layout, package)

            victim = a_file_of(layout, "case-0001")
            whole = victim.read_bytes()
            victim.chmod(0o640)
            victim.write_bytes(whole[:-1] + b"!")
            ask(layout.socket("keeper"), "sweep-start", node=NODES[1])
            await wait_until(lambda: victim.read_bytes() == whole, 90, "the copy mended")
            assert set(appliance.stop_all().values()) == {0}
    record_fault(
        "F6",
        observed="PostgreSQL killed with all its children: every receipted package on record",
        figure="12 of 12 stored once; 0 roles ended",
    )


def is_waiting(layout: DemoLayout, role: str) -> bool:
    """Whether a part of it says that it waits for the catalogue."""
    parts = ask(layout.socket(role), "status")["parts"]
    return any("the catalogue" in part["status"] for part in parts)


def a_file_of(layout: DemoLayout, package: str) -> Path:
    folder = layout.root(NODES[1]) / object_folder(f"lantai:gov-portal/{package}")
    (victim,) = folder.rglob("0.bin")
    return victim
