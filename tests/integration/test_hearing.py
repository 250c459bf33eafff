"""What the keeper hears of a node over the wire, and what it will not hear (hearing.py)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.roles.openings import utc_now
from replication.hearing import Hearing
from replication.node_volume import NodeParts
from replication.told import Away, Told
from storage.catalogue import sweeps, volumes
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Actor, NodeSweep
from storage.catalogue.writer import CatalogueWriter
from storage.sweep.account import SweepAccount
from storage.sweep.model import SweepCycle, SweepStatus
from tests.integration.test_wire_requests import ACCOUNT, SWEEP, Yard
from tests.integration.wire_world import wire_world

RIGHT = "2026-11-23T00:00:00.000000Z"


@dataclass
class Dated(Yard):
    """A node's sweep with given moments in its forecast, its oldest reading and its last pass."""

    finish_at: str = RIGHT
    oldest_checked_at: str | None = RIGHT
    started_at: str = RIGHT

    async def status(self) -> SweepStatus:
        return replace(SWEEP, forecasts=(replace(SWEEP.forecasts[0], finish_at=self.finish_at),))

    async def account(self, after: int, limit: int) -> SweepAccount:
        cycles = (SweepCycle(7, self.started_at, RIGHT, 1, 2, 0),) if after < 7 else ()
        return replace(ACCOUNT, oldest_checked_at=self.oldest_checked_at, cycles=cycles)


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[CatalogueWriter]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    opened = Catalogue.open(url)
    async with CatalogueWriter(opened) as writer:
        yield writer
    opened.close()


async def heard(catalogue: CatalogueWriter, yard: Yard) -> Told | Away:
    async with wire_world() as world:
        node = await world.node(parts=lambda volume: NodeParts(volume, sweep=yard))
        hearing = Hearing(catalogue, {"node-1": await world.client(node, "keeper")}, utc_now)
        return (await hearing.hear_all())["node-1"]


async def test_what_a_node_says_of_its_sweeps_goes_on_record(catalogue: CatalogueWriter) -> None:
    told = await heard(catalogue, Dated())
    assert isinstance(told, Told)
    assert told.sweep.forecasts[0].finish_at == RIGHT
    assert await catalogue.look(sweeps.last_finished, "node-1") == 7


@pytest.mark.parametrize(
    "spoilt",
    [
        {"finish_at": "soon"},
        {"finish_at": "2026-11-23T00:00:00+08:00"},
        {"oldest_checked_at": "2026-02-31T00:00:00.000000Z"},
        {"started_at": ""},
    ],
)
async def test_a_moment_that_is_none_is_refused_and_leaves_no_trace(
    catalogue: CatalogueWriter, spoilt: dict[str, Any]
) -> None:
    """A lying node must neither stop the keeper nor spoil a report that it signs."""
    away = await heard(catalogue, replace(Dated(), **spoilt))
    assert isinstance(away, Away)
    assert "a moment that is none" in away.reason
    if "finish_at" not in spoilt:
        assert await catalogue.look(sweeps.last_finished, "node-1") == 0


async def test_sweeps_of_another_disk_are_on_record_after_those_of_the_old_one(
    catalogue: CatalogueWriter,
) -> None:
    """Its numbers begin at 1 again: here at 7, where the old disk had come to 9."""
    actor = Actor("keeper", "test")
    for uuid, at in (("a" * 36, RIGHT), ("b" * 36, RIGHT)):
        await catalogue.do(volumes.meet, "node-1", uuid, actor, at)
        if uuid[0] == "a":
            old = NodeSweep("node-1", 9, RIGHT, RIGHT, 1, 2, 0)
            await catalogue.do(sweeps.record, old)
    assert isinstance(await heard(catalogue, Dated()), Told)
    on_record = await catalogue.look(sweeps.finished_between, "2026", "2027", 10)
    assert sorted(each.cycle for each in on_record) == [9, 16]
