"""How far a job in a worker process is, told through a small file beside its work.

Issue 3, item 12. The process that copies and hashes a huge package writes how many bytes it has
done, at most once a second; the intake reads that and puts it on record (progress_notes.py). The
file is a convenience: it is never synced, believed for nothing else, and may be missing.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

_NAME = "progress"
_PAUSE_S = 1.0
_WIDTH = 20
_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Done:
    """How much is done; `bytes_total` is None while nobody knows."""

    bytes_done: int
    bytes_total: int | None = None
    waits_for: str = ""  # in words, where something is in its way


class _ProgressFile:
    def __init__(self, file: Path, pause_s: float) -> None:
        self._file = file
        self._pause_s = pause_s
        self._due_s = time.monotonic() + pause_s
        self.bytes_done = 0
        self.bytes_total: int | None = None

    def advance(self, byte_count: int) -> None:
        self.bytes_done += byte_count
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self._pause_s
            self._write()

    def _write(self) -> None:
        """Of one length, in one write: a reader sees the old figures or the new ones."""
        total = "" if self.bytes_total is None else str(self.bytes_total)
        told = f"{self.bytes_done:>{_WIDTH}} {total:>{_WIDTH}}\n".encode()
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, told)
        finally:
            os.close(descriptor)


_present: ContextVar[_ProgressFile | None] = ContextVar("progress", default=None)


@contextmanager
def told_in(work: Path, pause_s: float = _PAUSE_S) -> Iterator[None]:
    """Tell in the folder `work` how far this job is, as long as the context lasts."""
    token = _present.set(_ProgressFile(work / _NAME, pause_s))
    try:
        yield
    finally:
        _present.reset(token)


def expect(byte_count: int | None) -> None:
    """So many bytes are to be done from now on; None when that is not known."""
    present = _present.get()
    if present is not None:
        present.bytes_done, present.bytes_total = 0, byte_count


def advance(byte_count: int) -> None:
    """So many more bytes are done."""
    present = _present.get()
    if present is not None:
        present.advance(byte_count)


def read_progress(work: Path) -> Done | None:
    """What the job in `work` has told; None when it has not yet. Small jobs never do."""
    try:
        told = (work / _NAME).read_bytes()
    except OSError:
        return None
    figures = told.split() if len(told) == 2 * _WIDTH + 2 else []
    # Whoever writes it reads what strangers sent: believed is only what a record can hold.
    if not all(figure.isdigit() and len(figure) <= _DIGITS_MAX for figure in figures):
        return None
    match [int(figure) for figure in figures]:
        case [bytes_done]:
            return Done(bytes_done)
        case [bytes_done, bytes_total]:
            return Done(bytes_done, bytes_total)
        case _:
            return None
