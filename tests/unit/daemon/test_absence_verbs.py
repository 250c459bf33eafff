"""`lantai node away|back` against the keeper's own verbs and a catalogue (keeper_absences.py)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from daemon.cli.main import run
from daemon.control import ControlServer
from daemon.roles.keeper_absences import KeeperAbsences
from monitoring.account_metrics import KeeperAccountMetrics
from storage.catalogue import acts
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.writer import CatalogueWriter

DOMAINS = {"node-1": "room-1", "node-2": "room-2", "node-3": "room-3", "node-4": "room-3"}


@dataclass
class Site:
    """A keeper's verbs on a control socket, and the file that leads there."""

    config_file: Path
    absences: KeeperAbsences
    registry: CollectorRegistry
    writer: CatalogueWriter

    async def lantai(self, *words: str) -> int:
        command = ["node", *words, "--config", str(self.config_file)]
        return await asyncio.to_thread(run, command)

    async def away(self) -> list[str]:
        return [each.node for each in await self.absences.present()]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    config_file = tmp_path / "lantai.toml"
    config_file.write_text(
        f'[site]\nname = "馆"\nrun_folder = "{tmp_path}"\nkeys_folder = "{tmp_path}"\n[keeper]\n',
        "utf-8",
    )
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    catalogue = Catalogue.open(url)
    registry = CollectorRegistry()
    async with CatalogueWriter(catalogue) as writer:
        absences = KeeperAbsences(writer, DOMAINS, KeeperAccountMetrics(registry))
        async with ControlServer(tmp_path / "keeper.sock", absences.verbs()):
            yield Site(config_file, absences, registry, writer)
    catalogue.close()


def tomorrow() -> str:
    return f"{datetime.now(UTC).astimezone() + timedelta(days=1):%Y-%m-%dT%H:%M}"


def figure(site: Site, node: str) -> float | None:
    return site.registry.get_sample_value("lantai_keeper_node_away", {"node": node})


async def test_a_node_is_away_until_its_time_or_until_it_is_said_to_be_back(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    until = tomorrow()
    assert await site.lantai("away", "node-3", "--until", until, "--reason", "搬迁") == 0
    (absence,) = await site.absences.present()
    local = datetime.fromisoformat(until).astimezone(UTC)
    assert datetime.fromisoformat(absence.until) == local
    assert absence.reason == "搬迁"
    assert "按计划离线" in capsys.readouterr().out
    await site.absences.measure()
    assert [figure(site, node) for node in DOMAINS] == [0, 0, 1, 0]
    assert await site.lantai("back", "node-3", "--reason", "done") == 0
    assert await site.away() == []
    await site.absences.measure()
    assert figure(site, "node-3") == 0
    assert await site.lantai("back", "node-3", "--reason", "again") == 1
    said = await site.writer.look(acts.page)
    assert [each.event.act for each in said] == ["node.away", "node.back"]


async def test_nodes_of_one_failure_domain_only_may_be_away_together(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    late = ("--until", tomorrow(), "--reason", "works")
    assert await site.lantai("away", "node-3", *late) == 0
    assert await site.lantai("away", "node-4", *late) == 0
    assert await site.lantai("away", "node-1", *late) == 1
    assert "only one domain" in capsys.readouterr().err
    assert await site.away() == ["node-3", "node-4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("node-9", "--until", "2999-01-01", "--reason", "x"), "there is no node"),
        (("node-1", "--until", "2999-01-01", "--reason", "x"), "within 400 days"),
        (("node-1", "--until", "2001-01-01", "--reason", "x"), "in the future"),
        (("node-1", "--until", tomorrow(), "--reason", ""), "a reason has 1 to 500"),
    ],
)
async def test_what_nobody_can_mean_is_refused_and_leaves_no_trace(
    site: Site, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert await site.lantai("away", *words) == 1
    assert said in capsys.readouterr().err
    assert await site.away() == []


async def test_programs_get_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("node-2", "--until", tomorrow(), "--reason", "x", "--json")
    assert await site.lantai("away", *words) == 0
    assert json.loads(capsys.readouterr().out)["node"] == "node-2"
    assert [each["node"] for each in await site.absences.shown()] == ["node-2"]
