"""Of several intakes one serves a source's folders; another does when that one is gone."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest_watch.desks import Desks
from storage.catalogue.engine import Catalogue
from storage.catalogue.migration import upgrade
from storage.catalogue.writer import CatalogueWriter

LEASE_S = 60


class Time:
    """A wall clock and a steady one, which a test moves."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.passed_s)

    def steady(self) -> float:
        return self.passed_s


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[CatalogueWriter]:
    url = f"sqlite:///{tmp_path}/catalogue.sqlite"
    upgrade(url)
    opened = Catalogue.open(url)
    async with CatalogueWriter(opened) as writer:
        yield writer
    opened.close()


def desks(catalogue: CatalogueWriter, time: Time, host: str) -> Desks:
    return Desks(catalogue, f"ingest@{host}", time.now, time.steady, LEASE_S)


async def test_one_of_two_intakes_serves_a_source_for_as_long_as_it_asks(
    catalogue: CatalogueWriter,
) -> None:
    time = Time()
    first, second = desks(catalogue, time, "one"), desks(catalogue, time, "two")
    for _ in range(50):
        assert await first.serves("portal")
        assert not await second.serves("portal")
        time.passed_s += 5
    assert await second.serves("registry"), "each source has a lease of its own"


async def test_another_intake_serves_once_the_first_was_silent_and_the_first_then_does_not(
    catalogue: CatalogueWriter,
) -> None:
    time = Time()
    first, second = desks(catalogue, time, "one"), desks(catalogue, time, "two")
    assert await first.serves("portal")
    time.passed_s += LEASE_S - 1
    assert not await second.serves("portal")
    time.passed_s += 2
    assert await second.serves("portal")
    assert not await first.serves("portal")


async def test_an_intake_that_stops_lets_another_serve_at_once(catalogue: CatalogueWriter) -> None:
    time = Time()
    first, second = desks(catalogue, time, "one"), desks(catalogue, time, "two")
    assert await first.serves("portal")
    await first.release()
    assert await second.serves("portal")


async def test_after_a_restart_an_intake_serves_again_at_once(catalogue: CatalogueWriter) -> None:
    time = Time()
    assert await desks(catalogue, time, "one").serves("portal")
    assert await desks(catalogue, time, "one").serves("portal")
