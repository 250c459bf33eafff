"""Decide when an entry of a drop folder has arrived whole. Pure: scans and the clock are arguments.

DESIGN.md §4 (settle). Silence alone proves nothing: a source declares how its packages become
complete, and a copy is compared and judged afterwards (staging.py, judge.py). What this module
promises is only never to be early: an entry that is still changing is never handed on.

    marker    a done-marker is there, and nothing changes on    -> Settled
    renamed   quiet: unchanged over two full scans and `quiet_s` -> Settled
    proven    quiet likewise                                    -> Quiet: try to prove it

What was tried and not proven waits until it changes, or until patience runs out and it is judged
for good.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class CompleteWhen(StrEnum):
    """How a source's packages become complete."""

    MARKER = "marker"
    RENAMED = "renamed"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class SettleRule:
    """What one source promised."""

    complete_when: CompleteWhen
    # ".done": `X` is whole when `X.done` lies beside it. A name that does not begin with a dot,
    # "_COMPLETE": when the folder `X` has a file of that name.
    marker: bytes = b".done"
    quiet_s: float = 30.0
    patience_s: float = 86_400.0

    def marker_beside(self, name: bytes) -> bytes | None:
        """The done-marker's name for the entry `name`; None when it lies inside, or is not used."""
        if self.complete_when is CompleteWhen.MARKER and self.marker.startswith(b"."):
            return name + self.marker
        return None


@dataclass(frozen=True, slots=True)
class Observation:
    """One entry as one scan saw it."""

    name: bytes
    is_folder: bool
    # Digest over names, kinds, sizes, times and inodes of all that is in it. None when the entry
    # changed or could not be read while it was looked at.
    fingerprint: str | None
    file_count: int = 0
    content_bytes: int = 0
    has_marker: bool = False
    has_unfinished_files: bool = False
    trouble: str = ""  # why it could not be read


@dataclass(frozen=True, slots=True)
class Scan:
    """One full look at a drop folder. `skipped` are there too, but were not looked into."""

    observations: Mapping[bytes, Observation]
    skipped: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The drop folder could not be looked at. It says nothing about what is in it."""

    reason: str


class WaitReason(StrEnum):
    """Why an entry is not taken yet. Shown to operators and counted."""

    NO_MARKER = "no-marker"  # the sender has not said that it is done
    UNFINISHED_FILES = "unfinished-files"  # something in it has a transfer tool's temporary name
    CHANGING = "changing"  # not unchanged for long enough
    UNREADABLE = "unreadable"  # we may not read it
    UNPROVEN = "unproven"  # its own digests did not match; perhaps more is coming


@dataclass(frozen=True, slots=True)
class Waiting:
    """Leave it alone, look again. `overdue`: nothing has changed for the source's patience."""

    observation: Observation
    reason: WaitReason
    overdue: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """Take it: the sender said, or promised, that it is whole."""

    observation: Observation


@dataclass(frozen=True, slots=True)
class Quiet:
    """Take it and see whether its own digests prove it whole; tell `Settler.unproven` if not.

    `patience_over`: the sender had its time; what fails now is to be rejected.
    """

    observation: Observation
    patience_over: bool


Outcome = Waiting | Settled | Quiet


@dataclass(frozen=True, slots=True)
class Look:
    """What one scan leads to. `gone` were there before and are not any more."""

    outcomes: tuple[Outcome, ...]
    gone: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What earlier scans saw of one entry."""

    fingerprint: str | None
    unchanged_since_s: float
    scans_unchanged: int
    unproven: bool = False  # it was tried as it is now, and did not prove whole
    marked: bool = False  # its marker was there
    changed_after_marker: bool = False  # so the marker came too early, and alone says nothing


# Two looks at the same thing are the least that can be called unchanged.
_SCANS_MIN = 2


def carry_on(history: History | None, observation: Observation, now_s: float) -> History:
    """What is known of an entry after one more look at it."""
    comparable = observation.fingerprint is not None or observation.trouble != ""
    if history is None or not comparable or history.fingerprint != observation.fingerprint:
        early = history is not None and history.marked and observation.has_marker
        return History(
            observation.fingerprint, now_s, 1,
            marked=observation.has_marker, changed_after_marker=early,
        )  # fmt: skip
    return replace(
        history,
        scans_unchanged=history.scans_unchanged + 1,
        marked=observation.has_marker,
        changed_after_marker=history.changed_after_marker and observation.has_marker,
    )


def judge_arrival(
    rule: SettleRule, history: History, observation: Observation, now_s: float
) -> Outcome:
    """Decide about one entry from what is known of it, the present look included."""
    unchanged_s = now_s - history.unchanged_since_s
    overdue = history.scans_unchanged >= _SCANS_MIN and unchanged_s >= rule.patience_s
    reason = _reason_to_wait(rule, history, observation, unchanged_s)
    if reason in (WaitReason.UNFINISHED_FILES, WaitReason.UNPROVEN) and overdue:
        reason = None
    if reason is not None:
        return Waiting(observation, reason, overdue)
    if rule.complete_when is CompleteWhen.PROVEN:
        return Quiet(observation, patience_over=overdue)
    return Settled(observation)


def _reason_to_wait(
    rule: SettleRule, history: History, observation: Observation, unchanged_s: float
) -> WaitReason | None:
    if observation.fingerprint is None:
        return WaitReason.UNREADABLE if observation.trouble else WaitReason.CHANGING
    by_marker = rule.complete_when is CompleteWhen.MARKER
    if by_marker and not observation.has_marker:
        return WaitReason.NO_MARKER
    is_quiet = history.scans_unchanged >= _SCANS_MIN and unchanged_s >= rule.quiet_s
    if not is_quiet and (history.changed_after_marker or not by_marker):
        return WaitReason.CHANGING
    if observation.has_unfinished_files:
        return WaitReason.UNFINISHED_FILES
    return WaitReason.UNPROVEN if history.unproven else None


class Settler:
    """Keeps the histories of one drop folder's entries: a few words each, in memory only.

    After a restart every entry is new: it may be taken later than it could have been, never
    earlier. An entry is handed on by every look until the caller claims it and has it skipped.
    """

    def __init__(self, rule: SettleRule) -> None:
        self._rule = rule
        self._histories: dict[bytes, History] = {}

    @property
    def claims_are_final(self) -> bool:
        """Whether the sender has said, or promised, that what was claimed is whole."""
        return self._rule.complete_when is not CompleteWhen.PROVEN

    def look(self, scan: Scan | Unavailable, now_s: float) -> Look:
        """Take one scan in. `now_s` is any clock that never goes back."""
        if isinstance(scan, Unavailable):
            # What happened meanwhile is unknown, so no quiet time may count across the gap.
            self._histories = {
                name: replace(history, fingerprint=None)
                for name, history in self._histories.items()
            }
            return Look(())
        gone = [
            name
            for name in self._histories
            if name not in scan.observations and name not in scan.skipped
        ]
        for name in gone:
            del self._histories[name]
        outcomes = tuple(self._take(one, now_s) for one in scan.observations.values())
        return Look(outcomes, tuple(gone))

    def unproven(self, name: bytes, fingerprint: str) -> None:
        """Note that the entry, as it was under `fingerprint`, did not prove whole."""
        history = self._histories.get(name)
        if history is not None and history.fingerprint == fingerprint:
            self._histories[name] = replace(history, unproven=True)

    def _take(self, observation: Observation, now_s: float) -> Outcome:
        history = carry_on(self._histories.get(observation.name), observation, now_s)
        self._histories[observation.name] = history
        return judge_arrival(self._rule, history, observation, now_s)
