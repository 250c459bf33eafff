"""What a plan of repairs is made from, where the keeper's clock was ahead and was set right."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from replication.repair_facts import Facts, RepairFacts
from replication.repair_plan import PAUSES, StormLimits
from storage.catalogue import findings, repairs, suspects
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Actor, NodeFinding
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter

NOW = datetime(2026, 11, 22, 11, tzinfo=UTC)
OBJECT_ID = "lantai:portal/case-0001"
KEEPER = Actor("keeper", "host-1")


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[CatalogueWriter]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    upgrade(url)
    opened = Catalogue.open(url)
    async with CatalogueWriter(opened) as writer:
        await writer.do(_found)
        yield writer
    opened.close()


def _found(connection: Connection) -> None:
    found = NodeFinding("node-1", 1, to_text(NOW), OBJECT_ID, "altered", "a", "…", "")
    findings.record(connection, found, to_text(NOW))


def _failed(connection: Connection, at: datetime) -> None:
    again = to_text(at + timedelta(seconds=PAUSES.after(50)))
    failed = repairs.FailedMend(1, "node-1", OBJECT_ID, "node-2", "silent", 50, again)
    repairs.record_failed(connection, failed, KEEPER, to_text(at))


async def facts(catalogue: CatalogueWriter) -> Facts:
    return await RepairFacts(catalogue, {}, StormLimits(), lambda: NOW).gather()


async def test_a_pause_is_kept_and_one_beyond_the_longest_is_not(
    catalogue: CatalogueWriter,
) -> None:
    await catalogue.do(_failed, NOW - timedelta(hours=1))
    assert (await facts(catalogue)).bad[0].not_before == to_text(NOW + timedelta(hours=5))
    await catalogue.do(_failed, NOW + timedelta(days=365))
    assert (await facts(catalogue)).bad[0].not_before == ""


async def test_a_release_in_the_future_does_not_switch_the_storm_guard_off(
    catalogue: CatalogueWriter,
) -> None:
    for moment in (NOW - timedelta(days=1), NOW + timedelta(days=365)):
        await catalogue.do(suspects.name, "node-1", "storm", KEEPER, to_text(moment))
        await catalogue.do(suspects.release, "node-1", "new disk", KEEPER, to_text(moment))
    released = (await facts(catalogue)).weather.released_at
    assert released == {"node-1": to_text(NOW - timedelta(days=1))}
