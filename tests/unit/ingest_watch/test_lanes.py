"""Whose package is next (ingest_watch/lanes.py), and that bulk holds no day's case up."""

import threading

from ingest_watch.arrivals import Ready
from ingest_watch.lanes import Lane
from ingest_watch.preparation import Job, Preparation
from ingest_watch.prepare import prepare
from storage.catalogue.model import Arrival
from tests.bags import bag_files, write_files
from tests.conftest import WaitUntil
from tests.intake_world import BACKLOG, SOURCE, IntakeWorld, send


def ready(source: str, count: int) -> list[Ready]:
    names = [f"{source}-{number}" for number in range(count)]
    return [Ready(Arrival(source, name, name.encode(), "f"), final=True) for name in names]


async def taken(lane: Lane, count: int) -> list[str]:
    items = [await lane.next() for _ in range(count)]
    return [item.arrival.name for item in items if isinstance(item, Ready)]


async def test_sources_take_turns_however_much_one_of_them_has() -> None:
    lane = Lane(["flood", "court", "gov"])
    lane.offer("flood", ready("flood", 1000))
    lane.offer("gov", ready("gov", 2))
    assert sorted(await taken(lane, 4)) == ["flood-0", "flood-1", "gov-0", "gov-1"]
    lane.offer("court", ready("court", 1))
    assert "court-0" in await taken(lane, 3)


async def test_what_is_ready_now_stands_in_place_of_what_was_ready_before() -> None:
    lane = Lane(["gov"])
    lane.offer("gov", ready("gov", 3))
    lane.offer("gov", ready("gov", 1))
    assert await taken(lane, 1) == ["gov-0"]
    assert lane.is_empty


async def test_a_day_s_case_is_led_to_its_receipt_while_a_huge_backlog_package_is_prepared(
    world: IntakeWorld, wait_until: WaitUntil
) -> None:
    """1. every backlog place is busy for ever 2. a case comes 3. it is stored all the same."""
    at_work, is_over = threading.Semaphore(0), threading.Event()

    def prepare_slowly(job: Job) -> Preparation:
        if job.source == BACKLOG:
            at_work.release()
            assert is_over.wait(30)
        return prepare(job)

    world.prepare = prepare_slowly
    for number in range(3):
        write_files(world.bulk / f"reel-{number}", bag_files())
    async with world.intake(at_once=2) as running:
        await running.look()
        await wait_until(lambda: at_work.acquire(blocking=False))
        await wait_until(lambda: at_work.acquire(blocking=False))
        send(world, "case-1")
        await running.look()

        async def is_answered() -> bool:
            await running.delivery.round()
            return "stored" in world.answers("case-1")

        await wait_until(is_answered, 30)
        found = [(each.source, each.state.value) for each in await world.transfers()]
        assert sorted(found) == [
            (BACKLOG, "staging"), (BACKLOG, "staging"), (BACKLOG, "waiting"), (SOURCE, "stored"),
        ]  # fmt: skip
        is_over.set()
        await running.look()
        await running.settle_down()
    assert {each.state.value for each in await world.transfers()} == {"stored"}
