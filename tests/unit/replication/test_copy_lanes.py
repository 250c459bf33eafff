"""Copies on their way to several nodes, each at its own pace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from replication.copy_lanes import CopyJob, CopyLanes
from tests.conftest import WaitUntil

AT_ONCE = 2


class Nodes:
    """Makes copies as long as it is told to, and knows what is under way."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.begun: list[tuple[str, str]] = []
        self.made: list[str] = []
        self.most: dict[str, int] = {}
        self._at_once: dict[str, int] = {}

    def quick(self, target: str, object_id: str) -> CopyJob:
        return CopyJob(target, object_id, lambda: self._make(target, object_id))

    def slow(self, target: str, object_id: str) -> CopyJob:
        return CopyJob(target, object_id, lambda: self._make(target, object_id, self.may_end))

    async def _make(self, target: str, object_id: str, end: asyncio.Event | None = None) -> None:
        self.begun.append((target, object_id))
        self._at_once[target] = self._at_once.get(target, 0) + 1
        self.most[target] = max(self.most.get(target, 0), self._at_once[target])
        await (asyncio.sleep(0) if end is None else end.wait())
        self._at_once[target] -= 1
        self.made.append(object_id)


@asynccontextmanager
async def lanes_of() -> AsyncIterator[CopyLanes]:
    lanes = CopyLanes(AT_ONCE)
    try:
        yield lanes
    finally:
        await lanes.close()


@asynccontextmanager
async def a_round(lanes: CopyLanes, *jobs: CopyJob) -> AsyncIterator[None]:
    """A round over these jobs, which has ended when the block has."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.carry_out(jobs, round_s=20))
        yield


async def test_a_node_on_which_copies_hang_holds_up_no_other_node(wait_until: WaitUntil) -> None:
    nodes = Nodes()
    hanging = [nodes.slow("node-1", f"slow-{number}") for number in range(5)]
    others = [nodes.quick("node-2", f"quick-{number}") for number in range(50)]
    under_way = {("node-1", "slow-0"), ("node-1", "slow-1")}
    async with lanes_of() as lanes, a_round(lanes, *hanging, *others):
        await wait_until(lambda: len(nodes.made) == 50 and lanes.under_way == under_way)
        assert nodes.made == [f"quick-{number}" for number in range(50)]
        nodes.may_end.set()


async def test_what_outlasts_its_round_ends_beside_the_next_and_is_not_begun_twice(
    wait_until: WaitUntil,
) -> None:
    nodes = Nodes()
    large, small = nodes.slow("node-1", "large"), nodes.quick("node-1", "small")
    async with lanes_of() as lanes:
        await lanes.carry_out([large], round_s=0.01)
        assert lanes.under_way == {("node-1", "large")}
        async with a_round(lanes, large, small):
            await wait_until(lambda: nodes.made == ["small"])
            nodes.may_end.set()
        assert nodes.made == ["small", "large"]
    assert nodes.begun.count(("node-1", "large")) == 1


async def test_no_node_gets_more_at_once_than_it_may() -> None:
    nodes = Nodes()
    jobs = [nodes.quick(f"node-{n % 3}", f"{n}") for n in range(60)]
    async with lanes_of() as lanes:
        await lanes.carry_out(jobs)
    assert len(nodes.made) == 60
    assert set(nodes.most.values()) == {AT_ONCE}


async def test_what_a_copy_raises_reaches_whoever_ordered_it() -> None:
    async def fail() -> None:
        raise RuntimeError("the catalogue is away")

    async with lanes_of() as lanes:
        with pytest.raises(RuntimeError, match="away"):
            await lanes.carry_out([CopyJob("node-1", "x", fail)])
        assert lanes.under_way == frozenset()


async def test_a_closed_keeper_waits_for_no_copy() -> None:
    nodes = Nodes()
    lanes = CopyLanes(AT_ONCE)
    await lanes.carry_out([nodes.slow("node-1", "large")], round_s=0.0)
    await lanes.close()
    assert nodes.made == []
    assert lanes.under_way == frozenset()
