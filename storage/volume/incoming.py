"""One package on its way in: the stream is split, checked and laid out as it will be published.

docs/wire/put.md (`file list ‖ inventory ‖ content`); docs/formats/volume.md, steps 1 to 3.
Nothing here is durable or visible: that begins when the operation joins a group.
"""

import errno
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.durable import SyncDescriptor, write_all
from storage.file_list import FileListInvalid, read_file_list
from storage.ocfl.inventory import (
    CONTENT_DIRECTORY,
    FIRST_VERSION,
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    SIDECAR_NAME,
    sidecar,
)
from storage.ocfl.inventory_compare import compare_inventory
from storage.volume.content import FILE_MODE, ContentWriter
from storage.volume.order import StoreOrder, encode_order
from storage.volume.publish import FOLDER_MODE
from storage.volume.refusals import (
    ContentRefused,
    OperationClosed,
    VolumeFull,
    VolumeRefusal,
    WriteLost,
)

ORDER_NAME = "order.json"
FILE_LIST_NAME = "file-list.jsonl"
OBJECT_NAME = "object"
BLOCKS_NAME = "blocks"
WORK_NAME = "work"

# docs/formats/package.md, "The object's tree".
_PREFIXES = ("received/", "content/", "lantai/")
_COPY_BYTES = 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class StagedOperation:
    """Where one operation lies in `staging/`."""

    folder: Path

    @property
    def order(self) -> Path:
        return self.folder / ORDER_NAME

    @property
    def file_list(self) -> Path:
        return self.folder / FILE_LIST_NAME

    @property
    def object(self) -> Path:
        return self.folder / OBJECT_NAME

    @property
    def blocks(self) -> Path:
        return self.folder / BLOCKS_NAME

    @property
    def version(self) -> Path:
        return self.object / FIRST_VERSION

    def discard(self) -> None:
        """Remove everything of it; may be called again."""
        shutil.rmtree(self.folder, ignore_errors=True)


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
    ) -> None:
        self.order = order
        self.number = number
        self.staged = StagedOperation(folder)
        self.written = 0  # how much of the stream has been written to files
        self._needed_bytes = order.needed_bytes()
        self._touched_s = time.monotonic()
        self._on_close = on_close
        self._lock = threading.Lock()
        self._closed: VolumeRefusal | None = None
        self._sealed = False
        self._claimed = False
        self._part: _Spool | ContentWriter | None = None
        self._syncs: tuple[SyncDescriptor, ...] = ()
        self._syncs = (SyncDescriptor(folder.parent), SyncDescriptor(folder.parent))
        try:
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
    def total_bytes(self) -> int:
        """Length of the whole stream."""
        return self.order.total_bytes

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
        self.staged.folder.mkdir(mode=FOLDER_MODE)
        _write_new(self.staged.order, encode_order(self.order))
        self.staged.version.mkdir(mode=FOLDER_MODE, parents=True)
        self._part = _Spool(
            self.staged.file_list, self.order.file_list_bytes, self.order.file_list_sha256
        )

    def _take(self, data: memoryview) -> None:
        if self.written + len(data) > self.total_bytes:
            raise ContentRefused("more bytes came than were announced")
        while len(data) > 0:
            part = self._part
            assert part is not None, "a part is open until the stream has ended"
            taken = min(len(data), part.missing_bytes) if isinstance(part, _Spool) else len(data)
            part.write(data[:taken])
            self.written += taken
            data = data[taken:]
            if isinstance(part, _Spool) and part.missing_bytes == 0:
                self._end_spool(part)
        if self.written == self.total_bytes:
            self._seal()

    def _end_spool(self, spool: "_Spool") -> None:
        spool.finish()
        if spool.path == self.staged.file_list:
            self._check_file_list()
            self._part = _Spool(
                self.staged.object / INVENTORY_NAME,
                self.order.inventory_bytes,
                self.order.inventory_sha256,
            )
            return
        self._check_inventory()
        self._part = ContentWriter(
            self.staged.version / CONTENT_DIRECTORY,
            self.staged.blocks / FIRST_VERSION / CONTENT_DIRECTORY,
            read_file_list(self.staged.file_list),
        )

    def _check_file_list(self) -> None:
        """Before the first byte of content: paths, order, and what `put` announced of it."""
        file_count = content_bytes = 0
        for entry in read_file_list(self.staged.file_list):
            if not entry.path.startswith(_PREFIXES):
                raise ContentRefused(f"{entry.path!r} lies below none of {', '.join(_PREFIXES)}")
            file_count += 1
            content_bytes += entry.size_bytes
        if (file_count, content_bytes) != (self.order.file_count, self.order.content_bytes):
            raise ContentRefused(
                f"the file list names {file_count} files of {content_bytes} bytes; announced "
                f"were {self.order.file_count} of {self.order.content_bytes}"
            )

    def _check_inventory(self) -> None:
        work = self.staged.folder / WORK_NAME
        work.mkdir(mode=FOLDER_MODE)
        mismatch = compare_inventory(
            self.staged.object / INVENTORY_NAME,
            self.order.object_id,
            self.order.version,
            read_file_list(self.staged.file_list),
            work,
        )
        if mismatch is not None:
            raise ContentRefused(f"inventory: {mismatch.what}")
        work.rmdir()

    def _seal(self) -> None:
        """Complete the object: sidecars, the version's own inventory, the declaration."""
        assert isinstance(self._part, ContentWriter), "the content comes last"
        self._part.finish()
        sidecar_line = sidecar(self.order.inventory_sha256)
        inventory = self.staged.object / INVENTORY_NAME
        _copy(inventory, self.staged.version / INVENTORY_NAME)
        _write_new(self.staged.version / SIDECAR_NAME, sidecar_line)
        _write_new(self.staged.object / SIDECAR_NAME, sidecar_line)
        _write_new(self.staged.object / OBJECT_DECLARATION_NAME, OBJECT_DECLARATION)
        self._sealed = True

    def _refuse_if_closed(self) -> None:
        if self._closed is not None:
            raise self._closed

    def _clear_away(self, reason: VolumeRefusal | None, *, keep_staging: bool = False) -> None:
        """After `_closed` was set, once: let go of everything, then tell the volume."""
        if self._part is not None:
            self._part.close()
            self._part = None
        for sync in self._syncs:
            sync.close()
        self._syncs = ()
        if not keep_staging:
            self.staged.discard()
        self._on_close(self, reason)


class _Spool:
    """File list or inventory on its way into one file, compared with its digest at the end."""

    def __init__(self, path: Path, length: int, sha256: str) -> None:
        self.path = path
        self.missing_bytes = length
        self._length = length
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o440)

    def write(self, data: memoryview) -> None:
        write_all(self._descriptor, data, self._length - self.missing_bytes)
        self._digest.update(data)
        self.missing_bytes -= len(data)

    def finish(self) -> None:
        self.close()
        if self._digest.hexdigest() != self._sha256:
            raise ContentRefused(f"{self.path.name} does not have the SHA-256 announced")

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _as_refusal(error: Exception) -> VolumeRefusal:
    if isinstance(error, VolumeRefusal):
        return error
    if isinstance(error, FileListInvalid):
        return ContentRefused(f"file list: {error}")
    if isinstance(error, OSError) and error.errno in _FULL:
        return VolumeFull(f"the disk ran full: {error}")
    return WriteLost(f"the disk refused a write: {error}")


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        write_all(descriptor, content, 0)
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    """A second file, not a second name: damage to one must not be damage to both."""
    with source.open("rb") as stream:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            offset = 0
            while piece := stream.read(_COPY_BYTES):
                write_all(descriptor, piece, offset)
                offset += len(piece)
        finally:
            os.close(descriptor)
