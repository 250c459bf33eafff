"""Named places in the code at which a test has this very process die, as a crash would have it.

docs/operations/control.md (`crash-at`). `crash_point(NAME)` stands once for each name of
POINTS (tests/tidy/test_crash_points.py); unless `order_crash` was called before, it looks at one
attribute and does nothing. Only a role in debug calls that (daemon/lifecycle.py, cli/run.py).
Power cuts and failing system calls are injected from outside (tests/faults).
"""

import signal
import threading
from collections.abc import Mapping
from typing import ClassVar

from storage.errors import Refusal

# The environment variable that orders a crash from a role's start on, if it runs in debug.
VARIABLE = "LANTAI_CRASH_AT"

# Name → what has just happened there.
POINTS: Mapping[str, str] = {
    "intake.settled": "an entry is ready; nobody has claimed it",
    "intake.claimed": "the claim is on record",
    "intake.staging": "the state is `staging`; no worker has been asked",
    "worker.expecting": "a worker has said how much it is going to copy",
    "worker.asking": "a worker, in the middle of judging, has asked what format a file has",
    "reader.staged": "in the worker: the private copy is made, nothing is judged",
    "reader.judged": "in the worker: the verdict is found, nothing is laid out",
    "reader.packed": "in the worker: the object lies ready, and nothing says so",
    "intake.prepared": "the worker has answered; nothing is on record",
    "intake.put-back": "the state is `waiting` again: it is not whole yet",
    "intake.received-signed": "the received receipt is signed and not on record",
    "intake.accepted": "verdict and received receipt are on record",
    "intake.writing": "the operation is on record; no node has heard of it",
    "intake.copy-proven": "one more node has signed for its copy",
    "intake.stored-signed": "the stored receipt is signed and not on record",
    "catalogue.storing": "inside the transaction that makes the package stored, half way",
    "intake.stored": "package, copies and stored receipt are on record",
    "intake.rejected-signed": "the rejection is signed and not on record",
    "intake.rejected": "the rejection is on record; the staged copy is still there",
    "intake.held-signed": "the answer that it is held is signed and not on record",
    "intake.held": "that it is held is on record; the staged copy is still there",
    "intake.failed": "our failure is on record; the staged copy is still there",
    "decisions.released": "a person's release is on record; nobody leads the transfer",
    "decisions.reject-signed": "a person's rejection is signed and not on record",
    "decisions.rejected": "a person's rejection is on record",
    "decisions.registered": "a registration is on record; its receipt is not delivered",
    "decisions.retried": "a person's order to try again is on record; nobody leads the transfer",
    "batch.divided": "the parts of a batch are transfers of their own; none is led",
    "batch.rejoined": "all parts have ended; the batch may go on, and nobody leads it",
    "version.fetched": "the inventory of the version before is here",
    "version.built": "the lists of the later version are made; it is not on record",
    "duplicate.found": "the same package is stored already; this transfer does not say so",
    "duplicate.told": "this transfer has the first one's receipt on record",
    "earlier.moved": "earlier answers are aside, but for the signature that leads back to them",
    "durable.written": "new files of a folder are synced under temporary names",
    "durable.named": "one more of them has its name; the folder is not synced",
    "delivery.signatures-written": "signatures and pages are in the return folder, no JSON is",
    "delivery.written": "all files of an answer are in the return folder, and nothing says so",
    "delivery.marked": "that they are is on record; the original is where it was",
    "delivery.marker-moved": "the done-marker is in accepted/, its package is not",
    "delivery.original-moved": "the original is in accepted/, the staged copy is still there",
    "delivery.staging-removed": "the staged copy is gone; the transfer is not closed",
    "delivery.closed": "the transfer is closed",
    "reader.verified": "in the worker: what was prepared before a start is whole, byte for byte",
    "leftovers.cleared": "starting: a staged copy that nobody needs is gone",
    "intake.taken-over": "after a start: a transfer is ours again, nobody leads it yet",
    "intake.taken-up": "the worker says that what was prepared before is whole",
    "rehearsal.judged": "a rehearsal is judged, its sender not told",
    "rehearsal.told": "a rehearsal's samples are in the return folder, its staged copy too",
}


class NoSuchCrashPoint(Refusal):
    """What was ordered is none of POINTS."""

    code: ClassVar[str] = "no-such-crash-point"


class _Order:
    """Where to die; the text that said so goes on to worker processes."""

    __slots__ = ("left", "lock", "name", "text")

    def __init__(self) -> None:
        self.text = ""
        self.name: str | None = None
        self.left = 0
        self.lock = threading.Lock()


_order = _Order()


def crash_point(name: str) -> None:
    """Die here if that was ordered: at once, without a word, as by SIGKILL."""
    if _order.name is not None:
        _pass(name)


def order_crash(text: str) -> None:
    """Have this process die when it passes NAME, or for the n-th time from now: `NAME:n`.

    Nothing is ordered by an empty text. Raises NoSuchCrashPoint.
    """
    name, colon, count = text.partition(":")
    passages = int(count) if count.isdecimal() else 0 if colon else 1
    if text and (name not in POINTS or passages < 1):
        raise NoSuchCrashPoint(f"{text!r} is no crash point; give a NAME or NAME:n of {VARIABLE}")
    with _order.lock:
        _order.text, _order.name, _order.left = text, name or None, passages


def ordered_crash() -> str:
    """What was ordered, for a worker of this process."""
    return _order.text


def _pass(name: str) -> None:
    with _order.lock:
        if name == _order.name:
            _order.left -= 1
            if _order.left == 0:
                # The one way that confined processes have, too (ingest_watch/system_calls.py).
                signal.raise_signal(signal.SIGKILL)
