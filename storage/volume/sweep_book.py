"""What the sweep is told by a volume, and what it writes into its records.

storage.sweep.model, `SweptVolume`. Findings and strays go to the journal first and to the index
after it; times of checking to the index alone.
"""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from monitoring.log import get_log
from storage.burn_in import result as burn_in
from storage.crash_point import crash_point
from storage.durable import SyncDescriptor
from storage.ocfl.inventory import ROOT_DECLARATION_NAME
from storage.sweep.model import Damage, DamageKind, ObjectCheck, SweepCycle
from storage.volume.admission import Admission
from storage.volume.events import Event
from storage.volume.identity import IDENTITY_NAME, SIGNATURE_NAME, MountGuard
from storage.volume.publish import Publisher, safe_below
from storage.volume.records import Records
from storage.volume.records_check import RecordsCheck
from storage.volume.refusals import VolumeRefusal, refusal_of
from storage.volume.settings import VolumeSettings

# What a volume puts into its own root (docs/formats/volume.md, "Tree").
OWN_NAMES = frozenset(
    {
        ROOT_DECLARATION_NAME,
        "ocfl_layout.json",
        "extensions",
        "README.txt",
        "verify.py",
        IDENTITY_NAME,
        SIGNATURE_NAME,
        burn_in.RESULT_NAME,
        burn_in.SIGNATURE_NAME,
    }
)

log = get_log(__name__)

_DETAIL_LENGTH_MAX = 2000


class StrayOwned(VolumeRefusal):
    """What was to be moved aside belongs to an object, or to the volume itself."""

    code = "stray-owned"


class SweepBook:
    """Thread-safe."""

    def __init__(
        self,
        settings: VolumeSettings,
        guard: MountGuard,
        records: Records,
        publisher: Publisher,
        admission: Admission,
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._records = records
        self._journal = records.journal
        self._index = records.index
        self._publisher = publisher
        self._admission = admission
        self._lock = threading.Lock()

    def record_swept(self, checks: Sequence[ObjectCheck], at: str) -> None:
        """Remember that these were looked at; intact ones are checked now."""
        looked_at = [(check.object_id, check.inventory_sha256, check.intact) for check in checks]
        self._index.sweep.mark_swept(looked_at, at)

    def record_finding(self, object_id: str, damage: Damage, at: str) -> bool:
        """Keep the finding. False if the same one is open already."""
        with self._lock:
            if self._index.sweep.has_open_finding(object_id, damage.kind, damage.path):
                return False
            self._write(
                Event(
                    "finding",
                    {
                        "object_id": object_id,
                        "finding": damage.kind.value,
                        "path": _printable(damage.path),
                        "detail": _printable(damage.detail)[:_DETAIL_LENGTH_MAX],
                        "evidence": "" if damage.evidence is None else damage.evidence.text(),
                        "found_at": at,
                    },
                )
            )
            return True

    def owns_folder(self, folder: PurePosixPath) -> bool:
        """Whether something that belongs here lies in `folder`, relative to the root."""
        if len(folder.parts) == 1:
            return folder.name in OWN_NAMES
        return self._index.owns_folder(folder) or self._admission.is_publishing(folder)

    def is_committing(self, object_id: str) -> bool:
        """Whether a copy or a version of this object is being published at this moment."""
        return self._admission.is_committing(object_id)

    def quarantine_stray(self, path: PurePosixPath) -> None:
        """Move what nobody owns to quarantine, durably and journalled.

        Raises StrayOwned if it, what it lies in or what lies in it is owned.
        """
        with self._lock:
            self._guard.check()
            stray = safe_below(self._settings.root, path)
            if stray is None or self._is_entangled(path):
                raise StrayOwned(f"{path} is not a stray: it is left where it is")
            target = self._set_aside(stray)
            crash_point("sweep.stray-aside")
            self._write(
                Event(
                    "quarantine",
                    {
                        "object_id": None,
                        "source": _printable(str(path)),
                        "target": _printable(target),
                        "reason": "a stray: no object of the index owns it",
                    },
                )
            )

    def _set_aside(self, stray: Path) -> str:
        try:
            with SyncDescriptor(self._settings.staging) as sync:
                target = self._publisher.set_aside(stray)
                sync.ask()
        except OSError as error:
            reason = refusal_of(error, "a stray could not be moved aside")
            self._records.condemn(reason)
            raise reason from error
        return target

    def records_check(self) -> RecordsCheck:
        """A check of journal and index as they are now, to be run by another process."""
        with self._lock:
            try:
                indexed = self._index.reached().sequence
            except sqlite3.DatabaseError:
                indexed = self._journal.sequence  # the check will find out what is wrong
            segment, end_offset, chain = self._journal.mark()
            return RecordsCheck(
                self._settings.journal, segment, end_offset, chain, self._settings.index, indexed
            )

    def settle_records(self, damages: Sequence[Damage], at: str) -> None:
        """Put on record what such a check found. A damaged index is made anew from the journal.

        A damaged journal is left as it is: it is the authority, and a person must look.
        """
        kinds = {damage.kind for damage in damages}
        if DamageKind.INDEX_DAMAGED in kinds and DamageKind.JOURNAL_DAMAGED not in kinds:
            self._index.renew(self._journal.records())
            log.error("volume.index.renewed", reason=damages[0].detail)
        for damage in damages:
            self.record_finding("", damage, at)
        if DamageKind.JOURNAL_DAMAGED not in kinds:
            for kind in (DamageKind.JOURNAL_DAMAGED, DamageKind.INDEX_DAMAGED):
                self.close_findings(kind, "the journal is whole, and the index agrees with it")

    def close_findings(self, kind: DamageKind, outcome: str) -> None:
        """Note that what was wrong with the volume itself is so no more."""
        if self._index.sweep.has_open_kind(kind):
            self._write(Event("finding-closed", {"finding": kind.value, "outcome": outcome}))

    def sweep_cycle(self) -> SweepCycle | None:
        """The last cycle that was begun, if any."""
        return self._index.sweep.last_cycle()

    def keep_sweep_cycle(self, cycle: SweepCycle) -> None:
        """Remember the pass over a restart."""
        self._write(Event("sweep-cycle", asdict(cycle)))
        crash_point("sweep.pass-recorded")

    def _is_entangled(self, path: PurePosixPath) -> bool:
        if any(self.owns_folder(folder) for folder in (path, *path.parents) if folder.parts):
            return True
        folder = self._settings.root / path
        depth = 3 - len(path.parts)  # objects lie three levels below the root
        if depth <= 0 or folder.is_symlink() or not folder.is_dir():
            return False
        pattern = "/".join(["*"] * depth)
        relatives = (
            PurePosixPath(found.relative_to(self._settings.root)) for found in folder.glob(pattern)
        )
        return any(self.owns_folder(relative) for relative in relatives)

    def _write(self, event: Event) -> None:
        self._records.note(event)


def _printable(text: str) -> str:
    """Names that are not UTF-8 become escapes: the journal is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
