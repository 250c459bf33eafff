"""Worker processes and what packages do to them (ingest_watch/workers.py). Real processes."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator

import pytest

from ingest_watch.workers import WorkerDied, WorkerFailed, Workers
from tests.conftest import WaitUntil


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


async def test_a_worker_returns_what_its_job_returned(workers: Workers) -> None:
    assert await workers.run(str.upper, "bag") == "BAG"


async def test_a_package_that_kills_its_reader_takes_no_other_along(workers: Workers) -> None:
    jobs = [workers.run(os._exit, 9), *(workers.run(time.sleep, 0.5) for _ in range(5))]
    killed, *others = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(killed, WorkerDied)
    assert others == [None] * 5
    assert await workers.run(str.upper, "next") == "NEXT"


async def test_an_error_that_nobody_foresaw_is_the_package_s_and_not_the_intake_s(
    workers: Workers,
) -> None:
    with pytest.raises(WorkerFailed, match="ValueError"):
        await workers.run(int, "not a number")
    with pytest.raises(FileNotFoundError):
        await workers.run(os.stat, "/nowhere")


async def test_closing_does_not_wait_for_a_job_that_takes_hours(wait_until: WaitUntil) -> None:
    workers = Workers(1)
    job = asyncio.create_task(workers.run(time.sleep, 3600))
    await wait_until(multiprocessing.active_children, 20, "a worker")
    began = time.monotonic()
    await asyncio.to_thread(workers.close)
    assert time.monotonic() - began < 10
    job.cancel()
    await asyncio.wait([job])
