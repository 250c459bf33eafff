"""A node's side of audits: read an object for the keeper, or check it again, in threads of its own.

docs/wire/audit.md. An audit of a terabyte takes hours, so it never stands in the way of reads or
the event loop; two run at a time, a few wait, more are refused. Judges nothing.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import ParamSpec, TypeVar

from replication.messages import WireRefusal
from storage.audit.answer import AuditAnswer, answer_audit
from storage.audit.framing import Question
from storage.medium import MediumReader
from storage.sweep.check_object import SweepStopped
from storage.sweep.model import SweptVolume
from storage.sweep.recheck import Recheck, recheck

P = ParamSpec("P")
T = TypeVar("T")

RUNNING_MAX = 2
WAITING_MAX = 32


class CopyAuditor:
    """Answers for one volume; `close` ends what is being read."""

    def __init__(self, volume: SweptVolume, canaries: Path, now: Callable[[], str]) -> None:
        """`now` gives RFC 3339 texts as the sweep writes them."""
        self._volume = volume
        self._canaries = canaries
        self._now = now
        self._threads = ThreadPoolExecutor(RUNNING_MAX, "audit")
        self._closing = Event()
        self._taken = 0

    async def audit(self, question: Question) -> AuditAnswer:
        """Raises WireRefusal where there is no such version, too much to do, or a file in memory.

        Raises StillCachedError where a file could not be read past the cache.
        """
        return await self._in_thread(self._answer, question)

    async def recheck(self, object_id: str) -> Recheck:
        """Check the copy as the sweep would, now, and record what is found."""
        return await self._in_thread(
            recheck, self._volume, self._canaries, object_id, self._now(), self._pace
        )

    def close(self) -> None:
        """Begin nothing more and end what runs. Does not wait for a disk that is stuck."""
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answer(self, question: Question) -> AuditAnswer:
        stored = self._volume.stored_object(question.object_id)
        if stored is None:
            raise WireRefusal("no such object is kept here", "object-unknown")
        if stored.head != question.version:
            raise WireRefusal(f"the newest version here is {stored.head}", "version-unknown")
        folder = self._volume.root / self._volume.object_folder(question.object_id)
        return answer_audit(question, folder, MediumReader(self._volume.verify_mode), self._pace)

    def _pace(self, _read_bytes: int) -> None:
        if self._closing.is_set():
            raise SweepStopped

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._taken >= RUNNING_MAX + WAITING_MAX:
            raise WireRefusal("enough is being audited here already", "busy", retry=True)
        self._taken += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, partial(call, *args, **kwargs))
        except SweepStopped as stopped:
            raise WireRefusal("this node is stopping", "busy", retry=True) from stopped
        finally:
            self._taken -= 1
