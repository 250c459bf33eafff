"""Worker processes that prepare packages, so that what a package does to its reader stays there.

A process that dies takes the pool with it, and every job in it is given to a new one; a job whose
process died twice is given up. Knows nothing of what a job is.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ClassVar, TypeVar

from monitoring.log import get_log
from storage.errors import Refusal

log = get_log(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")

_ATTEMPTS_MAX = 2


class WorkerDied(Refusal):
    """The process that read the package died each time it was tried."""

    code: ClassVar[str] = "worker-died"


class Workers:
    """A pool of processes. `close` waits for the jobs under way."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = self._new_pool()

    async def run(self, call: Callable[[Job], Result], job: Job) -> Result:
        """Return `call(job)`, run in a worker. Raises what it raised, or WorkerDied."""
        loop = asyncio.get_running_loop()
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            pool = self._pool
            try:
                return await loop.run_in_executor(pool, call, job)
            except BrokenProcessPool:
                log.error("intake.worker.died", attempt=attempt)
                if self._pool is pool:
                    self._pool = self._new_pool()
        raise WorkerDied("the process that read this package died, twice: have someone look at it")

    def close(self) -> None:
        """Let the processes end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        # Never fork a process that has threads and open sockets.
        context = get_context("forkserver")
        context.set_forkserver_preload(["ingest_watch.prepare"])
        return ProcessPoolExecutor(self._processes, mp_context=context)
