"""A node's disk, as the node's other parts use it.

docs/formats/volume.md. Takes packages, commits them in groups, gives raw bytes back, and keeps
the record of all of it. There is nothing here that deletes. Everything is thread-safe; calls block
on the disk, except `commit`.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from monitoring.log import get_log
from storage.burn_in.result import named_burn_in
from storage.canary.planting import plant_canaries
from storage.crash_point import crash_point
from storage.hash_tree.branch import Subtree
from storage.hash_tree.leaf import Leaf
from storage.medium import StillCachedError
from storage.model import SignedAnswer, StoredObject, VerifyMode
from storage.signing import SigningKey
from storage.sweep.model import (
    Reason,
)
from storage.volume import creation, disk_watch, opening
from storage.volume.admission import Admission
from storage.volume.block_lists import BlockLists, StoredFile
from storage.volume.boot_facts import changes_since, present_facts
from storage.volume.chronicle_book import ChronicleBook
from storage.volume.committer import Committer
from storage.volume.events import Event, Speaker, timestamp
from storage.volume.findings import Finding
from storage.volume.foreground import ForegroundMeter
from storage.volume.gate import Gate
from storage.volume.group import GroupParts, Outcome, commit_group
from storage.volume.identity import MountGuard, NodeIdentity
from storage.volume.incoming import Incoming
from storage.volume.journal import Journal
from storage.volume.order import KEEPER_SCOPE, StoreOrder
from storage.volume.publish import Publisher
from storage.volume.readers import Readers
from storage.volume.reading import ObjectReader
from storage.volume.records import Records
from storage.volume.recovery import Recovery
from storage.volume.refusals import (
    FileUnknown,
    FileUnreadable,
    JournalRotten,
    MediumFaulty,
    MediumUnproven,
    OperationClosed,
    PreviousDamaged,
    VolumeFull,
    VolumeRefusal,
    WriteLost,
)
from storage.volume.settings import VolumeSettings
from storage.volume.state import VolumeState, state_of
from storage.volume.sweep_book import SweepBook
from storage.volume.swept_side import SweptSide

log = get_log(__name__)


class Volume(SweptSide):
    """An open volume. `open` and `create` are the ways to get one; `close` gives it back."""

    def __init__(
        self, settings: VolumeSettings, identity: NodeIdentity, guard: MountGuard, speaker: Speaker
    ) -> None:
        self.settings = settings
        self.identity = identity
        self._guard = guard
        self._speaker = speaker
        self._stack = ExitStack()
        self._group_lock = threading.Lock()
        self._gate = Gate()
        self._journal = Journal(
            settings.journal,
            settings.quarantine,
            speaker.verify_mode,
            segment_bytes_max=settings.journal_segment_bytes_max,
        )
        self._stack.callback(self._journal.close)
        if self._journal.rot is not None:
            self._gate.shut(self._journal.rot)
        self._index = opening.open_index(settings, identity.node_uuid, self._journal, self._gate)
        self._stack.callback(self._index.close)
        self._records = Records(self._journal, self._index, self._condemn)
        self._publisher = Publisher(settings)
        self._block_lists = BlockLists(settings.root, settings.blocks)
        self._foreground = ForegroundMeter()
        self._changes: list[Reason] = []
        self._reader = ObjectReader(settings.root, self._index, self._foreground)
        self._admission = Admission(
            settings,
            self._gate,
            guard,
            self._records,
            self._failed,
        )
        self._book = SweepBook(
            settings,
            guard,
            self._records,
            self._publisher,
            self._admission,
        )
        self.chronicle = ChronicleBook(settings, guard, self._gate, self._records, self._publisher)
        readers = Readers(settings.read_back_processes)
        self._stack.callback(readers.close)
        self._parts = GroupParts(
            speaker,
            guard,
            self._publisher,
            self._records,
            readers,
            self._block_lists,
            self._gate,
            self._condemn,
        )
        self._committer = Committer(settings, self._commit_group, self._condemn)

    @classmethod
    def create(cls, settings: VolumeSettings, key: SigningKey) -> Self:
        """Make a new volume on an empty disk and open it. Raises VolumeNotEmpty."""
        creation.lay_out(settings, key)
        return cls.open(settings, key)

    @classmethod
    def open(cls, settings: VolumeSettings, key: SigningKey) -> Self:
        """Recognise, test and recover the volume.

        Raises VolumeRefusal if it is not this node's, is open elsewhere, or cannot be proven.
        A journal that is rotten makes it read-only instead.
        """
        with ExitStack() as undo:
            identity, guard = opening.recognise(settings, key.verify_key)
            lock = opening.take_lock(settings)
            undo.callback(os.close, lock)
            mode = opening.prove(settings)
            burned_in = named_burn_in(settings.root, key.verify_key)
            speaker = Speaker(
                settings.node, identity.node_uuid, settings.domain, mode, key, burned_in
            )
            volume = cls(settings, identity, guard, speaker)
            undo.callback(volume.close)
            try:
                volume._start()
            except sqlite3.DatabaseError as rotten:
                volume._renew_index(rotten)
                volume._start()
            undo.pop_all()
        volume._stack.push(lambda *_: os.close(lock))
        return volume

    @property
    def root(self) -> Path:
        """The OCFL storage root."""
        return self.settings.root

    @property
    def blocks(self) -> Path:
        """Where the block lists of the objects' files lie."""
        return self.settings.blocks

    @property
    def verify_mode(self) -> VerifyMode:
        """How this file system proves that a read reached the medium."""
        return self._speaker.verify_mode

    @property
    def epoch(self) -> int:
        """The highest epoch of a keeper that has been here."""
        return self._index.epoch(KEEPER_SCOPE)

    @property
    def burn_in(self) -> str:
        """What every answer names: the SHA-256 of the disk's burn-in, `failed` or `none`."""
        return self._speaker.burn_in

    def note_burn_in(self, outcome: str, sha256: str) -> None:
        """Put on record that the disk was burned in; answers name it from the next opening on."""
        self._records.note(Event("burn-in", {"outcome": outcome, "sha256": sha256}))

    def begin(self, order: StoreOrder) -> Incoming | SignedAnswer:
        """The operation to write to, or the answer it was given already.

        Raises VolumeFull, VolumeReadOnly, VolumeBusy, OpConflict, VersionTaken, StaleEpoch, …
        """
        return self._admission.begin(order)

    def hear_keeper(self, epoch: int) -> None:
        """A keeper leads under `epoch`. Raises StaleEpoch if a later one has begun."""
        self._admission.hear_keeper(epoch)

    async def commit(self, incoming: Incoming) -> SignedAnswer:
        """Join a group; return once the copy counts. Raises VolumeRefusal if it never will.

        Whoever stops waiting changes nothing: asking again by `begin` gets the answer.
        """
        incoming.refuse_unless_sealed()
        return await asyncio.wrap_future(self._committer.submit(incoming))

    def abandon_idle(self, idle_s: float) -> int:
        """Give up operations that nothing was written to for so long; how many there were."""
        return self._admission.abandon_idle(idle_s)

    def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        """Raw bytes of a file, `path` relative to the object's folder; none behind its end.

        Raises ObjectUnknown, FileUnknown or FileUnreadable.
        """
        return self._reader.read(object_id, path, offset, length)

    def file_size(self, object_id: str, path: str) -> int:
        """In bytes. Raises as `read`."""
        return self._reader.file_size(object_id, path)

    def block_leaves(self, object_id: str, path: str, first: int, count: int) -> bytes:
        """Leaf digests of a file, 32 bytes each; empty for files of at most 1 MiB.

        Of a file that is gone too, if its list was kept: its other copies are judged by it.
        """
        try:
            size_bytes = self._reader.file_size(object_id, path)
        except (FileUnknown, FileUnreadable):
            kept = self._block_lists.kept(object_id, path, first, count)
            if kept is None:
                raise
            return kept
        return self._block_lists.read(StoredFile(object_id, path, size_bytes), first, count)

    def stat(self, object_id: str) -> StoredObject | None:
        """One object, or None."""
        return self._index.stored_object(object_id)

    def objects(self, after: str, limit: int) -> list[StoredObject]:
        """Objects by id, from behind `after` on."""
        return self._index.objects(after, limit)

    def tree_branch(self, level: int, index: int) -> list[Subtree]:
        """16 digests over what is kept here (docs/wire/tree.md), below one inner node."""
        return self._index.tree_branch(level, index)

    def leaves(self, partition: int, after: str, limit: int) -> list[Leaf]:
        """Objects of one partition of the hash tree by id, from behind `after` on."""
        return self._index.leaves(partition, after, limit)

    def findings(self, after: int, limit: int) -> list[Finding]:
        """Findings by number, from behind `after` on; mended ones say when."""
        return self._index.sweep.findings(after, limit)

    def open_finding_count(self) -> int:
        """How much is wrong on this disk and not mended yet."""
        return self._index.sweep.open_count()

    def open_findings(self, object_id: str) -> list[Finding]:
        """What is wrong with one object and not mended yet."""
        return self._index.sweep.open_findings(object_id)

    def state(self) -> VolumeState:
        """How it is at this moment."""
        return state_of(self.settings, self._gate, self._index)

    def self_test(self) -> None:
        """Test the disk; if it is clean, a volume that took no writes takes them again.

        Everything a failed group may have left is recovered first. Raises VolumeRefusal.
        """
        with self._group_lock:
            self._guard.check()
            mode = opening.prove(self.settings)
            if mode is not self.verify_mode:
                raise MediumUnproven(f"the disk is now {mode.value}: restart the node")
            if self._gate.reason is not None:
                self._bring_back()
            self._records.note(Event("self-test", {"verify_mode": mode.value, "outcome": "passed"}))

    def _bring_back(self) -> None:
        """Take writes again: records are what the medium holds of them, staging is cleared up."""
        try:
            self._journal.reopen()
            opening.is_journal_lost(
                self.settings, self.identity.node_uuid, self._journal, self._index, self._gate
            )
            if self._journal.rot is not None:
                raise JournalRotten(self._journal.rot)
            if self._index.failed:
                self._index.renew(self._journal.records())
            opening.catch_up_or_rebuild(self._index, self._journal)
            self._recover()
        except (OSError, sqlite3.Error, StillCachedError) as error:
            raise MediumFaulty(f"what the disk holds cannot be recovered: {error}") from error
        self._admission.recovered()
        self._gate.open()

    def watch_disk(self) -> None:
        """Look at the disk without a writer's help: call it every few seconds.

        Shuts the volume when the disk went away or takes no writes any more; tests it and opens
        it again when all that was wrong was a full disk, and there is room.
        """
        reason = disk_watch.what_is_wrong(self._guard, self.settings)
        if reason is not None:
            self._condemn(reason)
        elif self._gate.waits_for_room and disk_watch.has_room(self.settings):
            self.self_test()

    def rebuild_index(self) -> None:
        """Make the index anew from the whole journal, checking every link of its chain.

        Raises JournalRotten. Times of checking fall back to those of the commits.
        """
        with self._group_lock:
            opening.rebuild(self._index, self._journal)

    def close(self) -> None:
        """Commit what was submitted, give up what is open, and let go of the disk."""
        self._committer.close()
        self._admission.condemn_all(OperationClosed("the node is stopping"))
        self._stack.close()

    def _start(self) -> None:
        """Recover and say so in the journal, where it takes records at all."""
        if self._gate.reason is not None:
            return
        self._recover()
        plant_canaries(self.settings.canaries)
        facts = present_facts(self.settings.root)
        self._changes = changes_since(self._index.last_opening(), facts)
        self._records.note(
            Event(
                "opened",
                {
                    "node_uuid": self.identity.node_uuid,
                    "verify_mode": self.verify_mode.value,
                    "torn_bytes": self._journal.torn_bytes,
                    **asdict(facts),
                },
            )
        )
        crash_point("volume.opened")
        self._stack.callback(self._say_closed)

    def _renew_index(self, rotten: sqlite3.DatabaseError) -> None:
        """A page that the opening met first cannot be read: all are made from the journal."""
        log.warning("volume.index.replaced", reason=str(rotten))
        self._index.renew(self._journal.records())

    def _say_closed(self) -> None:
        """Best effort: without this record the next opening takes the stop for an unclean one."""
        with suppress(VolumeRefusal):
            self._records.note(Event("closed"))

    def _recover(self) -> None:
        Recovery(
            self.settings,
            self._speaker,
            self._records,
            self._publisher,
            self._block_lists,
        ).run()

    def _commit_group(self, members: Sequence[Incoming]) -> dict[str, Outcome]:
        with self._group_lock, self._foreground.committing():
            return commit_group(self._parts, members)

    def _failed(self, incoming: Incoming, reason: VolumeRefusal) -> None:
        """What an operation met that concerns more than itself."""
        if isinstance(reason, WriteLost):
            self._condemn(reason)
        elif isinstance(reason, PreviousDamaged):
            at = timestamp(datetime.now(UTC))
            self._book.record_finding(incoming.order.object_id, reason.damage, at)

    def _condemn(self, reason: VolumeRefusal) -> None:
        """A write was lost somewhere on this disk: nothing that was open is believed."""
        self._gate.shut(str(reason), for_room=isinstance(reason, VolumeFull))
        self._admission.condemn_all(reason)
