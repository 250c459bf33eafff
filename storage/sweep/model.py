"""The words of the sweep as values, and what it needs of a volume.

DESIGN.md, promise 4. The kinds of damage are a closed set, because repair, alarms and answers on
the wire each decide by them. Values only: nothing here reads a disk or a clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Protocol

from storage.model import StoredObject, VerifyMode
from storage.sweep.evidence import Evidence


class DamageKind(StrEnum):
    """What may be wrong with a copy."""

    ALTERED = "altered"  # the bytes are not those that were signed
    TRUNCATED = "truncated"  # the same, and fewer than were signed
    MISSING = "missing"  # a file that the inventory names is not there
    UNREADABLE = "unreadable"  # the disk refuses to give it
    STRAY = "stray"  # something lies in the object that OCFL does not name
    INVENTORY_DAMAGED = "inventory-damaged"
    SIDECAR_DAMAGED = "sidecar-damaged"
    OBJECT_MISSING = "object-missing"
    STRAY_OBJECT = "stray-object"  # something lies in the root that belongs to no object
    # What follows belongs to the volume and to no object: its own records, or too many strays.
    STRAY_STORM = "stray-storm"  # so many strays that nothing was moved: a person must look
    JOURNAL_DAMAGED = "journal-damaged"
    INDEX_DAMAGED = "index-damaged"


VOLUME_DAMAGE = frozenset(
    {DamageKind.STRAY_STORM, DamageKind.JOURNAL_DAMAGED, DamageKind.INDEX_DAMAGED}
)


class Verdict(StrEnum):
    """What may be said of one copy of an object, or of one file in it: a closed set.

    The last two are no damage, and no good copy either: nothing is known of what lies there.
    """

    INTACT = "intact"
    ALTERED = "altered"
    TRUNCATED = "truncated"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    STRAY = "stray"
    INVENTORY_DAMAGED = "inventory-damaged"
    SIDECAR_DAMAGED = "sidecar-damaged"
    OBJECT_MISSING = "object-missing"
    UNREACHABLE = "unreachable"  # its node does not answer
    AWAY = "away"  # its node is away by plan: an offline shelf

    @property
    def is_damage(self) -> bool:
        """Whether a copy of which this is said has to be mended."""
        return self not in {Verdict.INTACT, Verdict.UNREACHABLE, Verdict.AWAY}


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong, where, and what was seen."""

    kind: DamageKind
    path: str  # relative to the object's folder; of a stray object, relative to the root
    detail: str  # for the operator: what was expected, what was there
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class ObjectToCheck:
    """One copy as it was signed."""

    object_id: str
    folder: Path  # of the object, absolute
    head: int  # the newest version: 1, 2, …
    inventory_sha256: str  # expected digest of the root inventory
    blocks: Path | None = None  # where the block lists of its files lie, to say which block is bad


# Device, inode, change of the object's folder: another one once the copy was replaced, or has got a
# version more.
CopyIdentity = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ObjectCheck:
    """What was seen when a copy was read whole. Intact exactly when `damages` is empty."""

    object_id: str
    inventory_sha256: str  # that it was judged against
    damages: tuple[Damage, ...]
    read_bytes: int
    file_count: int
    second_looks: int  # files that were wrong at first and right when read again
    finished: bool  # False when the sweep was told to stop before the end: says nothing
    began_at: str = ""  # when reading began, if that was in an earlier process; else empty
    copy: CopyIdentity | None = None  # that was read; None where there was no folder

    @property
    def intact(self) -> bool:
        """Whether every file was read to its end and is the one that was signed."""
        return self.finished and not self.damages

    @property
    def verdict(self) -> Verdict | None:
        """What is said of the whole copy: its first damage stands for it. None if unfinished."""
        if not self.finished:
            return None
        return Verdict(self.damages[0].kind) if self.damages else Verdict.INTACT


class PassKind(StrEnum):
    """How closely objects are looked at."""

    FULL = "full"  # every byte
    QUICK = "quick"  # presence, sizes, inventory and sidecar; content is not read


class PassScope(StrEnum):
    """Which objects a pass looks at; what `subject` means stands beside each."""

    CLASS = "class"  # the storage class's name
    NODE = "node"  # empty: everything on this disk
    SOURCE = "source"  # the source's name
    PACKAGE = "package"  # the object id
    SAMPLE = "sample"  # a share of all objects, "0.05"


class Reason(StrEnum):
    """Why a pass was begun."""

    DEADLINE = "deadline"
    ASKED = "asked"
    DEVICE_CHANGED = "device-changed"
    KERNEL_CHANGED = "kernel-changed"
    SOFTWARE_CHANGED = "software-changed"
    UNCLEAN_STOP = "unclean-stop"
    IO_ERROR = "io-error"


DEFAULT_CLASS = "default"


@dataclass(frozen=True, slots=True)
class PassOrder:
    """A pass as someone wants it, before it has a number."""

    kind: PassKind = PassKind.FULL
    scope: PassScope = PassScope.NODE
    subject: str = ""
    reason: Reason = Reason.ASKED


@dataclass(frozen=True, slots=True)
class SweepCycle:
    """One pass over the objects of its scope. Kept by the volume, so that a restart resumes it."""

    number: int  # 1, 2, …
    started_at: str  # RFC 3339, UTC
    finished_at: str | None  # None while it runs
    # What was done in it so far; a killed process takes with it what it did since it started.
    checked_objects: int = 0
    read_bytes: int = 0
    damaged_objects: int = 0
    kind: PassKind = PassKind.FULL
    scope: PassScope = PassScope.CLASS
    subject: str = DEFAULT_CLASS
    reason: Reason = Reason.DEADLINE


@dataclass(frozen=True, slots=True)
class Work:
    """An amount of sweeping."""

    objects: int = 0
    files: int = 0
    content_bytes: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.objects + other.objects,
            self.files + other.files,
            self.content_bytes + other.content_bytes,
        )

    def less(self, other: "Work") -> "Work":
        """What remains, and never less than nothing."""
        return Work(
            max(0, self.objects - other.objects),
            max(0, self.files - other.files),
            max(0, self.content_bytes - other.content_bytes),
        )


@dataclass(frozen=True, slots=True)
class SourceHolding:
    """What one source has on this disk."""

    source: str
    work: Work


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects to list: those of `sources` (None: of all), or one."""

    sources: tuple[str, ...] | None = None
    object_id: str | None = None
    # Only those behind this place in the order of (checked_at, object id); known-bad ones anyway.
    after: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass is, over all restarts."""

    done: Work = Work()
    cursor: str = ""  # of a quick pass: everything up to this object id was looked at


@dataclass(frozen=True, slots=True)
class ForegroundLoad:
    """How long others wait for this disk now; 0 when nobody does."""

    read_latency_s: float = 0.0
    commit_latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClassForecast:
    """When a class will have been read again, and how much room the deadline leaves."""

    name: str
    deadline_days: float
    left_bytes: int  # of the pass that runs, or of the next one
    rate_bytes_per_second: int
    finish_at: str
    slack_s: int  # negative: some object will be older than the deadline before it is read


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """What an operator, a metric and the keeper are told; counts are of the pass named last."""

    running: bool
    paused: bool
    cycle: int  # number of the pass that runs or ran last
    checked_objects: int
    checked_bytes: int  # what is being read at this moment included
    damaged_objects: int
    total_objects: int
    oldest_checked_at: str | None  # None when nothing is stored
    last_finished_at: str | None  # of full passes
    broken: str = ""  # why the check is not believed, if its canaries went unseen; empty: it is
    paused_until: str | None = None
    kind: str = PassKind.FULL
    scope: str = PassScope.CLASS
    subject: str = DEFAULT_CLASS
    reason: str = Reason.DEADLINE
    cache: str = ""  # how reads get past the page cache: evicted, direct or unproven
    forecasts: tuple[ClassForecast, ...] = ()


class RecordsChecker(Protocol):
    """A check of a volume's own records; can be sent to a process."""

    def __call__(self, pace: Callable[[int], None]) -> list[Damage]: ...


class SweptVolume(Protocol):
    """What the sweep needs of a volume. Called from several threads, never from the event loop."""

    @property
    def root(self) -> Path:
        """The OCFL storage root."""

    @property
    def blocks(self) -> Path:
        """Where block lists lie, below the objects' folders (docs/formats/volume.md)."""

    @property
    def verify_mode(self) -> VerifyMode:
        """How this file system proves that a read reached the medium."""

    def takes_records(self) -> bool:
        """Whether what is found can be put on record; while not, nothing is swept."""

    def object_folder(self, object_id: str) -> PurePosixPath:
        """Where the object lies, relative to the root."""

    def stored_object(self, object_id: str) -> StoredObject | None:
        """The object as signed now: a version or a repair may have come since it was listed."""

    def objects_to_sweep(self, selection: Selection, before: str, limit: int) -> list[StoredObject]:
        """Objects of the selection that no full pass has looked at since `before` (RFC 3339).

        Those with an open finding first, then by `checked_at`, oldest first.
        """

    def record_swept(self, checks: Sequence[ObjectCheck], at: str) -> None:
        """Remember that these were looked at; for those intact, that is their new `checked_at`.

        A check whose `inventory_sha256` is no longer the object's changes nothing.
        """

    def record_finding(self, object_id: str, damage: Damage, at: str) -> bool:
        """Keep the finding, in index and journal. False if the same one is open already."""

    def is_committing(self, object_id: str) -> bool:
        """Whether a copy or a version of it is being published: then what lies there may change."""

    def owns_folder(self, folder: PurePosixPath) -> bool:
        """Whether an object of the index, or one being published now, lies in `folder`.

        True as well for what the volume itself put into the root (README.txt, extensions, …).
        """

    def records_check(self) -> RecordsChecker:
        """A check of the volume's own records, to be run by a process of the sweep."""

    def settle_records(self, damages: Sequence[Damage], at: str) -> None:
        """Put on record what that check found, and make good what can be made good."""

    def close_findings(self, kind: DamageKind, outcome: str) -> None:
        """What was found wrong with the volume itself is so no more."""

    def quarantine_stray(self, path: PurePosixPath) -> None:
        """Move what lies at `path` in the root to quarantine, journalled, unless it is owned.

        Folders that become empty are removed as well (OCFL E073).
        """

    def objects_by_id(self, after: str, limit: int) -> list[StoredObject]:
        """Objects whose id is greater than `after`, by id."""

    def holdings(self) -> list[SourceHolding]:
        """What each source has here."""

    def checked_span(self, sources: Sequence[str], before: str) -> tuple[str, str] | None:
        """Oldest and youngest `checked_at` of what no full pass has looked at since `before`."""

    def current_passes(self) -> list[SweepCycle]:
        """Passes that run, and the last of each kind and scope over a class or the node."""

    def keep_sweep_cycle(self, cycle: SweepCycle) -> None:
        """Remember the pass over a restart."""

    def sweep_progress(self, number: int) -> Progress:
        """How far a pass is."""

    def keep_sweep_progress(self, number: int, progress: Progress) -> None:
        """Remember how far a pass is; what is lost of this is read twice."""

    def forget_future(self, now: str) -> None:
        """Times of checking, and beginnings of passes, after `now` are moved to before it."""

    def changes(self) -> list[Reason]:
        """What was different when the volume was opened; each opening tells it once."""

    def io_errors(self) -> int:
        """How often the disk refused a read to others since the volume was opened."""

    def foreground(self) -> ForegroundLoad:
        """How long others wait for this disk now."""

    def object_count(self) -> int:
        """How many objects the index has."""

    def oldest_checked_at(self) -> str | None:
        """The smallest `checked_at` of the index."""

    def sweep_cycles(self, after: int, limit: int) -> list[SweepCycle]:
        """Cycles with a greater number than `after`, in their order."""

    def checked_counts(self, edges: Sequence[tuple[str, str]]) -> list[int]:
        """How many swept objects have `from <= checked_at < to`, for each pair."""

    def never_swept_count(self) -> int:
        """How many objects no sweep has found intact since they were committed."""


def rfc3339(moment: datetime) -> str:
    """UTC to the microsecond with a `Z`, so that the order of texts is the order of times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
