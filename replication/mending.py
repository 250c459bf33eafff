"""The target's side of a repair: pull a good copy, commit it, put the bad one aside.

docs/wire/repair.md. A copy is pulled with all its versions, the oldest first. What is good is
decided here, from bytes alone; when and from whom, by the keeper (repair_plan.py). The bad copy is
moved only after its successor was read back.
"""

import asyncio
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from monitoring.log import get_log
from replication.messages import Mend, Source, WireRefusal
from replication.node_volume import DiskThreads, Incoming, MendOutcome, NodeVolume
from replication.pull import FetchSource, Pull, Wanted
from replication.tickets import TicketOffice
from storage.crash_point import crash_point
from storage.errors import LantaiError, VerificationFailed
from storage.file_list import FileListInvalid
from storage.model import SignedAnswer
from storage.ocfl.inventory_stream import InventoryUnreadable
from storage.version_list import VersionListInvalid
from storage.volume.order import StoreOrder, VersionStream
from storage.volume.refusals import ContentRefused, VolumeRefusal

log = get_log(__name__)

MENDED = "mended"
SOURCE_FAILED = "source-failed"
REFUSED = "refused"

# What a source can do to us: be away, send other bytes, or stop in the middle.
_SOURCE_FAULTS = (
    VerificationFailed,
    ContentRefused,
    InventoryUnreadable,
    FileListInvalid,
    VersionListInvalid,
    WireRefusal,
    OSError,
)

Connect = Callable[[Source, bytes], AbstractAsyncContextManager[FetchSource]]


class CopyMender:
    """Replaces bad copies on this node, one operation for one object at a time."""

    def __init__(
        self,
        volume: NodeVolume,
        disk: DiskThreads,
        office: TicketOffice,
        connect: Connect,
        work: Path,
    ) -> None:
        """`work` is a folder for the lists of copies under way; what is in it is thrown away."""
        self._volume = volume
        self._disk = disk
        self._office = office
        self._connect = connect
        self._work = work
        self._busy: set[str] = set()
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)

    async def mend(self, order: Mend, ticket: bytes) -> MendOutcome:
        """Carry out one order of the keeper. Raises TicketRefused; all else is an outcome."""
        self._office.accept(order, ticket)
        if order.object_id in self._busy:
            return MendOutcome(REFUSED, None)
        self._busy.add(order.object_id)
        crash_point("mender.begun")
        try:
            answer = await self._replace(order, ticket)
            crash_point("mender.mended")
            return MendOutcome(MENDED, answer)
        except _SOURCE_FAULTS as error:
            return self._failed(order, SOURCE_FAILED, error)
        except VolumeRefusal as error:
            return self._failed(order, REFUSED, error)
        finally:
            self._busy.discard(order.object_id)

    async def _replace(self, order: Mend, ticket: bytes) -> SignedAnswer:
        work = self._work / secrets.token_hex(8)
        await asyncio.to_thread(work.mkdir)
        try:
            async with self._connect(order.source, ticket) as source:
                wanted = Wanted(order.object_id, order.version, order.inventory_sha256)
                newest, own = await _prepared(source, wanted, work)
                earlier = [await _prepared(source, each, work) for each in newest.earlier()]
                store_order = _store_order(order, own, [stream for _, stream in earlier])
                incoming = await self._disk.write(self._volume.begin, store_order)
                if isinstance(incoming, SignedAnswer):
                    return incoming
                await self._receive(incoming, [*(pull for pull, _ in earlier), newest])
                crash_point("mender.received")
            return await self._volume.commit(incoming)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _receive(self, incoming: Incoming, pulls: Sequence[Pull]) -> None:
        try:
            offset = 0
            for pull in pulls:
                async for chunk in pull.stream():
                    offset = await self._disk.write(incoming.write, offset, chunk)
        except BaseException:
            await self._disk.write(incoming.abandon)
            raise

    def _failed(self, order: Mend, outcome: str, error: LantaiError | OSError) -> MendOutcome:
        log.warning(
            "repair.copy.failed",
            object_id=order.object_id,
            source=order.source.name,
            outcome=outcome,
            error=str(error),
        )
        return MendOutcome(outcome, None)


async def _prepared(source: FetchSource, wanted: Wanted, work: Path) -> tuple[Pull, VersionStream]:
    folder = work / wanted.folder
    await asyncio.to_thread(folder.mkdir)
    pull = Pull(source, wanted, folder)
    return pull, await pull.prepare()


def _store_order(order: Mend, own: VersionStream, earlier: Sequence[VersionStream]) -> StoreOrder:
    return StoreOrder(
        op_id=secrets.token_hex(16),
        object_id=order.object_id,
        version=order.version,
        epoch=order.epoch,
        file_list_bytes=own.file_list_bytes,
        inventory_bytes=own.inventory_bytes,
        content_bytes=own.content_bytes,
        file_count=own.file_count,
        file_list_sha256=own.file_list_sha256,
        inventory_sha256=own.inventory_sha256,
        replaces_damaged=True,
        earlier=tuple(earlier),
        earlier_files=sum(stream.file_count for stream in earlier),
        earlier_bytes=sum(stream.content_bytes for stream in earlier),
    )
