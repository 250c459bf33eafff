"""One run of a story with a failing call, in a process of its own, and what it came to.

Fork is used, so the process that begins a run has no threads and no story of its own.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from tests.failing_calls import SYNCS, How


@dataclass
class Told:
    """What one run came to."""

    step: int
    hit: str = ""  # the call that failed, and its path; empty when the story was told before it
    state: str = ""  # of what was told of, when the story had stopped
    error: str = ""  # why it had
    answers: dict[str, str] = field(default_factory=dict)
    wrong: str = ""

    @property
    def call(self) -> str:
        return self.hit.partition(" ")[0]

    @property
    def loses_writes(self) -> bool:
        """Whether a sync was made to fail that the volume itself asked for.

        SQLite passes over a folder that it could not sync. The index follows from the journal.
        """
        return self.call in SYNCS and self.hit != "fdatasync "

    def line(self) -> str:
        """As failing_stories.py reads it."""
        return json.dumps({**asdict(self), "answers": len(self.answers)})


def run(step: int, tell: Callable[[Told], None]) -> Told:
    """Have `tell` told in a process of its own; it writes down what it came to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told = Told(step)
        try:
            tell(told)
        except BaseException as wrong:  # noqa: BLE001 (whatever it is, the test is told)
            told.wrong = told.wrong or f"{type(wrong).__name__}: {wrong}"
        with os.fdopen(writer, "w") as stream:
            json.dump(asdict(told), stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return Told(**json.loads(said)) if said else Told(step, "?", wrong="the process died")


def begin(tell: Callable[..., None]) -> None:
    """From the command line: FOLDER HOW ERRNO FIRST STRIDE. Prints a line for each k.

    `tell` is given a new folder, what to note, and `how` and with which `error` a call fails.
    """
    place, way, number, first, stride = sys.argv[1:]
    step = int(first)
    while True:
        folder = Path(place) / f"run-{step}"
        folder.mkdir()
        told = run(step, partial(tell, folder, how=How[way], error=getattr(errno, number)))
        shutil.rmtree(folder)
        print(told.line(), flush=True)
        if not told.hit:
            return
        step += int(stride)
