"""`lantai node list|show|add|drain|…` against the keeper's own parts and a catalogue."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from daemon.cli.main import run
from daemon.config import Keeper as KeeperSettings
from daemon.control import ControlServer
from daemon.roles.keeper_membership import KeeperMembership, MembershipTools
from daemon.roles.openings import utc_now
from monitoring.membership_metrics import MembershipMetrics
from replication.keeper import Keeper
from replication.layout import read_layout
from replication.layout_keeping import LayoutKeeping
from replication.moving import MoveLimits, Mover
from replication.node_client import NodeClient
from replication.repair import Repair, RepairLimits
from storage.catalogue import events, layouts, volumes
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Actor
from storage.catalogue.writer import CatalogueWriter
from storage.signing import SigningKey
from tests.unit.replication.layout_samples import five

KEEPER = Actor("keeper", "test")


@dataclass
class Site:
    """A keeper that leads, its verbs on a control socket, and a layout of five silent nodes."""

    config_file: Path
    writer: CatalogueWriter
    registry: CollectorRegistry

    async def lantai(self, *words: str) -> int:
        command = ["node", *words, "--config", str(self.config_file)]
        return await asyncio.to_thread(run, command)

    async def layout(self) -> dict[str, Any]:
        kept = await self.writer.look(layouts.newest)
        assert kept is not None
        found: dict[str, Any] = json.loads(kept.payload)
        return found


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[CatalogueWriter]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    catalogue = Catalogue.open(url)
    async with CatalogueWriter(catalogue) as open_writer:
        yield open_writer
    catalogue.close()


@pytest.fixture
async def site(tmp_path: Path, writer: CatalogueWriter) -> AsyncIterator[Site]:
    config_file = tmp_path / "lantai.toml"
    config_file.write_text(
        f'[site]\nname = "馆"\nrun_folder = "{tmp_path}"\nkeys_folder = "{tmp_path}"\n[keeper]\n',
        "utf-8",
    )
    registry, key = CollectorRegistry(), SigningKey.generate()
    clients: dict[str, NodeClient] = {}
    repair = Repair(writer, clients, key, RepairLimits(), utc_now)
    keeper = Keeper(writer, clients, repair, "keeper@test", 30, utc_now)
    assert await keeper.hold_lease()
    keeping = LayoutKeeping(writer, clients, key, 3, utc_now)
    mover = Mover(writer, clients, repair.orders, MoveLimits(), utc_now)
    tools = MembershipTools(writer, clients, keeper, keeping, repair, mover)
    settings = KeeperSettings(cycle_s=0.1)
    membership = KeeperMembership(settings, tools, MembershipMetrics(registry))
    await keeping.make(five(), "", KEEPER)
    running = [asyncio.create_task(part.run()) for part in membership.parts()]
    async with ControlServer(tmp_path / "keeper.sock", membership.verbs()):
        yield Site(config_file, writer, registry)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_drain_is_a_new_signed_layout_with_who_and_why(site: Site) -> None:
    assert await site.lantai("drain", "node-2", "--reason", "old disks") == 0
    layout = await site.layout()
    assert (layout["version"], layout["reason"]) == (2, "old disks")
    assert [each["state"] for each in layout["members"]] == ["up", "draining", "up", "up", "up"]
    acts = await site.writer.look(events.page)
    assert {"order.node.drain", "layout.made"} <= {event.act for event in acts}


async def test_the_list_and_a_node_are_shown_to_people_and_programs(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.lantai("drain", "node-2", "--reason", "old disks")
    capsys.readouterr()
    assert await site.lantai("list") == 0
    shown = capsys.readouterr().out
    assert "layout 2" in shown
    assert "draining 迁出中" in shown
    assert await site.lantai("show", "node-2") == 0
    shown = capsys.readouterr().out
    assert "to move 待迁对象: 0" in shown
    assert "not removable 不可移除: node-1" in shown, "nobody has signed for the layout"
    assert await site.lantai("show", "node-2", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["removable"], said["to_move"], said["state"]) == (False, 0, "draining")
    assert await site.lantai("show", "node-9") == 1


async def test_what_would_make_the_archive_less_safe_is_refused_with_the_reason(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for node in ("node-1", "node-2"):
        assert await site.lantai("readonly", node, "--reason", "looks ill") == 0
    capsys.readouterr()
    assert await site.lantai("drain", "node-3", "--reason", "too much") == 1
    assert "add a node in another domain first" in capsys.readouterr().err
    assert await site.lantai("up", "node-1", "--reason", "was a cable") == 0
    assert await site.lantai("add", "node-6", "--reason", "new") == 1
    assert "not in the keeper's [[peers]]" in capsys.readouterr().err


async def test_lost_wants_the_uuid_of_the_nodes_volume(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.writer.do(volumes.meet, "node-5", "uuid-5", KEEPER, "2026-11-22T10:00:00.000000Z")
    assert await site.lantai("lost", "node-5", "--uuid", "uuid-4", "--reason", "fire") == 1
    assert "not the uuid" in capsys.readouterr().err
    assert await site.lantai("lost", "node-5", "--reason", "fire") == 2
    assert await site.lantai("lost", "node-5", "--uuid", "uuid-5", "--reason", "fire") == 0
    assert (await site.layout())["members"][4]["state"] == "lost"


async def test_a_layout_by_a_key_that_is_not_known_any_more_is_signed_anew(
    writer: CatalogueWriter,
) -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    await LayoutKeeping(writer, {}, old, 3, utc_now).make(five(), "", KEEPER)
    await LayoutKeeping(writer, {}, new, 3, utc_now).round("keeper@test")
    kept = await writer.look(layouts.newest)
    assert kept is not None
    assert read_layout(kept.payload, kept.signature, new.verify_key).layout.version == 2


async def test_an_order_given_twice_is_done_once(site: Site) -> None:
    for _ in range(2):
        assert await site.lantai("drain", "node-2", "--reason", "old disks") == 0
    assert (await site.layout())["version"] == 2


@pytest.mark.parametrize("verb", ["add", "drain", "readonly", "up", "lost", "show", "list"])
def test_each_verb_says_what_it_does_in_both_languages(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["node", verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Exit codes" in shown
    assert any("\u4e00" <= letter <= "\u9fff" for letter in shown)
