"""Two intakes and two keepers on one PostgreSQL catalogue: either may die or freeze at any moment.

Real processes: three nodes, a notary, two of each of the others, a real server.
"""

import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.control_client import ask
from daemon.demo.layout import NODES, DemoLayout, DemoSettings
from storage.catalogue import events, leases
from storage.catalogue.engine import Catalogue
from storage.catalogue.model import Lease
from storage.catalogue.timestamps import to_text
from tests.appliance import Sender, Sent, expect_kept, stored, transfers_of
from tests.conftest import WaitUntil
from tests.fault_page import record_fault
from tests.postgres_server import PostgresServer
from tests.two_hosts import INTAKES, KEEPERS, TwoHosts, running_on_two_hosts, staging_of

PACKAGES = 24
CLAIM_S = 6
LEASE_S = 6

pytestmark = [pytest.mark.needs_postgres, pytest.mark.timeout(400)]


def settings_on(postgres: PostgresServer) -> DemoSettings:
    return DemoSettings(
        mount=False,
        quiet_s=0.1,
        scan_s=0.2,
        packages_in_flight=4,
        workers=1,
        catalogue_url=postgres.new_database(),
        claim_s=CLAIM_S,
        keeper_lease_s=LEASE_S,
    )


async def test_two_intakes_store_each_package_once_though_one_is_killed_and_one_freezes(
    tmp_path: Path, postgres: PostgresServer, wait_until: WaitUntil
) -> None:
    """1. Packages arrive in one drop folder; both intakes take some.
    2. One freezes in the middle, past its claims: the other takes its packages over.
    3. The frozen one wakes up, and goes on with what is its own only.
    4. The other one is killed in the middle and does not come back: the first takes over.
    5. Each package has one transfer, one receipt, one object on each node, once."""
    with running_on_two_hosts(tmp_path / "a", settings_on(postgres)) as hosts:
        layout, processes = hosts.layout, hosts.processes
        first, second = INTAKES
        sender = Sender(layout)
        sender.send(PACKAGES // 2)
        await wait_until(lambda: held_by(hosts, first) and held_by(hosts, second), 60, "both")
        os.kill(processes.process_id(first), signal.SIGSTOP)
        stopped_at = to_text(datetime.now(UTC))
        left = held_by(hosts, first)
        await wait_until(lambda: stored(layout) == PACKAGES // 2, 200, "receipts by the second")
        os.kill(processes.process_id(first), signal.SIGCONT)
        sender.send(PACKAGES // 2)
        await wait_until(lambda: held_by(hosts, second), 60, "work of the second")
        processes.kill(second)
        await wait_until(lambda: stored(layout) == PACKAGES, 200, "a receipt for each package")
        await wait_until(lambda: not list(layout.drop.iterdir()), 90, "an empty drop folder")
        await wait_until(
            lambda: all(each.closed_at for each in transfers_of(layout)), 30, "all closed"
        )
        expect_each_once(layout, sender.sent)
        # PostgreSQL may have been at work still on what it was told before the stop.
        taken_over = left - stored_by(layout, first, stopped_at)
        assert all(each.claim_epoch > 1 for each in transfers_of(layout) if each.id in taken_over)
        await wait_until(lambda: not staged_in(layout, first), 30, "empty staging")
    record_fault(
        "F1",
        observed=f"{PACKAGES} packages, two intakes: one frozen, then the other killed; all stored",
        figure=f"0 lost, 0 twice; {len(taken_over)} taken over from the frozen one",
    )


async def test_a_frozen_keeper_that_wakes_up_is_obeyed_by_no_node(
    tmp_path: Path, postgres: PostgresServer, wait_until: WaitUntil
) -> None:
    """1. One keeper leads, the other stands by. 2. The leader freezes past its lease.
    3. The other one leads, and mends a copy: all nodes concerned know its epoch.
    4. The first wakes up: it stands by, and what it mends next the other one has mended."""
    with running_on_two_hosts(tmp_path / "a", settings_on(postgres)) as hosts:
        layout, processes = hosts.layout, hosts.processes
        sender = Sender(layout)
        sender.send(3)
        await wait_until(lambda: stored(layout) == 3, 120, "receipts")
        await wait_until(lambda: leading(layout), 30, "a keeper that leads")
        (leader,) = leading(layout)
        (standby,) = set(KEEPERS) - {leader}
        before = lease_of(layout).epoch
        os.kill(processes.process_id(leader), signal.SIGSTOP)
        await wait_until(lambda: leads(layout, standby), 10 * LEASE_S, "the standby's lead")
        epoch = lease_of(layout).epoch
        assert epoch == before + 1
        await wait_until(lambda: epochs_of_nodes(layout) == {epoch}, 60, "its epoch on every node")
        os.kill(processes.process_id(leader), signal.SIGCONT)
        await wait_until(lambda: not leads(layout, leader), 60, "the first one standing by")
        assert leads(layout, standby)
        assert lease_of(layout).holder.startswith(f"{standby}@")
    record_fault(
        "F39",
        observed="the standby led under the next epoch, and all nodes knew it when the first woke",
        figure=f"lease {LEASE_S} s",
    )


def expect_each_once(layout: DemoLayout, sent: list[Sent]) -> None:
    transfers = [each for each in transfers_of(layout) if each.state != "withdrawn"]
    assert Counter(each.name for each in transfers) == {package.name: 1 for package in sent}
    assert {each.state.value for each in transfers} == {"stored"}
    for package in sent:
        expect_kept(layout, package)
    for node in NODES:
        assert len(list(layout.root(node).glob("*/*/*/inventory.json"))) == len(sent)


def held_by(hosts: TwoHosts, intake: str) -> set[int]:
    """What this intake is leading now."""
    found = transfers_of(hosts.layout)
    return {each.id for each in found if (each.claim_holder or "").startswith(f"{intake}@")}


def staged_in(layout: DemoLayout, intake: str) -> list[Path]:
    return [path for path in staging_of(layout, intake).iterdir() if path.name.isdecimal()]


def leading(layout: DemoLayout) -> list[str]:
    return [keeper for keeper in KEEPERS if leads(layout, keeper)]


def leads(layout: DemoLayout, keeper: str) -> bool:
    parts = ask(layout.socket(keeper), "status")["parts"]
    return any(part["name"] == "lease" and part["status"] == "Leading" for part in parts)


@contextmanager
def catalogue_of(layout: DemoLayout) -> Iterator[Catalogue]:
    catalogue = Catalogue.open(load_config(layout.config).catalogue.url)
    try:
        yield catalogue
    finally:
        catalogue.close()


def stored_by(layout: DemoLayout, intake: str, until: str) -> set[int]:
    """What this intake made stored before that moment, by its own word."""
    with catalogue_of(layout) as catalogue:
        acts = catalogue.look(events.page, limit=10_000)
    return {
        each.transfer_id
        for each in acts
        if (each.act, each.who) == ("transfer.stored", intake)
        and each.at < until
        and each.transfer_id is not None
    }


def lease_of(layout: DemoLayout) -> Lease:
    with catalogue_of(layout) as catalogue:
        found = catalogue.look(leases.get, "keeper")
    assert found is not None
    return found


def epochs_of_nodes(layout: DemoLayout) -> set[int]:
    """The highest keeper's epoch that each node remembers on its disk."""
    return {epoch_on(layout.root(node).parent / "index.sqlite") for node in NODES}


def epoch_on(index: Path) -> int:
    database = sqlite3.connect(f"file:{index}?mode=ro", uri=True)
    row = database.execute("SELECT epoch FROM epochs WHERE scope='keeper'").fetchone()
    database.close()
    return row[0] if row else 1
