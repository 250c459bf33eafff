"""One thread, one clock: steps the tasks of every simulated process in an order that a seed fixes.

asyncio's own loop has no part in it: each process has a `ProcessLoop`, which puts what is to be
called into the scheduler's queue. So the product's coroutines run as they are, a day passes in a
second, a killed process never takes another step, and a frozen one takes them when it wakes.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

_BEGAN = datetime(2026, 11, 22, tzinfo=UTC)


class Crashed(BaseException):
    """The process died in the middle of a call; nothing it does from here on has an effect."""


class Scheduler:
    """The queue of everything that is going to happen."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.now = 0.0
        self.steps = 0
        self.bugs: list[str] = []  # exceptions that nobody awaited
        self._queue: list[tuple[float, int, Process | None, asyncio.Handle]] = []
        self._number = 0

    def push(self, process: "Process | None", at: float, handle: asyncio.Handle) -> None:
        self._number += 1
        heapq.heappush(self._queue, (at, self._number, process, handle))

    def after(self, delay_s: float, call: Callable[[], object]) -> None:
        """Have the world itself do something later: the network, a fault, an operator."""
        handle = asyncio.Handle(call, (), cast("asyncio.AbstractEventLoop", _Nobody(self)))
        self.push(None, self.now + delay_s, handle)

    def run(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Take steps until `until` holds, asked once a virtual second; False at the limit."""
        asked_at = self.now
        while self._queue:
            at, _, process, handle = heapq.heappop(self._queue)
            if at > limit_s:
                self.push(process, at, handle)
                break
            self.now = max(self.now, at)
            self._step(process, handle)
            if self.now - asked_at >= 1.0:
                asked_at = self.now
                if until():
                    return True
        self.now = max(self.now, limit_s)
        return until()

    def _step(self, process: "Process | None", handle: asyncio.Handle) -> None:
        if handle.cancelled() or (process is not None and not process.is_alive):
            return
        if process is not None and process.is_frozen:
            process.held.append(handle)
            return
        self.steps += 1
        make_running(process)
        try:
            handle._run()
        except Crashed:
            assert process is not None, "the world does not crash"
        finally:
            make_running(None)


class Process:
    """One operating-system process, from its start to its death."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.name = name
        self.scheduler = scheduler
        self.is_alive = True
        self.is_frozen = False
        self.skew_s = 0.0  # how wrong its clock is
        self.held: list[asyncio.Handle] = []
        self.loop = ProcessLoop(self)
        self.tasks: list[_Task] = []

    def now(self) -> datetime:
        """What this host's clock says."""
        return _BEGAN + timedelta(seconds=self.scheduler.now + self.skew_s)

    def clock(self) -> float:
        """Its monotonic clock."""
        return self.scheduler.now

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        self.loop.create_task(work)

    def kill(self) -> None:
        self.is_alive = False
        self.held.clear()

    def freeze(self) -> None:
        self.is_frozen = True

    def wake(self) -> None:
        self.is_frozen = False
        for handle in self.held:
            self.scheduler.push(self, self.scheduler.now, handle)
        self.held.clear()

    def bury(self) -> None:
        """Let go of unfinished coroutines without a word; the world is over."""
        self.is_alive = False
        for task in self.tasks:
            if not task.done():
                task.forget()

    async def rest(self, seconds: float) -> None:
        """Let virtual time pass."""
        future = self.loop.create_future()
        self.loop.call_later(seconds, future.cancel)
        with suppress(asyncio.CancelledError):
            await _Resting(future)


def make_running(process: Process | None) -> None:
    """Whose loop asyncio's functions find from here on."""
    loop = None if process is None else cast("asyncio.AbstractEventLoop", process.loop)
    asyncio._set_running_loop(loop)


class _Resting:
    """A future that nobody cancels: the end of a rest is no cancellation of whoever rests."""

    def __init__(self, future: asyncio.Future[None]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, None]:
        return self._future.__await__()


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on where memory happened to be free."""

    number = 0

    def __hash__(self) -> int:
        return self.number

    def forget(self) -> None:
        self._log_destroy_pending = False
        with suppress(RuntimeError, Crashed):
            coroutine = self.get_coro()
            assert coroutine is not None
            coroutine.close()


class ProcessLoop:
    """What asyncio's futures and tasks ask of a loop, answered by the scheduler."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._scheduler = process.scheduler
        self._as_loop = cast("asyncio.AbstractEventLoop", self)  # as much of one as is asked for

    def time(self) -> float:
        return self._scheduler.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_loop)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = _Task(coro, loop=self._as_loop, name=name or "task", context=context)
        task.number = len(self._process.tasks)
        self._process.tasks.append(task)
        return task

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._as_loop, context)
        self._scheduler.push(self._process, self._scheduler.now, handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._scheduler.now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._as_loop, context)
        self._scheduler.push(self._process, when, handle)
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self._process.is_alive and not isinstance(error, Crashed):
            self._scheduler.bugs.append(f"{self._process.name}: {context['message']}: {error!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the queue and is passed over when its time comes."""


class _Nobody:
    """The loop of what the world does by itself."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise context["exception"]
