"""Worker processes that read copies back, and the committing thread when they are not worth it.

knowledge: two processes beat two threads three to eight times on small files. A worker that dies
(systemd ends all of a unit's processes at once) costs time, never an answer.
"""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from monitoring.log import get_log
from storage.model import VerifyMode
from storage.volume.read_back import CopyToRead, Flaw, read_back_all

log = get_log(__name__)

# Below this, handing the work over costs more than it saves.
_COPIES_MIN = 4


class Readers:
    """Owned by one thread."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def read_back(self, copies: list[CopyToRead], mode: VerifyMode) -> list[Flaw | None]:
        """For each copy what is wrong with it, or None."""
        if self._processes < 2 or len(copies) < _COPIES_MIN:
            return read_back_all(copies, mode)
        try:
            return self._spread(copies, mode)
        except BrokenProcessPool:
            log.warning("volume.readers.died", processes=self._processes)
            self.close()
            return read_back_all(copies, mode)

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _spread(self, copies: list[CopyToRead], mode: VerifyMode) -> list[Flaw | None]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._processes, context, initializer=_begin_worker)
        shares = [copies[number :: self._processes] for number in range(self._processes)]
        results = list(self._pool.map(read_back_all, shares, [mode] * len(shares)))
        return [results[n % self._processes][n // self._processes] for n in range(len(copies))]


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    parent.join()
    os._exit(1)
