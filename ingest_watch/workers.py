"""Confined worker processes for jobs on strangers' packages: what one does stays with it.

A pool of single processes, each with one job at a time: when one dies, no other job notices. The
job it died of is tried once more in a process that has seen nothing else, and then it is that
job's affair. Knows nothing of what a job is.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

from ingest_watch.confinement import Confinement
from ingest_watch.worker_process import (
    Allowance,
    Answering,
    Died,
    Failed,
    Outcome,
    Overdue,
    Raised,
    Returned,
    WorkerProcess,
)
from monitoring.log import get_log
from storage.errors import LantaiError, Refusal

log = get_log(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")

_TRIES = 2


class WorkerDied(Refusal):
    """The process that read the package died each time it was tried."""

    code: ClassVar[str] = "worker-died"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"the process that read this package died, twice ({self.cause}): look at it"


class WorkerOverdue(Refusal):
    """Reading the package took longer than its size explains, and was ended."""

    code: ClassVar[str] = "worker-overdue"


class WorkerFailed(Refusal):
    """Reading the package ended in an error that nobody foresaw; the log has it."""

    code: ClassVar[str] = "worker-failed"


class WorkersUnconfined(Refusal):
    """This machine cannot confine worker processes, and nobody said that it may be so."""

    code: ClassVar[str] = "workers-unconfined"


class WorkersClosed(LantaiError):
    """The workers were ended while the job ran; it may be repeated."""

    code: ClassVar[str] = "workers-closed"


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """What one kind of worker is for and may use."""

    name: str
    confinement: Confinement
    allowance: Allowance
    preload: tuple[str, ...] = ()  # modules that the fork server loads once for all
    # After so many jobs a process makes room for a new one, so that nothing gathers in it.
    jobs_max: int = 100


class Workers:
    """A pool of processes of one kind."""

    def __init__(
        self, processes: int, kind: WorkerKind, answering: Answering | None = None
    ) -> None:
        """`answering` is how jobs are answered that ask for something; nobody else can."""
        self.processes = processes
        self.kind = kind
        self._answering = answering
        self.deaths = 0
        self._places = threading.BoundedSemaphore(processes)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix=kind.name)
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._closed = False

    async def lacking(self) -> tuple[str, ...]:
        """Start a process; return what this machine could not restrict it in."""
        lacking: tuple[str, ...] = await self._in_thread(self.tried)
        return lacking

    def tried(self) -> tuple[str, ...]:
        """As `lacking`, for a thread that may wait."""
        process = self._take()
        self._give_back(process, reusable=True)
        return process.lacking

    async def run(self, call: Callable[[Job], Result], job: Job) -> Result:
        """Return `call(job)`, run in a worker.

        Raises LantaiError and OSError as `call` raised them, WorkerDied, WorkerOverdue,
        WorkerFailed or WorkersClosed.
        """
        outcome: Outcome = await self._in_thread(self._done, call, job)
        return cast("Result", _result(outcome))

    def carry_out(self, call: Callable[[Job], Result], job: Job) -> Result:
        """As `run`, for a thread that may wait: no more jobs at once than there are processes."""
        with self._places:
            return cast("Result", _result(self._done(call, job)))

    def close(self) -> None:
        """End the processes, in the middle of whatever they do: every job may be repeated."""
        with self._lock:
            self._closed = True
            for process in (*self._idle, *self._busy):
                process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._idle:
            process.retire()

    async def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Any:
        if self._closed:
            raise WorkersClosed("the workers are ended")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _done(self, call: Callable[[Any], object], job: object) -> Outcome:
        outcome: Outcome = Died("it was never tried")
        for attempt in range(1, _TRIES + 1):
            process = self._take() if attempt == 1 else self._fresh()
            try:
                outcome = process.carry_out(call, job, self.kind.allowance)
            except BaseException:  # by Ctrl-C: it must not go on when nobody waits for it
                process.kill()
                self._give_back(process, reusable=False)
                raise
            ended = isinstance(outcome, Died | Overdue)
            self._give_back(process, reusable=not ended)
            if not ended:
                break
            self._count(outcome, attempt)
            if isinstance(outcome, Overdue):
                break
        return outcome

    def _count(self, outcome: Outcome, attempt: int) -> None:
        """Put a death on record. Raises WorkersClosed if it was our own doing."""
        with self._lock:
            if self._closed:
                raise WorkersClosed("the workers were ended")
            self.deaths += 1
        cause = outcome.cause if isinstance(outcome, Died) else "time limit"
        log.error("intake.worker.died", kind=self.kind.name, attempt=attempt, cause=cause)

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise WorkersClosed("the workers are ended")
            if self._idle:
                process = self._idle.pop()
                self._busy.add(process)
                return process
        return self._begin()

    def _fresh(self) -> WorkerProcess:
        """A process that has seen nothing; one that waits makes room for it."""
        with self._lock:
            waiting = [self._idle.pop()] if self._idle else []
        for process in waiting:
            process.retire()
        return self._begin()

    def _begin(self) -> WorkerProcess:
        process = WorkerProcess(self.kind.confinement, self.kind.preload, self._answering)
        with self._lock:
            self._busy.add(process)
            if self._closed:
                process.kill()
        return process

    def _give_back(self, process: WorkerProcess, *, reusable: bool) -> None:
        with self._lock:
            self._busy.discard(process)
            if reusable and not self._closed and process.jobs < self.kind.jobs_max:
                self._idle.append(process)
                return
        process.retire()


def _result(outcome: Outcome) -> object:
    if isinstance(outcome, Returned):
        return outcome.value
    raise _reported(outcome)


def _reported(outcome: Raised | Failed | Died | Overdue) -> Exception:
    match outcome:
        case Raised(error):
            return error
        case Failed(kind, where):
            log.error("intake.worker.failed", kind=kind, where=where)
            return WorkerFailed(f"reading this package failed: {kind}")
        case Died(cause):
            return WorkerDied(cause)
        case Overdue():
            return WorkerOverdue(
                "reading this package took longer than its size explains: see whether the share "
                "or the staging disk hangs, then have it tried again"
            )
