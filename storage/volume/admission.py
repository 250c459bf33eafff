"""Which operations may begin, and which are open.

docs/wire/put.md, step 1; docs/formats/volume.md, step 1. Answers a repeated operation from the
journal, fences off writers that lost their lease, and keeps the reserve free.
"""

import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import PurePosixPath

from storage.crash_point import crash_point
from storage.model import SignedAnswer, StoredObject
from storage.ocfl.layout import object_folder
from storage.volume import events
from storage.volume.events import Event
from storage.volume.gate import Gate
from storage.volume.identity import MountGuard
from storage.volume.incoming import Incoming
from storage.volume.index import Place
from storage.volume.order import KEEPER_SCOPE, StoreOrder, check_order
from storage.volume.receiving import PreviousVersion
from storage.volume.records import Records
from storage.volume.refusals import (
    FileUnreadable,
    OpConflict,
    OperationClosed,
    StaleEpoch,
    VersionEarly,
    VersionTaken,
    VolumeBusy,
    VolumeFull,
    VolumeRefusal,
)
from storage.volume.settings import VolumeSettings

# A writer gives up after 30 s without progress (docs/wire/put.md); then another may have a go.
_RIVAL_IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Free:
    """What a disk has left."""

    free_bytes: int
    free_names: int | None  # None where a file system does not count them


class Admission:
    """The open operations of one volume. Thread-safe."""

    def __init__(
        self,
        settings: VolumeSettings,
        gate: Gate,
        guard: MountGuard,
        records: Records,
        failed: Callable[[Incoming, VolumeRefusal], None],
    ) -> None:
        """`failed` is told of each operation that was refused or given up, and why."""
        self._settings = settings
        self._gate = gate
        self._guard = guard
        self._records = records
        self._index = records.index
        self._failed = failed
        self._lock = threading.RLock()
        self._numbers = count()
        self._open: dict[str, Incoming] = {}
        self._writing: dict[str, Incoming] = {}  # by object id
        self._unsettled: set[str] = set()  # objects whose group failed: recovery decides of them

    def begin(self, order: StoreOrder) -> Incoming | SignedAnswer:
        """The operation to write to, or the answer it got already. Raises VolumeRefusal."""
        check_order(order)
        try:
            return self._begin(order)
        except (OSError, sqlite3.Error) as error:
            raise FileUnreadable(f"this volume's own records cannot be read: {error}") from error

    def _begin(self, order: StoreOrder) -> Incoming | SignedAnswer:
        with self._lock:
            known = self._known_answer(order)
            if known is not None:
                return known
            self._gate.check()
            self._guard.check()
            self._take_epoch(order.epoch_scope, order.epoch)
            resumed = self._open.get(order.op_id)
            if resumed is not None:
                return _same(resumed, order)
            self._make_room(order)
            return self._begin_new(order)

    def hear_keeper(self, epoch: int) -> None:
        """A keeper says under which epoch it leads. Raises StaleEpoch if a later one has begun.

        A volume that takes no writes only judges: it obeys no order that would change anything.
        """
        with self._lock:
            is_new = epoch > self._index.epoch(KEEPER_SCOPE)
            if is_new and self._gate.reason is not None:
                return
            if is_new:
                self._guard.check()
            self._take_epoch(KEEPER_SCOPE, epoch)

    def is_publishing(self, folder: PurePosixPath) -> bool:
        """Whether an operation that is open, or not recovered, is for the object of this folder."""
        with self._lock:
            concerned = self._unsettled.union(self._writing)
            return any(object_folder(object_id) == folder for object_id in concerned)

    def is_committing(self, object_id: str) -> bool:
        """Whether an operation for this object is complete, and not yet committed or refused."""
        with self._lock:
            writing = self._writing.get(object_id)
            is_sealed = writing is not None and writing.is_sealed
            return is_sealed or object_id in self._unsettled

    def recovered(self) -> None:
        """What failed groups left has been finished or withdrawn."""
        with self._lock:
            self._unsettled.clear()

    def condemn_all(self, reason: VolumeRefusal) -> None:
        """Close every open operation."""
        with self._lock:
            condemned = list(self._open.values())
        for incoming in condemned:
            incoming.condemn(reason)

    def abandon_idle(self, idle_s: float) -> int:
        """Give up operations that nothing was written to for that long; how many there were.

        A sealed one is not idle: it waits for its group.
        """
        with self._lock:
            idle = [
                incoming
                for incoming in self._open.values()
                if incoming.idle_s() >= idle_s and not incoming.is_sealed
            ]
        for incoming in idle:
            incoming.abandon()
        return len(idle)

    def _known_answer(self, order: StoreOrder) -> SignedAnswer | None:
        operation = self._index.operation(order.op_id)
        if operation is not None:
            known = (operation.object_id, operation.version, operation.inventory_sha256)
            named = (order.object_id, order.version, order.inventory_sha256)
            if known != named or operation.file_list_sha256 != order.file_list_sha256:
                raise OpConflict(f"operation {order.op_id} was committed with other digests")
            return self._answer_at(operation.place)
        kept = self._index.stored_object(order.object_id)
        if kept is None or kept.head < order.version:
            return None
        if kept.inventory_sha256 != order.inventory_sha256 or kept.head != order.version:
            raise VersionTaken(
                f"{order.object_id!r} is kept here as v{kept.head} with the inventory "
                f"{kept.inventory_sha256}; nothing is ever overwritten"
            )
        if order.replaces_damaged:
            return None
        place = self._index.object_place(order.object_id)
        assert place is not None, "an object of the index has a place in the journal"
        return self._answer_at(place)

    def _answer_at(self, place: Place) -> SignedAnswer:
        return events.answer_of(self._records.journal.record(place.segment, place.offset).members)

    def _take_epoch(self, scope: str, epoch: int) -> None:
        highest = self._index.epoch(scope)
        if epoch < highest:
            raise StaleEpoch(f"epoch {epoch} of {scope!r} is over: {highest} has begun")
        if epoch > highest:
            self._records.note(Event("epoch", {"scope": scope, "epoch": epoch}))
            crash_point("volume.epoch-recorded")

    def _make_room(self, order: StoreOrder) -> None:
        rival = self._writing.get(order.object_id)
        if rival is not None:
            if rival.is_sealed or rival.idle_s() < _RIVAL_IDLE_S:
                raise VolumeBusy(f"operation {rival.op_id} is writing {order.object_id!r}")
            rival.condemn(OperationClosed(f"{order.op_id} took over {order.object_id!r}"))
        if len(self._open) >= self._settings.operations_max:
            raise VolumeBusy(f"{len(self._open)} operations are open: try again later")
        free = self._free()
        promised = sum(incoming.promised_bytes for incoming in self._open.values())
        usable = free.free_bytes - self._settings.reserve_bytes - promised
        if usable < order.needed_bytes():
            raise VolumeFull(
                f"{order.needed_bytes()} bytes are needed and {max(0, usable)} are free beside "
                f"the reserve of {self._settings.reserve_bytes}: add a disk or a node"
            )
        if free.free_names is not None and free.free_names < order.needed_names():
            raise VolumeFull(f"only {free.free_names} inodes are free: add a disk or a node")

    def _begin_new(self, order: StoreOrder) -> Incoming:
        previous = None
        if order.adds_version:
            kept = self._previous(order)
            order = replace(order, earlier_files=kept.file_count, earlier_bytes=kept.content_bytes)
            place = self._settings.root / object_folder(order.object_id)
            previous = PreviousVersion(place, kept.head, kept.inventory_sha256)
        incoming = self._lay_out(order, previous)
        self._open[order.op_id] = incoming
        self._writing[order.object_id] = incoming
        return incoming

    def _lay_out(self, order: StoreOrder, previous: PreviousVersion | None) -> Incoming:
        """Its place in staging, empty."""
        folder = self._settings.staging / order.op_id
        return Incoming(order, folder, next(self._numbers), self._closed, previous)

    def _free(self) -> Free:
        """As the file system says at this moment."""
        state = os.statvfs(self._settings.staging)
        names = state.f_favail if state.f_files > 0 else None
        return Free(state.f_bavail * state.f_frsize, names)

    def _previous(self, order: StoreOrder) -> StoredObject:
        kept = self._index.stored_object(order.object_id)
        if kept is None or kept.head != order.version - 1:
            here = "not kept here" if kept is None else f"kept here as v{kept.head}"
            raise VersionEarly(
                f"version {order.version} of {order.object_id!r} cannot follow: it is {here}. "
                "Once the keeper has mended this copy it can"
            )
        return kept

    def _closed(self, incoming: Incoming, reason: VolumeRefusal | None) -> None:
        with self._lock:
            if self._open.get(incoming.op_id) is incoming:
                del self._open[incoming.op_id]
            if self._writing.get(incoming.order.object_id) is incoming:
                del self._writing[incoming.order.object_id]
            if incoming.staged.folder.exists():
                self._unsettled.add(incoming.order.object_id)
        if reason is not None:
            self._failed(incoming, reason)


def _same(resumed: Incoming, order: StoreOrder) -> Incoming:
    """The open operation, if it was announced alike; only the epoch may have grown."""
    known = resumed.order
    if (known.object_id, known.version, known.inventory_sha256, known.file_list_sha256) != (
        order.object_id,
        order.version,
        order.inventory_sha256,
        order.file_list_sha256,
    ) or known.total_bytes != order.total_bytes:
        raise OpConflict(f"operation {order.op_id} is open with other lengths or digests")
    return resumed
