"""Worker processes that prepare packages, so that what a package does to its reader stays there.

A process that dies takes its pool with it, and the jobs in it are tried once more, each in a
process of its own: so a package that kills its reader takes no other along. Knows nothing of what
a job is.
"""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ClassVar, TypeVar

from monitoring.log import get_log
from storage.errors import LantaiError, Refusal

log = get_log(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")


class WorkerDied(Refusal):
    """The process that read the package died each time it was tried."""

    code: ClassVar[str] = "worker-died"


class WorkerFailed(Refusal):
    """Reading the package ended in an error that nobody foresaw; the log has it."""

    code: ClassVar[str] = "worker-failed"


class Workers:
    """A pool of processes."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = _new_pool(processes)

    async def run(self, call: Callable[[Job], Result], job: Job) -> Result:
        """Return `call(job)`, run in a worker.

        Raises LantaiError and OSError as `call` raised them, WorkerDied, or WorkerFailed.
        """
        pool = self._pool
        try:
            return await _run_in(pool, call, job)
        except BrokenProcessPool:
            log.error("intake.worker.died", attempt=1)
        if self._pool is pool:
            self._pool = _new_pool(self._processes)
        return await self._run_apart(call, job)

    def close(self) -> None:
        """End the processes, in the middle of whatever they do: every job may be repeated."""
        for process in multiprocessing.active_children():
            process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run_apart(self, call: Callable[[Job], Result], job: Job) -> Result:
        pool = _new_pool(1)
        try:
            return await _run_in(pool, call, job)
        except BrokenProcessPool:
            log.error("intake.worker.died", attempt=2)
        finally:
            pool.shutdown(wait=False)
        raise WorkerDied("the process that read this package died, twice: have someone look at it")


async def _run_in(pool: ProcessPoolExecutor, call: Callable[[Job], Result], job: Job) -> Result:
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, call, job)
    except (LantaiError, OSError, BrokenProcessPool):
        raise
    except Exception as error:  # a stranger's package must not end the intake
        log.exception("intake.worker.failed")
        raise WorkerFailed(f"reading this package failed: {type(error).__name__}") from error


def _new_pool(processes: int) -> ProcessPoolExecutor:
    # Never fork a process that has threads and open sockets.
    context = get_context("forkserver")
    context.set_forkserver_preload(["ingest_watch.prepare"])
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_die_with_parent)


def _die_with_parent() -> None:
    """A worker that outlived a killed intake would write into its successor's staging.

    The kernel's own way (PR_SET_PDEATHSIG) does not help: the fork server is the parent that it
    means, and lives as long as its children.
    """

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None, "workers are begun by the intake"
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
