"""One operation on its way in: its stream is handed on, version by version, and completed.

docs/wire/put.md; docs/formats/volume.md, steps 1 to 3. What a version must be is receiving.py's
affair. Nothing here is durable or visible: that begins when the operation joins a group.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from storage.crash_point import crash_point
from storage.durable import SyncDescriptor, write_all
from storage.file_list import FileListInvalid
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    SIDECAR_NAME,
    sidecar,
)
from storage.volume.content import FILE_MODE
from storage.volume.order import StoreOrder, VersionStream, encode_order
from storage.volume.publish import FOLDER_MODE
from storage.volume.receiving import PreviousVersion, StagedOperation, VersionReceiver, write_new
from storage.volume.refusals import (
    SHORT_OF,
    ContentRefused,
    OperationClosed,
    VolumeBusy,
    VolumeRefusal,
    WriteLost,
    refusal_of,
)

_COPY_BYTES = 1024 * 1024


class Incoming:
    """An operation that is being received. Thread-safe; owned by the volume that began it.

    Two descriptors for syncfs are opened before the first write; `number` says in which order
    operations began, so that a group can tell its oldest member.
    """

    def __init__(
        self,
        order: StoreOrder,
        folder: Path,
        number: int,
        on_close: Callable[["Incoming", VolumeRefusal | None], None],
        previous: PreviousVersion | None = None,
    ) -> None:
        """`previous` is what a later version is built on."""
        self.order = order
        self.number = number
        self.staged = StagedOperation(folder)
        self.total_bytes = order.total_bytes  # length of the whole stream
        self.written = 0  # how much of the stream has been written to files
        self._needed_bytes = order.needed_bytes()
        self._touched_s = time.monotonic()
        self._on_close = on_close
        self._previous = previous
        self._to_come: list[tuple[int, VersionStream]] = order.streams
        self._lock = threading.Lock()
        self._closed: VolumeRefusal | None = None
        self._sealed = False
        self._claimed = False
        self._receiver: VersionReceiver | None = None
        self._syncs: tuple[SyncDescriptor, ...] = ()
        try:
            self._syncs = self._open_syncs()
            self._lay_out()
        except OSError as error:
            self._closed = _as_refusal(error)
            self._clear_away(self._closed)
            raise self._closed from error

    @property
    def op_id(self) -> str:
        """The operation's name."""
        return self.order.op_id

    @property
    def promised_bytes(self) -> int:
        """Space it will still take, at most."""
        return self._needed_bytes - self.written

    @property
    def is_sealed(self) -> bool:
        """Whether everything came and was right."""
        return self._sealed

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        """Write the next bytes and return how far the stream is written.

        Bytes at any other offset than that are ignored. Raises ContentRefused, VolumeFull or
        WriteLost; after any of them the operation is closed and its staging gone.
        """
        with self._lock:
            self._refuse_if_closed()
            self._touched_s = time.monotonic()
            if offset != self.written:
                return self.written
            try:
                self._take(memoryview(data))
            except (OSError, VolumeRefusal, FileListInvalid) as error:
                self._closed = reason = _as_refusal(error)
                cause = error
            else:
                crash_point("volume.bytes-written")
                return self.written
        # Without the lock: the volume may have to close every other operation because of this.
        self._clear_away(reason)
        raise reason from cause

    def idle_s(self) -> float:
        """How long nothing has been written."""
        return time.monotonic() - self._touched_s

    def condemn(self, reason: VolumeRefusal) -> None:
        """Close it for good; whoever writes or commits next is told why.

        A group that has claimed it decides by itself what becomes of it.
        """
        with self._lock:
            if self._closed is not None or self._claimed:
                return
            self._closed = reason
        self._clear_away(reason)

    def abandon(self) -> None:
        """Give it up; its staging is removed. May be called again."""
        self.condemn(OperationClosed(f"operation {self.op_id} was abandoned"))

    def claim(self) -> bool:
        """Take it into a group, which then calls `end`. False if it is not there to be had."""
        with self._lock:
            self._claimed = self._sealed and self._closed is None
            return self._claimed

    def hand_over_syncs(self) -> tuple[SyncDescriptor, ...]:
        """Its two unasked descriptors, opened before its first write; the group closes them."""
        syncs, self._syncs = self._syncs, ()
        assert len(syncs) == 2, "descriptors are handed over once"
        return syncs

    def end(self, reason: VolumeRefusal | None = None, *, keep_staging: bool = False) -> None:
        """The group is done with it: committed, or not because of `reason`.

        Staging is kept when the group failed: the object may be published, and only its staging
        tells the next recovery what it should be.
        """
        with self._lock:
            self._closed = reason or OperationClosed(f"operation {self.op_id} is committed")
        self._clear_away(reason, keep_staging=keep_staging)

    def refuse_unless_sealed(self) -> None:
        """Raises why it was closed, or ContentRefused if bytes are missing."""
        with self._lock:
            self._refuse_if_closed()
            if not self._sealed:
                raise ContentRefused(f"{self.written} of {self.total_bytes} bytes have come")

    def _lay_out(self) -> None:
        # Where an earlier attempt ended for want of descriptors, none was left to clear it away.
        self.staged.discard()
        self.staged.folder.mkdir(mode=FOLDER_MODE)
        crash_point("volume.staging-made")
        write_new(self.staged.order, encode_order(self.order))
        crash_point("volume.announced")
        self._receiver = self._receive_next(self._previous)

    def _receive_next(self, previous: PreviousVersion | Path | None) -> VersionReceiver:
        number, stream = self._to_come.pop(0)
        return VersionReceiver(self.staged, self.order, number, stream, previous)

    def _take(self, data: memoryview) -> None:
        if self.written + len(data) > self.total_bytes:
            raise ContentRefused("more bytes came than were announced")
        while len(data) > 0:
            receiver = self._receiver
            assert receiver is not None, "a version is open until the stream has ended"
            taken = receiver.write(data)
            self.written += taken
            data = data[taken:]
            if receiver.missing_bytes == 0:
                self._end_version(receiver)

    def _end_version(self, receiver: VersionReceiver) -> None:
        receiver.finish()
        crash_point("volume.version-received")
        if self._to_come:
            self._receiver = self._receive_next(receiver.inventory)
            return
        # A second file, not a second name: damage to one must not be damage to both.
        _copy(receiver.inventory, self.staged.object / INVENTORY_NAME)
        write_new(self.staged.object / SIDECAR_NAME, sidecar(self.order.inventory_sha256))
        if not self.order.adds_version:
            write_new(self.staged.object / OBJECT_DECLARATION_NAME, OBJECT_DECLARATION)
        self._sealed = True
        crash_point("volume.sealed")

    def _open_syncs(self) -> tuple[SyncDescriptor, ...]:
        """Before the first write, so that they hear of every write that is lost."""
        folder = self.staged.folder.parent
        first = SyncDescriptor(folder)
        try:
            return first, SyncDescriptor(folder)
        except OSError:
            first.close()
            raise

    def _discard(self) -> None:
        self.staged.discard()

    def _refuse_if_closed(self) -> None:
        if self._closed is not None:
            raise self._closed

    def _clear_away(self, reason: VolumeRefusal | None, *, keep_staging: bool = False) -> None:
        """After `_closed` was set, once: let go of everything, then tell the volume."""
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None
        for sync in self._syncs:
            sync.close()
        self._syncs = ()
        if not keep_staging:
            self._discard()
        self._on_close(self, reason)


def _as_refusal(error: Exception) -> VolumeRefusal:
    if isinstance(error, VolumeRefusal):
        return error
    if isinstance(error, FileListInvalid):
        return ContentRefused(f"file list: {error}")
    if not isinstance(error, OSError):
        return WriteLost(f"the disk refused a write: {error}")
    if error.errno in SHORT_OF:
        return VolumeBusy(f"this process has no more of something: {error}")
    return refusal_of(error, "the disk refused a write")


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as stream:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            offset = 0
            while piece := stream.read(_COPY_BYTES):
                write_all(descriptor, piece, offset)
                offset += len(piece)
        finally:
            os.close(descriptor)
