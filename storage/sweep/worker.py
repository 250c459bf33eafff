"""What a sweeping process does: check the objects it is handed, at the pace it is given.

Processes, because small files lose to the interpreter's lock (docs/decisions and benchmarks/sweep):
two processes read W3-like packages eight times as fast as two threads. Everything here is at top
level, so that it can be sent to a process. Decides nothing and writes nothing.
"""

import ctypes
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

from storage.medium import MediumReader
from storage.model import VerifyMode
from storage.sweep.check_object import SweepStopped, check_object
from storage.sweep.model import ObjectCheck, ObjectToCheck
from storage.sweep.plan import Pacer

# How often a pause looks whether it is over.
_TURN_S = 0.5
# Those who store and read go before those who look again.
_NICENESS = 5

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class SweepControls:
    """What the node and its sweeping processes share. Handed over when a process starts."""

    stop: Event
    proceed: Event  # cleared: pause
    read_bytes: "Synchronized[int]"  # of all processes together, ever growing
    bytes_per_second_max: "Synchronized[float]"  # for each process

    @classmethod
    def create(cls, context: BaseContext) -> "SweepControls":
        """New controls: proceeding, and as fast as can be."""
        proceed = context.Event()
        proceed.set()
        return cls(context.Event(), proceed, context.Value("Q", 0), context.Value("d", 1e12))


_controls: SweepControls | None = None


def start_worker(controls: SweepControls) -> None:
    """First call in a new process: remember the controls, leave signals to the node.

    The process ends with the fork server, and that with the node, however the node ends.
    """
    global _controls  # noqa: PLW0603 -- the process's own, set once before any work comes
    _controls = controls
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(_NICENESS)


def check_objects(
    targets: Sequence[ObjectToCheck], mode: VerifyMode, tranquility: float
) -> list[ObjectCheck]:
    """Check one object after the other; stops early, with fewer answers, when told to."""
    controls = _controls
    assert controls is not None, "start_worker comes first"
    reader = MediumReader(mode)
    pace = _Turnstile(controls, tranquility)
    checks: list[ObjectCheck] = []
    for target in targets:
        if controls.stop.is_set():
            break
        checks.append(check_object(target, reader, pace))
    return checks


class _Turnstile:
    """Every read passes here: it is counted, and held back as long as the pace demands."""

    def __init__(self, controls: SweepControls, tranquility: float) -> None:
        self._controls = controls
        self._tranquility = tranquility
        self._rate = 0.0
        self._pacer = Pacer(bytes_per_second_max=1e12, tranquility=tranquility)
        self._began_s = time.monotonic()

    def __call__(self, read_bytes: int) -> None:
        with self._controls.read_bytes.get_lock():
            self._controls.read_bytes.value += read_bytes
        self._follow_rate()
        ended_s = time.monotonic()
        pause_s = self._pacer.after_read(read_bytes, self._began_s, ended_s)
        self._rest(pause_s)
        self._began_s = time.monotonic()

    def _follow_rate(self) -> None:
        rate = self._controls.bytes_per_second_max.value
        if rate != self._rate:
            self._rate = rate
            self._pacer = Pacer(bytes_per_second_max=rate, tranquility=self._tranquility)

    def _rest(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while True:
            remaining_s = until_s - time.monotonic()
            if self._controls.stop.is_set():
                raise SweepStopped
            if remaining_s > 0:
                self._controls.stop.wait(min(remaining_s, _TURN_S))
            elif self._controls.proceed.is_set() or self._controls.proceed.wait(_TURN_S):
                return
