"""Named places in the code at which a test has this very process die, as a crash would have it.

docs/operations/control.md (`crash-at`). `crash_point(NAME)` stands once for each name of
POINTS (tests/tidy/test_crash_points.py); unless `order_crash` was called before, it looks at one
attribute and does nothing. Only a role in debug calls that (daemon/lifecycle.py, cli/run.py).
For a power cut the process stops there instead, and its disk is copied from outside (tests/faults);
failing system calls are injected from outside, too.
"""

import signal
import threading
from collections.abc import Mapping
from typing import ClassVar

from storage.crash_point_names import POINTS_OF_ROLE
from storage.errors import Refusal

# The environment variable that orders a crash from a role's start on, if it runs in debug.
VARIABLE = "LANTAI_CRASH_AT"
_STOP = ":stop"

# Name → what has just happened there.
POINTS: Mapping[str, str] = {
    name: meaning for points in POINTS_OF_ROLE.values() for name, meaning in points.items()
}


class NoSuchCrashPoint(Refusal):
    """What was ordered is none of POINTS."""

    code: ClassVar[str] = "no-such-crash-point"


class _Order:
    """Where to die; the text that said so goes on to worker processes."""

    __slots__ = ("left", "lock", "name", "signal", "text")

    def __init__(self) -> None:
        self.text = ""
        self.name: str | None = None
        self.left = 0
        self.signal = signal.SIGKILL
        self.lock = threading.Lock()


_order = _Order()


def crash_point(name: str) -> None:
    """Die here if that was ordered: at once, without a word, as by SIGKILL."""
    if _order.name is not None:
        _pass(name)


def order_crash(text: str) -> None:
    """Have this process die when it passes NAME, or for the n-th time from now: `NAME:n`.

    With `:stop` behind that it is stopped there instead, as by SIGSTOP, with its disk as it is.
    Nothing is ordered by an empty text. Raises NoSuchCrashPoint.
    """
    name, colon, count = text.removesuffix(_STOP).partition(":")
    passages = int(count) if count.isdecimal() else 0 if colon else 1
    if text and (name not in POINTS or passages < 1):
        raise NoSuchCrashPoint(f"{text!r} is no crash point; give a NAME or NAME:n of {VARIABLE}")
    with _order.lock:
        _order.text, _order.name, _order.left = text, name or None, passages
        _order.signal = signal.SIGSTOP if text.endswith(_STOP) else signal.SIGKILL


def ordered_crash() -> str:
    """What was ordered, for a worker of this process."""
    return _order.text


def _pass(name: str) -> None:
    with _order.lock:
        if name == _order.name:
            _order.left -= 1
            if _order.left == 0:
                # The one way that confined processes have, too (ingest_watch/system_calls.py).
                signal.raise_signal(_order.signal)
