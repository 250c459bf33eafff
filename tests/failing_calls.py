"""The k-th system call on files below a folder fails, whoever makes it: Python, ctypes, SQLite.

`tests/faults/failing_calls.c` is built with gcc when a test asks for it, and preloaded into a
process of the test's own; that process then says here which call is to fail, and how.
"""

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).parent / "faults" / "failing_calls.c"
# After one of these failed nothing that was open may be believed.
SYNCS = frozenset({"fsync", "fdatasync", "syncfs"})


class How(IntEnum):
    """What becomes of the k-th call; the numbers are those of the C source."""

    OFF = 0
    COUNT = 1  # nothing fails
    BEFORE = 2  # it fails and does nothing; the next one goes well
    AFTER = 3  # it does its work, and says that it failed
    SHORT = 4  # a read or a write that does half
    SHORT_THEN_FULL = 5  # a write that does half; the next to that file finds the disk full
    FROM = 6  # it and every later one fail


def build(folder: Path) -> Path:
    """The library to preload."""
    library = folder / "failing_calls.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"],
        check=True,
    )
    return library


def environment(library: Path) -> dict[str, str]:
    """For a process that steers its own calls by `FailingCalls`."""
    project = str(Path(__file__).parents[1])
    return {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": project, "LANTAI_LOG": "json"}


class FailingCalls:
    """The library, in a process that was started with it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.failing_hit.restype = ctypes.c_char_p
        self._library.failing_seen.restype = ctypes.c_long
        self._library.failing_retries.restype = ctypes.c_long
        self._library.failing_arm.argtypes = [
            ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_int,
        ]  # fmt: skip

    def arm(self, folder: Path, how: How, kth: int = 0, error: int = errno.EIO) -> None:
        """From now on count calls below `folder`, and have the k-th fail; the first is 1."""
        self._library.failing_arm(os.fsencode(folder), how, kth, error)

    def disarm(self) -> None:
        """Every call goes well again."""
        self._library.failing_disarm()

    def keep_log(self, descriptor: int) -> None:
        """Write each call that is counted to `descriptor`, a line each: its name and its path."""
        self._library.failing_keep_log(descriptor)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What the test itself does to the disk neither counts nor fails."""
        mode = ctypes.c_int.in_dll(self._library, "failing_mode")
        before, mode.value = mode.value, How.OFF
        try:
            yield
        finally:
            mode.value = before

    @property
    def seen(self) -> int:
        """How many calls there have been."""
        return int(self._library.failing_seen())

    @property
    def hit(self) -> str:
        """The call that was made to fail, and its path; empty while none was."""
        return bytes(self._library.failing_hit()).decode()

    @property
    def retries(self) -> int:
        """How many later fsyncs of a file said yes after one of it had failed."""
        return int(self._library.failing_retries())
