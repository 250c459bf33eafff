"""The operations that are being written on this node, whichever connection they come by.

docs/wire/put.md. One task for each operation does its disk work in order; an operation outlives
its connection, so that the next one resumes it where it stands. What is answered when is
node_session.py's, what lies on the disk the volume's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from monitoring.log import get_log
from replication.messages import Put, WireRefusal
from replication.node_volume import DiskThreads, Incoming, NodeVolume
from replication.refusals import to_wire
from storage.crash_point import crash_point
from storage.model import SignedAnswer
from storage.volume.order import StoreOrder
from storage.volume.refusals import OpConflict, StaleEpoch

log = get_log(__name__)

# An operation without a connection keeps its staging for so long.
ORPHAN_S = 900.0

Clock = Callable[[], float]


class PutOwner(Protocol):
    """The connection that an operation comes by at present."""

    def begun(self, op_id: str, written: int) -> None: ...
    def written(self, op_id: str, offset: int) -> None: ...
    def committed(self, op_id: str, answer: SignedAnswer) -> None: ...
    def refused(self, op_id: str, refusal: WireRefusal) -> None: ...
    def taken_over(self, op_id: str) -> None: ...


@dataclass(slots=True)
class PutCounts:
    """Since the process started."""

    begun: int = 0
    resumed: int = 0
    committed: int = 0
    refused: int = 0
    received_bytes: int = 0


@dataclass(slots=True)
class _OpenPut:
    order: StoreOrder
    owner: PutOwner | None
    orphan_since: float = 0.0
    queue: deque[tuple[int, memoryview | bytes]] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    incoming: Incoming | None = None
    asked_again: bool = False  # answer `begun` once the queue is empty
    must_announce: bool = False  # a writer took over: the volume must hear of its epoch
    committing: bool = False
    abandoned: bool = False


class NodePuts:
    """All open operations of one volume."""

    def __init__(
        self, volume: NodeVolume, disk: DiskThreads, group: asyncio.TaskGroup, clock: Clock
    ) -> None:
        self.counts = PutCounts()
        self._volume = volume
        self._disk = disk
        self._group = group
        self._clock = clock
        self._open: dict[str, _OpenPut] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, put: Put, owner: PutOwner) -> None:
        """Open an operation, or go on with it on behalf of `owner`."""
        order = to_order(put)
        known = self._open.get(put.op_id)
        if known is None:
            self.counts.begun += 1
            self._open[put.op_id] = known = _OpenPut(order, owner)
            self._group.create_task(self._run(known), name=f"put-{put.op_id}")
            return
        refusal = _why_not(known.order, order)
        if refusal is not None:
            owner.refused(put.op_id, refusal)
            return
        if order.epoch > known.order.epoch:
            known.order = order
            known.must_announce = True
        self.counts.resumed += 1
        if known.owner is not None and known.owner is not owner:
            known.owner.taken_over(put.op_id)
        known.owner = owner
        if known.committing:
            owner.begun(put.op_id, order.total_bytes)
            return
        known.asked_again = True
        known.wake.set()

    def write(self, op_id: str, offset: int, data: memoryview | bytes) -> None:
        """Queue bytes; bounded by the credit that the session gave."""
        put = self._open.get(op_id)
        if put is not None:
            put.queue.append((offset, data))
            put.wake.set()

    def commit(self, op_id: str) -> None:
        """All bytes are there."""
        put = self._open.get(op_id)
        if put is not None:
            put.committing = True
            put.wake.set()

    def disown(self, op_id: str, owner: PutOwner) -> None:
        """The connection is gone; what was queued is still written."""
        put = self._open.get(op_id)
        if put is not None and put.owner is owner:
            put.owner = None
            put.orphan_since = self._clock()

    def tick(self) -> None:
        """Let go of operations that nobody came back for."""
        for put in self._open.values():
            lost = put.owner is None and self._clock() - put.orphan_since > ORPHAN_S
            if lost and not put.committing:
                put.abandoned = True
                put.wake.set()

    async def _run(self, put: _OpenPut) -> None:
        op_id = put.order.op_id
        try:
            answer = await self._to_answer(put)
        except Exception as error:  # noqa: BLE001 - top of an operation: the node goes on
            self.counts.refused += 1
            refusal = to_wire(error, "put")
            log.warning("wire.put.refused", op_id=op_id, code=refusal.refusal_code)
            self._close(put)
            if put.owner is not None:
                put.owner.refused(op_id, refusal)
            return
        self._close(put)
        if answer is not None:
            self.counts.committed += 1
            crash_point("wire.answering")
            if put.owner is not None:
                put.owner.committed(op_id, answer)
                crash_point("wire.answered")

    def _close(self, put: _OpenPut) -> None:
        del self._open[put.order.op_id]

    async def _to_answer(self, put: _OpenPut) -> SignedAnswer | None:
        begun = await self._disk.write(self._volume.begin, put.order)
        if isinstance(begun, SignedAnswer):
            return begun
        put.incoming = begun
        put.asked_again = True
        put.wake.set()
        while not put.committing:
            await put.wake.wait()
            put.wake.clear()
            if put.abandoned:
                await self._disk.write(begun.abandon)
                return None
            if put.must_announce:
                put.must_announce = False
                await self._disk.write(self._volume.begin, put.order)
            await self._write_queued(put, begun)
        return await self._volume.commit(begun)

    async def _write_queued(self, put: _OpenPut, incoming: Incoming) -> None:
        """Write what is queued, in one hop to a thread, and say how far that reached."""
        op_id = put.order.op_id
        while put.queue:
            batch = list(put.queue)
            put.queue.clear()
            before = incoming.written
            await self._disk.write(_write_all, incoming, batch)
            self.counts.received_bytes += incoming.written - before
            if put.owner is not None and not put.asked_again:
                put.owner.written(op_id, incoming.written)
        if put.asked_again and put.owner is not None:
            put.asked_again = False
            put.owner.begun(op_id, incoming.written)


def _why_not(known: StoreOrder, order: StoreOrder) -> WireRefusal | None:
    """Why a put for an open operation cannot be gone on with; None if it can.

    Only the epoch may differ: whoever takes a transfer over after a crash has a higher one.
    """
    if replace(known, epoch=order.epoch) != order:
        text = "this op_id is being written with other lengths or digests"
        return WireRefusal(text, OpConflict.code)
    if order.epoch < known.epoch:
        text = f"epoch {order.epoch} is over: the writer of epoch {known.epoch} has taken over"
        return WireRefusal(text, StaleEpoch.code)
    return None


def to_order(put: Put) -> StoreOrder:
    """The order in a `put`. Never one that replaces a copy: only a mending node says that."""
    return StoreOrder(
        op_id=put.op_id,
        object_id=put.object_id,
        version=put.version,
        epoch=put.epoch,
        file_list_bytes=put.file_list_bytes,
        inventory_bytes=put.inventory_bytes,
        content_bytes=put.content_bytes,
        file_count=put.file_count,
        file_list_sha256=put.file_list_sha256,
        inventory_sha256=put.inventory_sha256,
    )


def _write_all(incoming: Incoming, batch: list[tuple[int, memoryview | bytes]]) -> None:
    for offset, data in batch:
        assert offset == incoming.written, "the session lets no gap through"
        incoming.write(offset, data)
