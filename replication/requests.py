"""Requests to one node that wait for their answers, by number.

docs/wire/session.md, "The connecting side". A node that works long on a request says so every ten
seconds; one that speaks no more of it is not waited for, though its connection stands.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from replication.messages import Answer, Request
from replication.peer_link import PeerLink

# A node says every 10 s that it is still at work on a request.
SILENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer and its data frame."""

    message: Answer
    data: bytes


@dataclass(frozen=True, slots=True)
class _Waiting:
    """`patience` ends when nothing was heard of the request for too long."""

    answer: asyncio.Future[Heard]
    patience: asyncio.Timeout


class Requests:
    """The requests under way on one link."""

    def __init__(self) -> None:
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number

    async def exchange(self, link: PeerLink, request: Request, data: bytes | None) -> Heard:
        """Send, and wait for the answer. Raises TimeoutError, PeerGone, and what `fail` is told."""
        answer: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(SILENCE_S) as patience:
                self._waiting[request.request] = _Waiting(answer, patience)
                await link.send(request, data)
                return await answer
        finally:
            del self._waiting[request.request]
            if answer.done() and not answer.cancelled():
                answer.exception()  # the connection may be lost while the request is being sent

    def answered(self, number: int, heard: Heard) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(heard)

    def worked_on(self, number: int) -> None:
        """The node is still at it."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.patience.expired():
            waiting.patience.reschedule(asyncio.get_running_loop().time() + SILENCE_S)

    def fail(self, number: int | None, error: Exception) -> None:
        waiting = None if number is None else self._waiting.get(number)
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_exception(error)

    def fail_all(self, make: Callable[[], Exception]) -> None:
        for number in self._waiting:
            self.fail(number, make())
