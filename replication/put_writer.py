"""Drives one put: reads the source, sends what credit allows, and says again what was lost.

docs/wire/put.md. What to do when is put_session.py's. Holds one chunk in memory at a time.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from replication.endpoints import PeerGone
from replication.messages import Chunk, Message, Proceed, Put, Refused, WireRefusal
from replication.put_session import (
    Action,
    Announce,
    Finish,
    GiveUp,
    PutSession,
    SendChunk,
    WriterPhase,
)
from storage.volume.order import StoreOrder

Clock = Callable[[], float]
# Told how many bytes the node has written so far; from 0 again when the node lost its staging.
Progress = Callable[[int], None]


class PutSource(Protocol):
    """The stream `file list ‖ inventory ‖ content`, by offset."""

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Cheapest in order; any offset may be asked for again."""
        ...


class ChunkLink(Protocol):
    """The part of a link that a writer needs."""

    async def send(self, message: Message, data: bytes | None) -> None: ...


class PutRefused(WireRefusal):
    """The node will not store this. `refusal_code` is the node's; `retry` whether to ask later."""

    code = "put-refused"


class PutWriter:
    """One operation towards one node."""

    def __init__(self, order: StoreOrder, source: PutSource, link: ChunkLink, clock: Clock) -> None:
        self.progress: Progress = lambda _: None
        self._session = PutSession(to_put(order), clock())
        self._source = source
        self._link = link
        self._clock = clock
        self._actions: list[Action] = []
        self._wake = asyncio.Event()

    # What the connection tells.

    def connected(self) -> None:
        self._note(self._session.connected(self._clock()))

    def disconnected(self) -> None:
        self._session.disconnected()

    def proceed(self, message: Proceed) -> None:
        self._note(self._session.proceed(message, self._clock()))
        self.progress(self._session.acknowledged)

    def committed(self, signed_answer: bytes) -> None:
        self._note(self._session.committed(signed_answer))

    def refused(self, message: Refused) -> None:
        self._note(self._session.refused(message, self._clock()))

    def give_up(self) -> None:
        """The client is closed: whoever waits is told, and may say the same order again."""
        self._note([GiveUp("client-closed", "the connection to this node was closed", retry=True)])

    # What is done.

    async def run(self) -> bytes:
        """Return signature ‖ payload once the node has committed. Raises PutRefused."""
        while True:
            self._wake.clear()
            answer = await self._act()
            if answer is not None:
                return answer
            chunk = self._session.next_chunk(self._clock())
            if chunk is not None:
                await self._send(chunk)
            elif not self._actions:
                await self._rest()

    def _note(self, actions: list[Action]) -> None:
        self._actions += actions
        self._wake.set()

    async def _act(self) -> bytes | None:
        actions, self._actions = self._actions, []
        for action in actions:
            match action:
                case Announce():
                    await self._say(action.put)
                case Finish():
                    return action.signed_answer
                case GiveUp():
                    raise PutRefused(action.message, action.code, retry=action.retry)
        return None

    async def _send(self, chunk: SendChunk) -> None:
        data = await self._source.read(chunk.chunk.offset, chunk.length)
        assert len(data) == chunk.length, "a source gives what was asked for"
        await self._say(chunk.chunk, data)

    async def _say(self, message: Put | Chunk, data: bytes | None = None) -> None:
        """Where the connection is gone, the next one begins with another announcement."""
        try:
            await self._link.send(message, data)
        except PeerGone:
            self._session.disconnected()

    async def _rest(self) -> None:
        """Until something is heard, or it is time to ask again."""
        if self._session.phase is WriterPhase.APART:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(max(0.0, self._session.deadline - self._clock())):
                await self._wake.wait()
        except TimeoutError:
            self._note(self._session.tick(self._clock()))


def to_put(order: StoreOrder) -> Put:
    """The announcement of an order, before its first attempt."""
    return Put(
        op_id=order.op_id,
        attempt=0,
        object_id=order.object_id,
        version=order.version,
        epoch=order.epoch,
        file_list_bytes=order.file_list_bytes,
        inventory_bytes=order.inventory_bytes,
        content_bytes=order.content_bytes,
        file_count=order.file_count,
        file_list_sha256=order.file_list_sha256,
        inventory_sha256=order.inventory_sha256,
    )
