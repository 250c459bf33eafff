"""Every system call of a story made to fail, in every way; what came of it, counted.

`run_way` tells the story of volume_, intake_ or keeper_call_failures in a process of its own, once
for each call that there is (or each `stride`-th). tests/faults/test_failing_calls.py takes a
slice, `make faults` all.
"""

import errno
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
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
# Whose calls fail: a node's volume, the intake, the keeper.
STORIES = ("volume", "intake", "keeper")
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
    def name(self) -> str:
        """Such as "volume BEFORE EIO"."""
        return f"{self.story} {self.how.name} {errno.errorcode[self.error]}"

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
    with TemporaryDirectory(dir=_place(story), prefix="lantai-calls-") as folder:
        library = build(Path(folder))
        names = how.name, errno.errorcode[error]
        finished = subprocess.run(
            [sys.executable, "-c", _LOOP, story, folder, *names, str(first), str(stride)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(library),
        )
    for line in finished.stdout.splitlines():
        if line.startswith('{"step"'):
            _count(outcome, json.loads(line))
    return outcome


def _place(story: str) -> str | None:
    """Memory is as good as a disk, and faster: a process that ends loses nothing of the cache.

    But for nodes that prove their medium in each run, which takes longest where there is none.
    """
    return "/dev/shm" if story != "keeper" and Path("/dev/shm").is_dir() else None


def _count(outcome: WayOutcome, told: dict[str, str | int]) -> None:
    outcome.runs += 1
    outcome.answers += int(told["answers"])
    call, _, path = str(told["hit"]).partition(" ")
    if call:
        outcome.calls[call] += 1
        outcome.states[str(told["state"]) or "not opened"] += 1
    if told["wrong"]:
        outcome.wrong.append(f"{outcome.name}, step {told['step']}, {call} {path}: {told['wrong']}")


def run_all() -> list[WayOutcome]:
    """Every call in every way; prints what each came to."""
    outcomes = []
    for story, (how, error) in product(STORIES, WAYS):
        outcomes.append(run_way(story, how, error))
        print(outcomes[-1], *outcomes[-1].wrong, sep="\n  ", flush=True)
    return outcomes
