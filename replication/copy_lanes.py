"""Copies that are being made, in a lane for each node that gets them: no slow one holds up others.

Repairs (repair.py) and moves (moving.py) hand in what a plan asks for, round by round. A round
ends when all of it is done or its time is over; what is under way then goes on by itself, and the
next plan leaves it out.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

# Beyond this a round ends, so that what was found meanwhile is planned for, too.
ROUND_S = 60.0


@dataclass(frozen=True, slots=True)
class CopyJob:
    """One copy of an object for one node; `make` records how it ended."""

    target: str
    object_id: str
    make: Callable[[], Coroutine[Any, Any, object]]


class CopyLanes:
    """Each node is given so many copies at once."""

    def __init__(self, at_once_max: int) -> None:
        self._at_once_max = at_once_max
        self._under_way: dict[tuple[str, str], asyncio.Task[object]] = {}

    @property
    def under_way(self) -> frozenset[tuple[str, str]]:
        """Target and object of each copy that is being made."""
        return frozenset(self._under_way)

    async def carry_out(self, jobs: Iterable[CopyJob], round_s: float = ROUND_S) -> None:
        """Make these copies; returns when all have ended, or after `round_s` at the latest.

        Raises what one of them raised, at once.
        """
        waiting: dict[str, deque[CopyJob]] = defaultdict(deque)
        for job in jobs:
            waiting[job.target].append(job)
        clock = asyncio.get_running_loop().time
        until_s = clock() + round_s
        while True:
            self._reap()
            for target, lane in waiting.items():
                self._fill(target, lane)
            left_s = until_s - clock()
            if not self._under_way or left_s <= 0:
                return
            copying = self._under_way.values()
            await asyncio.wait(copying, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Wait for no copy any more. The nodes finish what they were told."""
        copying = list(self._under_way.values())
        self._under_way.clear()
        for task in copying:
            task.cancel()
        await asyncio.gather(*copying, return_exceptions=True)

    def _reap(self) -> None:
        for place, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[place]
                task.result()

    def _fill(self, target: str, lane: deque[CopyJob]) -> None:
        """Begin what there is room for; what is under way already is not begun twice."""
        while lane and self._has_room(target):
            job = lane.popleft()
            place = target, job.object_id
            if place not in self._under_way:
                self._under_way[place] = asyncio.create_task(job.make())

    def _has_room(self, target: str) -> bool:
        return sum(node == target for node, _ in self._under_way) < self._at_once_max
