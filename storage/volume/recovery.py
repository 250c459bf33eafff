"""What a crash has left in `staging/`: finished, withdrawn, or put where nothing is lost.

docs/formats/volume.md, "Crash table". Runs before the volume takes operations, may itself be
killed at any point, and run again. Reads everything it believes back from the medium.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitoring.log import get_log
from storage.crash_point import crash_point
from storage.durable import SyncDescriptor
from storage.volume import events
from storage.volume.added_version import AddedVersion
from storage.volume.block_lists import BlockLists
from storage.volume.events import Event, Speaker
from storage.volume.order import StoreOrder, decode_order
from storage.volume.publish import Publisher
from storage.volume.read_back import CopyToRead, Flaw, copy_to_read, read_back
from storage.volume.receiving import PreviousVersion, StagedOperation
from storage.volume.records import Records
from storage.volume.settings import VolumeSettings

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One pass over `staging/`; the volume is not open yet."""

    settings: VolumeSettings
    speaker: Speaker
    records: Records
    publisher: Publisher
    block_lists: BlockLists

    def run(self) -> None:
        """Bring root, journal, index and staging together. Raises OSError or WriteLost."""
        for folder in _left_over(self.settings.staging):
            staged = StagedOperation(folder)
            order = _order_of(staged)
            if order is not None:
                crash_point("recovery.found")
                self._recover(staged, order)
            self._discard(staged)
            crash_point("recovery.discarded")

    def _recover(self, staged: StagedOperation, order: StoreOrder) -> None:
        set_aside = None
        if order.replaces_damaged and staged.object.is_dir():
            # One of two copies, and it is not known here which: the bad one must not be lost.
            with self._sync() as sync:
                set_aside = self.publisher.set_aside(staged.object)
                sync.ask()  # else its staging could be gone, and it not yet in quarantine
        if self.records.index.operation(order.op_id) is None:
            if order.adds_version:
                self._recover_version(staged, order)
            elif self._may_be_published(staged, order):
                self._adopt_object(staged, order, set_aside)
        self.publisher.remove_empty_tuples(order.object_id)

    def _may_be_published(self, staged: StagedOperation, order: StoreOrder) -> bool:
        if staged.object.exists() or not staged.file_list(order, order.version).exists():
            return False
        if not self.publisher.folder_of(order.object_id).is_dir():
            return False
        return order.replaces_damaged or self.records.index.stored_object(order.object_id) is None

    def _adopt_object(
        self, staged: StagedOperation, order: StoreOrder, set_aside: str | None
    ) -> None:
        """The object has its name but no record: is every byte of it on the medium?"""
        folder = self.publisher.folder_of(order.object_id)
        flaw = self._adopt(staged, order, set_aside)
        if flaw is None:
            return
        if order.replaces_damaged:
            # As before the repair: the sweep finds the damage again, the keeper repairs again.
            log.warning("volume.recovery.not_mended", object_id=order.object_id, flaw=flaw.what)
            return
        self._quarantine(order, folder, flaw)

    def _recover_version(self, staged: StagedOperation, order: StoreOrder) -> None:
        """The version is finished if it has its name and is whole, and withdrawn otherwise."""
        kept = self.records.index.stored_object(order.object_id)
        if kept is None or kept.head != order.version - 1:
            return
        object_folder = self.publisher.folder_of(order.object_id)
        previous = PreviousVersion(object_folder, kept.head, kept.inventory_sha256)
        added = AddedVersion(staged, order, previous)
        if not added.is_published:
            added.withdraw()
            crash_point("recovery.version-withdrawn")
            return
        added.finish()
        crash_point("recovery.version-finished")
        flaw = self._adopt(staged, order, None)
        if flaw is not None:
            added.withdraw()
            self._quarantine(order, added.folder, flaw)

    def _adopt(
        self, staged: StagedOperation, order: StoreOrder, set_aside: str | None
    ) -> Flaw | None:
        """Sync, read back, record. What is wrong if it is not recorded."""
        with self._sync() as sync:
            sync.ask()
        crash_point("recovery.synced")
        folder = self.publisher.folder_of(order.object_id)
        flaw = self._read_back(copy_to_read(folder, staged, order))
        if flaw is None:
            self._write_down(order, set_aside)
            crash_point("recovery.recorded")
            self.block_lists.take_over(staged.blocks, order.object_id)
        return flaw

    def _quarantine(self, order: StoreOrder, folder: Path, flaw: Flaw) -> None:
        log.warning("volume.recovery.quarantined", object_id=order.object_id, flaw=flaw.what)
        with self._sync() as sync:
            target = self.publisher.set_aside(folder)
            sync.ask()
        crash_point("recovery.quarantined")
        event = Event(
            "quarantine",
            {
                "object_id": order.object_id,
                "source": str(folder.relative_to(self.settings.root)),
                "target": target,
                "reason": f"published by an operation that a crash ended: {flaw.what}",
            },
        )
        self.records.note(event)

    def _sync(self) -> SyncDescriptor:
        return SyncDescriptor(self.settings.staging)

    def _read_back(self, copy: CopyToRead) -> Flaw | None:
        return read_back(copy, self.speaker.verify_mode)

    def _discard(self, staged: StagedOperation) -> None:
        staged.discard()

    def _write_down(self, order: StoreOrder, set_aside: str | None) -> None:
        def compose(sequence: int, at: str) -> list[Event]:
            answer = events.sign_answer(self.speaker, order, sequence, at)
            event = events.committed(order, answer, self.speaker.verify_mode, recovered=True)
            return [events.mended(event, set_aside) if order.replaces_damaged else event]

        self.records.write(compose)
        log.info("volume.recovery.adopted", object_id=order.object_id, op_id=order.op_id)


def _left_over(staging: Path) -> Iterator[Path]:
    for path in sorted(staging.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield path
        else:
            path.unlink()  # a self-test that was killed


def _order_of(staged: StagedOperation) -> StoreOrder | None:
    try:
        return decode_order(staged.order.read_bytes())
    except FileNotFoundError:
        return None
