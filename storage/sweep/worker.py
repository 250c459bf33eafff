"""What a sweeping process does: check the objects it is handed, at the pace it is given.

Processes, because the reading must not hold up the node's own loop, and small files in memory lose
to the interpreter's lock (measured: two threads took eight times as long). Everything here is at
top level, so that it can be sent to a process. Decides nothing and writes nothing.
"""

import os
import signal
import time
from collections.abc import Sequence
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from threading import Thread

from storage.medium import MediumReader
from storage.model import VerifyMode
from storage.sweep.check_object import SweepStopped, check_object
from storage.sweep.model import Damage, ObjectCheck, ObjectToCheck, RecordsChecker
from storage.sweep.plan import Pacer

# A pause looks so often whether it is over or everything is to stop.
_TURN_S = 0.1
_TURN_MIN_S = 0.01
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
        self._paused = context.RawValue("b", 0)
        self._bytes_per_second_max = context.RawValue("d", 1e12)
        self._read_bytes = context.RawArray("Q", batches)

    @property
    def stopped(self) -> bool:
        """Whether the processes are to end what they do, unfinished."""
        return bool(self._stopped.value)

    @stopped.setter
    def stopped(self, stopped: bool) -> None:
        self._stopped.value = int(stopped)

    @property
    def paused(self) -> bool:
        """Whether the processes are to wait where they are."""
        return bool(self._paused.value)

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused.value = int(paused)

    @property
    def bytes_per_second_max(self) -> float:
        """The pace of each process."""
        return float(self._bytes_per_second_max.value)

    @bytes_per_second_max.setter
    def bytes_per_second_max(self, rate: float) -> None:
        self._bytes_per_second_max.value = rate

    def count(self, place: int, read_bytes: int) -> None:
        """Called by the one process that has this place now."""
        self._read_bytes[place] += read_bytes

    def read_bytes(self) -> int:
        """Read by all processes together, ever growing."""
        return sum(self._read_bytes)


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
    targets: Sequence[ObjectToCheck], mode: VerifyMode, tranquility: float, place: int
) -> list[ObjectCheck]:
    """Check one object after the other; stops early, with fewer answers, when told to."""
    controls = _controls
    assert controls is not None, "start_worker comes first"
    reader = MediumReader(mode)
    pace = _Turnstile(controls, tranquility, place)
    checks: list[ObjectCheck] = []
    for target in targets:
        if controls.stopped:
            break
        checks.append(check_object(target, reader, pace))
    return checks


def check_records(check: RecordsChecker, tranquility: float, place: int) -> list[Damage] | None:
    """Check the volume's own records; None when told to stop before the end."""
    controls = _controls
    assert controls is not None, "start_worker comes first"
    try:
        return check(_Turnstile(controls, tranquility, place))
    except SweepStopped:
        return None


class _Turnstile:
    """Every read passes here: it is counted, and held back as long as the pace demands."""

    def __init__(self, controls: SweepControls, tranquility: float, place: int) -> None:
        self._controls = controls
        self._tranquility = tranquility
        self._place = place
        self._rate = controls.bytes_per_second_max
        self._pacer = Pacer(bytes_per_second_max=self._rate, tranquility=tranquility)
        self._began_s = time.monotonic()

    def __call__(self, read_bytes: int) -> None:
        self._controls.count(self._place, read_bytes)
        self._follow_rate()
        pause_s = self._pacer.after_read(read_bytes, self._began_s, time.monotonic())
        self._rest(pause_s)
        self._began_s = time.monotonic()

    def _follow_rate(self) -> None:
        rate = self._controls.bytes_per_second_max
        if rate != self._rate:
            self._rate = rate
            self._pacer = Pacer(bytes_per_second_max=rate, tranquility=self._tranquility)

    def _rest(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while True:
            if self._controls.stopped:
                raise SweepStopped
            remaining_s = until_s - time.monotonic()
            if remaining_s <= 0 and not self._controls.paused:
                return
            time.sleep(min(max(remaining_s, _TURN_MIN_S), _TURN_S))
