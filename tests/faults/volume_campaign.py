"""The part of the fault campaign that has one volume die at each point of it, in its own process.

By SIGKILL, on a folder; or with the power of its disk, which is an ext4 or XFS image
(tests/loop_disk.py). What the kernel had written back by the moment of the cut is a matter of
chance, so there are cuts with nothing written back, with everything, and with some of the blocks.
After each death the volume opens by itself and every answer that had left must hold.
"""

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from time import monotonic

from storage.ocfl.layout import object_folder
from tests.faults.campaign_state import Kind, State
from tests.loop_disk import DiskUnusable, LoopDisk, copy_sparse, tear, unmount_below
from tests.volume_life import SECOND, Life, begin_life, judge_life, make_volume

_TRIES_MAX = 5


class WrittenBack(StrEnum):
    """How much of what was not synced had reached the disk when its power went."""

    NOTHING = "nothing"
    ALL = "all"
    SOME = "some"  # a random part of the blocks that were on their way


def _nothing(_beside: Path) -> None:
    """The disk is as the death left it."""


def _tear_journal(beside: Path) -> None:
    segment = max((beside / "journal").glob("*.log"))
    last = segment.read_bytes().splitlines(keepends=True)[-1]
    with segment.open("ab") as stream:
        stream.write(last[: len(last) // 2])


def _spoil_index(beside: Path) -> None:
    index = beside / "index.sqlite"
    for more in ("-wal", "-shm"):
        index.with_name(index.name + more).unlink(missing_ok=True)
    index.write_bytes(b"no database" * 1000)


def _advance_index(beside: Path) -> None:
    with closing(sqlite3.connect(beside / "index.sqlite")) as database, database:
        database.execute("UPDATE reached SET sequence=sequence+1000")


def _rot_second(beside: Path) -> None:
    """What has its name and no record: nobody was told that it is kept."""
    file = beside / "root" / object_folder(SECOND) / "v1/content/received/scan"
    with suppress(FileNotFoundError):
        file.chmod(0o640)
        with file.open("r+b") as stream:
            stream.write(b"\0" * 8)


@dataclass(frozen=True)
class VolumeCase:
    """Where it dies, is opened, dies again, …; what happens to the disk after the first."""

    orders: tuple[str, ...]
    meanwhile: Callable[[Path], None] = _nothing
    with_large: bool = False

    @property
    def points(self) -> list[str]:
        return [order.partition(":")[0] for order in self.orders]


_OPENING = ("recovery.found", "recovery.discarded", "volume.opened")
CASES = (
    *(
        VolumeCase((point, *_OPENING))
        for point in (
            "volume.staging-made", "volume.announced", "volume.bytes-written",
            "volume.version-received", "volume.sealed:2", "volume.group-synced",
            "volume.group-read-back", "volume.tuples-made", "volume.published:2",
            "journal.written:3", "journal.synced:3", "index.taking-in:3", "volume.recorded",
            "volume.cleared", "volume.exchanged", "volume.set-aside",
            "volume.exchanged:2", "volume.set-aside:2", "sweep.stray-aside",
        )
    ),
    VolumeCase(("volume.publication-synced", "recovery.found", "recovery.synced")),
    VolumeCase(("volume.publication-synced", "recovery.recorded", "recovery.discarded")),
    VolumeCase(("volume.publication-synced:2", "recovery.synced", "recovery.recorded")),
    VolumeCase(("volume.publication-synced:3", "recovery.version-finished", "recovery.recorded")),
    VolumeCase(("volume.version-published", "recovery.root-file-made", "volume.opened")),
    VolumeCase(("volume.root-file-replaced", "recovery.root-file-made", "recovery.synced")),
    VolumeCase(("volume.root-file-replaced:2", "recovery.version-finished")),
    VolumeCase(("volume.sealed:4", "recovery.version-withdrawn", *_OPENING)),
    VolumeCase(("journal.segment-made", "journal.segment-made", "journal.written")),
    VolumeCase(("volume.epoch-recorded", "volume.epoch-recorded")),
    VolumeCase(("sweep.judged", "sweep.found", "sweep.recorded", "sweep.pass-recorded")),
    VolumeCase(("volume.recorded", "journal.tail-kept", "volume.opened"), _tear_journal),
    VolumeCase(("volume.published:2", "index.put-aside", "volume.opened"), _spoil_index),
    VolumeCase(("volume.publication-synced", "index.cleared", "volume.opened"), _advance_index),
    VolumeCase(
        ("volume.publication-synced", "recovery.quarantined", "recovery.discarded"), _rot_second
    ),
    VolumeCase(("volume.part-synced",), with_large=True),
)  # fmt: skip
POINTS = frozenset(point for case in CASES for point in case.points)


class Place:
    """Where volumes live, one after the other, and how they die: here by SIGKILL, in a folder."""

    suffix = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chance = random.Random()

    @property
    def beside(self) -> Path:
        """Of the volume."""
        return self.folder / "volume"

    def make_new(self, life: Life) -> None:
        """The volume as it is before its story; made once."""
        pristine = self.folder / "pristine"
        if not pristine.exists():
            pristine.mkdir(parents=True)
            make_volume(life, pristine)
        shutil.copytree(pristine, self.beside)

    def strike(self) -> WrittenBack:
        """The volume is dying: do to its disk what that does. Raises DiskUnusable."""
        return WrittenBack.ALL

    def clear(self) -> None:
        """Make room for the next."""
        shutil.rmtree(self.beside)

    def close(self) -> None:
        """Nothing is left of any."""
        shutil.rmtree(self.folder, ignore_errors=True)


class DiskPlace(Place):
    """On a disk of its own, whose power goes."""

    suffix = ":stop"

    def __init__(self, folder: Path, kind: str, written_back: WrittenBack | None = None) -> None:
        """`written_back`: None is nothing or all of it, by chance."""
        super().__init__(folder)
        self._kind = kind
        self._written_back = written_back
        self._disk: LoopDisk | None = None

    @property
    def beside(self) -> Path:
        return self.folder / "disk" / "volume"

    def make_new(self, life: Life) -> None:
        pristine = self.folder / "pristine"
        if not pristine.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            disk = LoopDisk.make(pristine, self._kind, self.folder / "disk", size_mib=1024)
            make_volume(life, self.beside)
            disk.sync()
            disk.unmount()
        image = self.folder / "image"
        copy_sparse(pristine, image)
        self._disk = LoopDisk(image, self._kind, self.folder / "disk")
        self._disk.mount()

    def strike(self) -> WrittenBack:
        assert self._disk is not None, "made before"
        how = self._written_back or self.chance.choice([WrittenBack.NOTHING, WrittenBack.ALL])
        if how is WrittenBack.ALL:
            self._disk.sync()
        image = self._disk.taken()
        if how is WrittenBack.SOME:
            self._disk.sync()
            tear(image, self._disk.image, self._kind, self.chance)
        self._disk.come_back(image)
        return how

    def clear(self) -> None:
        if self._disk is not None:
            self._disk.remove()
            self._disk = None


@dataclass
class Outcome:
    """What became of one case."""

    reached: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unusable: str = ""  # the disk, or the volume on it, says so itself
    written_back: list[WrittenBack] = field(default_factory=list)


def run_case(case: VolumeCase, place: Place, life: Life) -> Outcome:
    """Live, die, open, die again, …; hold every answer against the disk, then come to the end."""
    outcome = Outcome()
    place.make_new(life)
    try:
        for order in case.orders:
            if not _die(life, place, order, outcome):
                break
            if len(outcome.reached) == 1:
                case.meanwhile(place.beside)
        outcome.wrong += judge_life(life, place.beside, outcome.answers, in_the_end=False)
        _die(life, place, "", outcome)
        outcome.wrong += judge_life(life, place.beside, outcome.answers, in_the_end=True)
    except DiskUnusable as error:
        outcome.unusable = str(error)
    finally:
        place.clear()
    return outcome


def _die(life: Life, place: Place, order: str, outcome: Outcome) -> bool:
    """Whether it died where it was to; otherwise the story came to its end."""
    child, answers = begin_life(life, place.beside, f"{order}{place.suffix}" if order else "")
    _, status = os.waitpid(child, os.WUNTRACED)
    died = os.WIFSTOPPED(status) or os.WIFSIGNALED(status)
    try:
        if os.WIFSTOPPED(status):
            outcome.written_back.append(place.strike())
    finally:
        if os.WIFSTOPPED(status):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        with os.fdopen(answers, "rb") as stream:
            said = dict(line.split() for line in stream.read().decode().splitlines())
    for op_id, answer in outcome.answers.items():
        if said.get(op_id, answer) != answer:
            outcome.wrong.append(f"false: another answer to {op_id}")
    outcome.answers |= said
    if died:
        outcome.reached.append(order.partition(":")[0])
    elif status != 0:
        outcome.wrong.append(f"failed: the story ended with {os.waitstatus_to_exitcode(status)}")
    return died


@dataclass(frozen=True)
class VolumePlan:
    """How often each point is to be hit, and where."""

    name: str
    hits_per_point: int
    deaths_min: int
    make_place: Callable[[Path], Place]

    def missing(self, kind: Kind) -> dict[str, int]:
        """Point → how many hits it still needs; those out of reach are left out."""
        wanted = {point: self.hits_per_point - kind.hits.get(point, 0) for point in POINTS}
        in_reach = self.hits_per_point * _TRIES_MAX + 5
        return {
            point: count
            for point, count in wanted.items()
            if count > 0 and kind.tried.get(point, 0) < in_reach
        }

    def is_done(self, kind: Kind) -> bool:
        return not self.missing(kind) and kind.deaths >= self.deaths_min


def run_volume(state: State, plan: VolumePlan, folder: Path, until: float) -> None:
    """Go on until the plan is carried out, or it is `until` by the monotonic clock."""
    kind = state.kind(plan.name)
    lives = {large: Life.make(with_large=large) for large in (False, True)}
    places = {large: plan.make_place(folder / f"v{large:d}") for large in lives}
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        while not plan.is_done(kind) and monotonic() < until:
            began = monotonic()
            chance = random.Random(f"{state.seed}-{plan.name}-{kind.cases}")
            case = choose(plan, kind, chance)
            place = places[case.with_large]
            place.chance = chance
            outcome = run_case(case, place, lives[case.with_large])
            _note(kind, case, outcome)
            kind.seconds += monotonic() - began
            state.save(plan.name)
            _say(plan, kind, case, outcome)
    finally:
        for place in places.values():
            place.close()


def _say(plan: VolumePlan, kind: Kind, case: VolumeCase, outcome: Outcome) -> None:
    print(
        f"{plan.name}: case {kind.cases}, {kind.deaths} deaths, "
        f"{sum(plan.missing(kind).values())} hits to go, {kind.seconds:.0f} s; "
        f"{len(outcome.reached)}/{len(case.orders)} {' '.join(case.orders)} "
        f"{outcome.unusable[:80]}{outcome.wrong or ''}",
        flush=True,
    )


def choose(plan: VolumePlan, kind: Kind, chance: random.Random) -> VolumeCase:
    """One with many points that still lack hits."""
    missing = plan.missing(kind)

    def worth(case: VolumeCase) -> float:
        wanted = sum(point in missing for point in case.points)
        return wanted + chance.random() - 3 * case.with_large * (wanted < len(missing))

    return max(CASES, key=worth) if missing else chance.choice(CASES[:-1])


def _note(kind: Kind, case: VolumeCase, outcome: Outcome) -> None:
    kind.cases += 1
    kind.order(case.points[: len(outcome.reached) + 1])
    kind.hit(outcome.reached)
    kind.receipts += len(outcome.answers)
    kind.copies += len(outcome.answers)
    for how in outcome.written_back:
        kind.note(f"cuts with {how} written back")
    if outcome.unusable:
        kind.note("disks that could not be mounted, and were known to be lost")
    _sort(kind, outcome.wrong, " ".join(case.orders))


def _sort(kind: Kind, wrong: list[str], words: str) -> None:
    places: Mapping[str, list[str]] = {
        "lost": kind.lost,
        "false": kind.false,
        "duplicate": kind.duplicates,
        "partial": kind.partial,
    }
    for each in wrong:
        place = places.get(each.partition(":")[0], kind.failures)
        place.append(f"{words}: {each}")
