"""What a sweeping process does: check the objects it is handed, at the pace it is given.

Processes, because the reading must not hold up the node's own loop, and small files in memory lose
to the interpreter's lock (measured: two threads took eight times as long). Everything here is at
top level, so that it can be sent to a process. Decides nothing and writes nothing.
"""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from threading import Thread

from storage.medium import MediumReader
from storage.model import VerifyMode
from storage.sweep.check_object import SweepStopped, check_object
from storage.sweep.model import Damage, ObjectCheck, ObjectToCheck, PassKind, RecordsChecker
from storage.sweep.pace import UNLIMITED, Tranquilizer
from storage.sweep.trail import Trail, TrailRule

# A pause looks so often whether it is over or everything is to stop.
_TURN_S = 0.1
_TURN_MIN_S = 0.005
# Those who store and read go before those who look again.
_NICENESS = 5


class SweepControls:
    """What the node and its sweeping processes share. Handed over when a process starts.

    Plain shared memory without any lock: a process that is killed while it holds a lock, or waits
    on a condition, would hold the node for ever. Each value has one writer and fits in a word.
    """

    def __init__(self, context: BaseContext, batches: int) -> None:
        """`batches`: how many are under way at most; each counts in a place of its own."""
        self._stopped = context.RawValue("b", 0)
        self._granted_bytes = context.RawValue("q", UNLIMITED)
        self._granted_files = context.RawValue("q", UNLIMITED)
        self._read_bytes = context.RawArray("Q", batches)
        self._opened_files = context.RawArray("Q", batches)

    @property
    def stopped(self) -> bool:
        """Whether the processes are to end what they do, unfinished."""
        return bool(self._stopped.value)

    @stopped.setter
    def stopped(self, stopped: bool) -> None:
        self._stopped.value = int(stopped)

    def grant(self, read_bytes: int, opened_files: int) -> None:
        """What may have been read and opened by now, counted from the first of all."""
        self._granted_bytes.value = read_bytes
        self._granted_files.value = opened_files

    def count(self, place: int, read_bytes: int) -> None:
        """Called by the one process that has this place now."""
        self._read_bytes[place] += read_bytes

    def count_file(self, place: int) -> None:
        """As `count`, of a file that is opened."""
        self._opened_files[place] += 1

    def read_bytes(self) -> int:
        """Read by all processes together, ever growing."""
        return sum(self._read_bytes)

    def opened_files(self) -> int:
        """Opened by all processes together, ever growing."""
        return sum(self._opened_files)

    @property
    def is_exhausted(self) -> bool:
        """Whether everything that was granted is used."""
        granted_bytes: int = self._granted_bytes.value
        granted_files: int = self._granted_files.value
        if granted_bytes < UNLIMITED and self.read_bytes() > granted_bytes:
            return True
        return granted_files < UNLIMITED and self.opened_files() > granted_files


@dataclass(frozen=True, slots=True)
class Errand:
    """For what, and under which conditions, objects are checked."""

    kind: PassKind = PassKind.FULL
    since: str = ""  # when the pass began
    began_at: str = ""  # when the objects were handed out
    trails: Path | None = None  # where the checks of large objects leave their trails
    rule: TrailRule = TrailRule()  # noqa: RUF009 (a frozen value)


_controls: SweepControls | None = None


def start_worker(controls: SweepControls) -> None:
    """First call in a new process: remember the controls, leave signals to the node."""
    global _controls  # noqa: PLW0603 -- the process's own, set once before any work comes
    _controls = controls
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    Thread(target=_end_with_the_node, daemon=True).start()


def _end_with_the_node() -> None:
    """However the node ends, nobody is left behind to read a disk that another node has opened."""
    node = parent_process()
    assert node is not None, "a sweeping process is started by a node"
    wait([node.sentinel])
    os._exit(1)


def check_objects(
    targets: Sequence[ObjectToCheck],
    mode: VerifyMode,
    tranquility: float,
    place: int,
    errand: Errand | None = None,
) -> list[ObjectCheck]:
    """Check one object after the other; fewer answers when told to stop, or out of time."""
    controls, errand = _controls, errand or Errand()
    assert controls is not None, "start_worker comes first"
    reader = MediumReader(mode)
    pace = _Turnstile(controls, tranquility, place)
    checks: list[ObjectCheck] = []
    until_s = time.monotonic() + errand.rule.batch_s
    for target in targets:
        if controls.stopped or (checks and time.monotonic() > until_s):
            break
        trail = _trail(target, errand)
        checks.append(check_object(target, reader, pace, trail, errand.kind))
    return checks


def check_records(check: RecordsChecker, tranquility: float, place: int) -> list[Damage] | None:
    """Check the volume's own records; None when told to stop before the end."""
    controls = _controls
    assert controls is not None, "start_worker comes first"
    try:
        return check(_Turnstile(controls, tranquility, place))
    except SweepStopped:
        return None


def _trail(target: ObjectToCheck, errand: Errand) -> Trail | None:
    if errand.trails is None or errand.kind is PassKind.QUICK:
        return None
    with suppress(OSError):  # the check itself says that the object is gone
        return Trail(errand.trails, target, errand.since, errand.began_at, errand.rule)
    return None


class _Turnstile:
    """Every file and every read pass here: counted, and held back as long as the pace demands."""

    def __init__(self, controls: SweepControls, tranquility: float, place: int) -> None:
        self._controls = controls
        self._place = place
        self._tranquilizer = Tranquilizer(tranquility)
        self._began_s = time.monotonic()

    def __call__(self, read_bytes: int) -> None:
        pause_s = 0.0
        if read_bytes == 0:
            self._controls.count_file(self._place)
        else:
            self._controls.count(self._place, read_bytes)
            pause_s = self._tranquilizer.after_step(time.monotonic() - self._began_s)
        self._rest(pause_s)
        self._began_s = time.monotonic()

    def _rest(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        turn_s = _TURN_MIN_S
        while True:
            if self._controls.stopped:
                raise SweepStopped
            remaining_s = until_s - time.monotonic()
            if remaining_s <= 0 and not self._controls.is_exhausted:
                return
            time.sleep(max(_TURN_MIN_S, min(remaining_s, _TURN_S)) if remaining_s > 0 else turn_s)
            turn_s = min(2 * turn_s, _TURN_S)
