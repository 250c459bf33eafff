"""The keeper files its report when a period is over, once, and lives on where it cannot."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from daemon.config import Keeper as KeeperSettings
from daemon.lifecycle import Part
from daemon.roles.keeper_reports import FILED, KeeperReports, Maker
from daemon.roles.openings import utc_now
from monitoring.account_metrics import KeeperAccountMetrics
from monitoring.metrics import new_registry
from replication.fixity_report import decode
from replication.hearing import Hearing
from storage.catalogue import acts, events
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.model import Actor, NewEvent
from storage.catalogue.timestamps import to_text
from storage.catalogue.writer import CatalogueWriter
from storage.signing import SigningKey

WaitUntil = Callable[..., Awaitable[None]]
DAYS = 3


@dataclass
class Site:
    """A catalogue whose first act is a little older than one period, and a place for reports."""

    writer: CatalogueWriter
    folder: Path
    registry: CollectorRegistry = field(default_factory=lambda: new_registry("keeper", "keeper"))
    part: Part = field(init=False)  # that files

    @asynccontextmanager
    async def filing(self, *, leads: bool = True) -> AsyncIterator[None]:
        """The part that files runs until the block ends."""
        settings = KeeperSettings(report_every_days=DAYS, report_folder=self.folder, cycle_s=0.1)
        maker = Maker("示例市档案馆", "keeper@host-1", SigningKey.generate(), {})
        hearing = Hearing(self.writer, {}, utc_now)
        self.registry = new_registry("keeper", "keeper")
        metrics = KeeperAccountMetrics(self.registry)
        reports = KeeperReports(maker, settings, self.writer, hearing, metrics, lambda: leads)
        part = next(part for part in reports.parts() if part.name == "reports")
        task = asyncio.create_task(part.run())
        try:
            self.part = part
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def overdue_s(self) -> float:
        """What Prometheus is told."""
        told = self.registry.get_sample_value("lantai_keeper_report_overdue_seconds")
        assert told is not None
        return told

    def filed(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    await asyncio.to_thread(upgrade, url)
    catalogue = Catalogue.open(url)
    async with CatalogueWriter(catalogue) as writer:
        first_at = to_text(utc_now() - timedelta(days=DAYS, hours=1))
        await writer.do(events.append, NewEvent("test.noted", "done"), Actor("a", "b"), first_at)
        yield Site(writer, tmp_path / "reports")
    catalogue.close()


async def test_a_period_that_is_over_is_reported_once(site: Site, wait_until: WaitUntil) -> None:
    async with site.filing():
        await wait_until(lambda: "Filed" in site.part.status, within_s=30)
    (file,) = site.filed()
    report = decode(file.read_bytes())
    assert report.archive == "示例市档案馆"
    last = await site.writer.look(acts.last, FILED)
    assert last is not None
    assert acts.details(last)["to"] == report.period.end
    async with site.filing():
        await wait_until(lambda: site.part.status == "No report is due", within_s=30)
    assert site.filed() == [file]


async def test_a_keeper_that_stands_by_files_nothing(site: Site, wait_until: WaitUntil) -> None:
    async with site.filing(leads=False):
        await wait_until(lambda: site.part.status == "Standing by", within_s=30)
    assert site.filed() == []


async def test_a_folder_that_takes_no_file_is_told_of_until_the_report_is_filed(
    site: Site, wait_until: WaitUntil
) -> None:
    site.folder.write_text("a file stands in its place")
    async with site.filing():
        await wait_until(lambda: "Cannot file" in site.part.status, within_s=30)
        await wait_until(lambda: site.overdue_s() >= 3600, within_s=30)
    assert await site.writer.look(acts.last, FILED) is None
    site.folder.unlink()
    async with site.filing():
        await wait_until(lambda: "Filed" in site.part.status, within_s=30)
        await wait_until(lambda: site.overdue_s() == 0, within_s=30)
