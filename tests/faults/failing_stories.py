"""A story told once for each system call in it, which is made to fail; what came of it, counted.

The stories are volume_, intake_, archive_ and keeper_call_failures, each told in a process of
its own.
tests/faults/test_failing_calls.py takes every so-many-th call, call_campaign.py all.
"""

import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.failing_calls import How, build, environment

PROJECT = Path(__file__).parents[2]
# A package that ocfl-py brings along is called `tests` as well.
_LOOP = f"""
import importlib, sys, tests
tests.__path__.insert(0, {str(PROJECT / "tests")!r})
importlib.import_module(f"tests.faults.{{sys.argv.pop(1)}}_call_failures").begin()
"""
# How a call fails, and with which error.
WAYS = (
    (How.BEFORE, errno.EIO),
    (How.BEFORE, errno.ENOSPC),
    (How.AFTER, errno.EIO),
    (How.SHORT, errno.EIO),
    (How.SHORT_THEN_FULL, errno.ENOSPC),
    (How.FROM, errno.EIO),
    (How.FROM, errno.ENOSPC),
)


@dataclass
class WayOutcome:
    """What one way of failing came to."""

    story: str
    how: How
    error: int
    runs: int = 0
    answers: int = 0  # that were given, and held after everything
    states: Counter[str] = field(default_factory=Counter)  # of the volume after the failure
    calls: Counter[str] = field(default_factory=Counter)  # that were made to fail, by name
    wrong: list[str] = field(default_factory=list)

    @property
    def way(self) -> str:
        """Such as "BEFORE EIO"."""
        return f"{self.how.name} {errno.errorcode[self.error]}"

    @property
    def name(self) -> str:
        """Such as "volume BEFORE EIO"."""
        return f"{self.story} {self.way}"

    def count(self, told: dict[str, str | int]) -> None:
        """What one run came to."""
        self.runs += 1
        self.answers += int(told["answers"])
        call, _, path = str(told["hit"]).partition(" ")
        if call:
            self.calls[call] += 1
            self.states[str(told["state"]) or "not opened"] += 1
        if told["wrong"]:
            self.wrong.append(f"{self.name}, step {told['step']}, {call} {path}: {told['wrong']}")

    def __str__(self) -> str:
        calls = ", ".join(f"{name} {count}" for name, count in self.calls.most_common())
        states = ", ".join(f"{name} {count}" for name, count in self.states.most_common())
        return (
            f"{self.name}: {self.runs} runs, {self.answers} answers kept, "
            f"{len(self.wrong)} wrong; afterwards {states}; {calls}"
        )


def run_way(story: str, how: How, error: int, first: int = 1, stride: int = 1) -> WayOutcome:
    """Every `stride`-th call from the `first` on fails, each in a run of its own."""
    outcome = WayOutcome(story, how, error)
    for told in runs(story, how, error, first, stride):
        outcome.count(told)
    return outcome


def runs(
    story: str, how: How, error: int, first: int = 1, stride: int = 1
) -> Generator[dict[str, str | int], None, None]:
    """What each run came to; the last found no call to fail any more. May be closed before it."""
    names = how.name, errno.errorcode[error]
    with TemporaryDirectory(prefix="lantai-calls-") as folder:
        command = [sys.executable, "-c", _LOOP, story, folder, *names, str(first), str(stride)]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(build(Path(folder))),
            start_new_session=True,
        ) as telling:
            try:
                for line in telling.stdout or ():
                    if line.startswith('{"step"'):
                        yield json.loads(line)
            except BaseException:
                os.killpg(telling.pid, signal.SIGKILL)  # whoever reads wants no more
                raise
        if telling.returncode != 0:
            raise subprocess.CalledProcessError(telling.returncode, command)
