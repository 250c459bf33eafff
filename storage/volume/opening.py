"""Opening a volume: is it ours, can it be read back, is its record whole, what did a crash leave.

docs/formats/volume.md ("Verify modes", "Crash table"), docs/formats/journal.md ("Reading, tails
and rot"). In this order, because each step relies on the one before.
"""

import fcntl
import os
import sqlite3

from monitoring.log import get_log
from storage.crash_point import crash_point
from storage.model import VerifyMode
from storage.signing import VerifyKey
from storage.volume.gate import Gate
from storage.volume.identity import MountGuard, NodeIdentity, read_identity
from storage.volume.index import Index, set_database_aside
from storage.volume.journal import Journal
from storage.volume.journal_loss import find_loss
from storage.volume.journal_records import Record
from storage.volume.refusals import (
    DiskChanged,
    IndexUnwritable,
    JournalRotten,
    MediumUnproven,
    VolumeInUse,
)
from storage.volume.selftest import prove_medium
from storage.volume.settings import VolumeSettings

log = get_log(__name__)

_BATCH_RECORDS = 1000


def take_lock(settings: VolumeSettings) -> int:
    """A descriptor that keeps other processes out. Raises VolumeInUse."""
    descriptor = os.open(settings.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise VolumeInUse(f"another process has {settings.beside} open") from error
    return descriptor


def recognise(settings: VolumeSettings, key: VerifyKey) -> tuple[NodeIdentity, MountGuard]:
    """Whose disk this is. Raises IdentityWrong, or DiskChanged if it is spread over two."""
    identity = read_identity(settings.root, settings.node, key)
    device = settings.root.stat().st_dev
    for folder in (settings.staging, settings.quarantine, settings.journal, settings.blocks):
        if folder.stat().st_dev != device:
            raise DiskChanged(f"{folder} is not on the file system of {settings.root}")
    return identity, MountGuard.remember(settings.root)


def prove(settings: VolumeSettings) -> VerifyMode:
    """How this disk is read back. Raises MediumFaulty, or MediumUnproven unless allowed."""
    mode = prove_medium(settings.staging, settings.self_test_bytes)
    if mode is VerifyMode.UNPROVEN and not settings.allow_unproven:
        raise MediumUnproven(
            f"{settings.root}: this file system reads from memory whatever is asked of it "
            "(tmpfs, overlay?), so no copy on it can be proven. Use a disk, or allow_unproven"
        )
    return mode


def open_index(settings: VolumeSettings, node_uuid: str, journal: Journal, gate: Gate) -> Index:
    """The index, caught up with the journal; made anew if it is damaged or knows too much.

    Where the journal is lost it is left as it is, and the gate is shut.
    """
    index: Index | None = None
    try:
        index = Index(settings.index)
        index.reached()
        if is_journal_lost(settings, node_uuid, journal, index, gate):
            return index
        _bring_up(index, journal, gate)
    except (sqlite3.DatabaseError, IndexUnwritable) as error:
        log.warning("volume.index.replaced", reason=str(error))
        if index is not None:
            index.close()
        set_database_aside(settings.index)
        crash_point("index.put-aside")
        try:
            index = Index(settings.index)
            if not is_journal_lost(settings, node_uuid, journal, index, gate):
                _bring_up(index, journal, gate)
        except sqlite3.Error as again:
            raise IndexUnwritable(f"no index can be made on {settings.beside}: {again}") from again
    return index


def is_journal_lost(
    settings: VolumeSettings, node_uuid: str, journal: Journal, index: Index, gate: Gate
) -> bool:
    """Whether the journal is not the whole record; then neither it nor the disk is written."""
    reason = find_loss(settings, node_uuid, journal, index)
    if reason is None:
        return False
    log.error("volume.journal.lost", reason=reason)
    journal.refuse(reason)
    gate.shut(reason)
    return True


def catch_up_or_rebuild(index: Index, journal: Journal) -> None:
    """Bring the index to the journal's end. Raises JournalRotten."""
    if _agrees(index, journal):
        catch_up(index, journal)
    else:
        log.warning("volume.index.rebuilt", reason="it does not end where the journal has a record")
        rebuild(index, journal)


def _bring_up(index: Index, journal: Journal, gate: Gate) -> None:
    try:
        catch_up_or_rebuild(index, journal)
    except JournalRotten as error:
        gate.shut(str(error))


def catch_up(index: Index, journal: Journal) -> None:
    """Take in what the journal has and the index has not. Raises JournalRotten."""
    place = index.reached().place
    batch: list[Record] = []
    for record in journal.records(place.segment, place.offset):
        batch.append(record)
        if len(batch) == _BATCH_RECORDS:
            index.apply(batch)
            batch.clear()
    index.apply(batch)


def rebuild(index: Index, journal: Journal) -> None:
    """Make every row anew from the whole journal. Raises JournalRotten."""
    index.clear()
    crash_point("index.cleared")
    catch_up(index, journal)


def _agrees(index: Index, journal: Journal) -> bool:
    """Whether the index ends at a record that the journal has, in the same place."""
    reached = index.reached()
    if reached.sequence == 0 or journal.rot is not None:
        return True
    if reached.sequence > journal.sequence:
        return False
    try:
        record = journal.record(reached.place.segment, reached.place.offset)
    except (JournalRotten, OSError):
        return False
    return record.sequence == reached.sequence
