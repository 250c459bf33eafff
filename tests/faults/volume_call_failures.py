"""Run one story of a volume again and again, each time with one system call made to fail.

The story is volume_crash_loop's, with what a sweep writes down after it. At step k a call below the
volume's folder fails (tests/failing_calls.py says how), whoever made it. Then the volume must
be read-only where a sync failed, have acknowledged nothing since, take writes again after a clean
self-test, and end the story; and a new process that opens it must find every answer it gave.
Arguments: FOLDER HOW ERRNO FIRST STRIDE (the first k, and how far to the next). Prints a line of
JSON for each k; the last says that no call failed any more.
"""

import asyncio
import errno
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from storage.errors import LantaiError
from storage.model import SignedAnswer
from storage.sweep.model import Damage, DamageKind, ObjectCheck, SweepCycle
from storage.volume.volume import Volume
from tests.failing_calls import FailingCalls, How
from tests.faults import call_runs
from tests.faults.call_runs import Told
from tests.faults.volume_crash_loop import (
    BAD,
    WORSE,
    Story,
    damage,
    judge_in_a_process,
    make_in_a_process,
    send_or_known,
)
from tests.volume_packages import send, settings_for

STRAY = "fff/fff/left-by-somebody"
AT = "2026-11-22T09:00:00.000000Z"


class Telling:
    """One run, in a process of its own."""

    def __init__(self, story: Story, beside: Path, told: Told, how: How, error: int) -> None:
        self._story = story
        self._beside = beside
        self._how = how
        self._error = error
        self._calls = FailingCalls()
        self.told = told

    def run(self) -> None:
        """Tell it, with one call failing; then as the operator does, test the disk and go on."""
        calls, told = self._calls, self.told
        calls.arm(self._beside, self._how, told.step, self._error)
        try:
            volume = Volume.open(settings_for(self._beside), self._story.key)
        except (LantaiError, OSError) as error:
            told.state, told.error = "not opened", repr(error)
            return
        try:
            self._tell(volume)
            told.hit, told.state = calls.hit, volume.state().state
            if self._how is not How.FROM:
                self._go_on(volume)
        finally:
            volume.close()
            with calls.paused():
                shutil.rmtree(volume.root / STRAY.partition("/")[0], ignore_errors=True)

    def name_the_hit(self) -> None:
        """Which call failed, whenever that was."""
        self.told.hit = self._calls.hit
        self._calls.disarm()

    def _tell(self, volume: Volume) -> None:
        try:
            asyncio.run(tell(self._story, volume, self._answered, self._calls))
        except LantaiError as error:
            self.told.error = repr(error)

    def _answered(self, op_id: str, answer: SignedAnswer) -> None:
        if not self.told.state and Told(0, self._calls.hit).loses_writes:
            self.told.wrong = f"answered after {self._calls.hit} had failed"
        self.told.answers[op_id] = (answer.signature + answer.payload).hex()

    def _go_on(self, volume: Volume) -> None:
        told, calls = self.told, self._calls
        if told.loses_writes and told.state != "read-only":
            told.wrong = told.wrong or "a sync failed, and the volume takes writes"
        calls.disarm()
        if told.state == "read-only":
            volume.self_test()
        assert volume.state().state == "ready", "a clean self-test does not open the volume"
        asyncio.run(tell(self._story, volume, self._answered, calls))
        if calls.retries:
            told.wrong = told.wrong or f"synced again after {told.hit} had failed"


async def tell(
    story: Story,
    volume: Volume,
    answered: Callable[[str, SignedAnswer], None],
    calls: FailingCalls,
) -> None:
    """Raises a LantaiError where the story cannot go on."""
    pending = [send_or_known(volume, package) for package in (story.first, story.second)]
    for package, outcome in zip((story.first, story.second), pending, strict=True):
        answer = outcome if isinstance(outcome, SignedAnswer) else await outcome
        answered(package.order.op_id, answer)
    for package, bad in ((story.repair, BAD), (story.later, b""), (story.whole, WORSE)):
        known = volume.begin(package.order)
        if not isinstance(known, SignedAnswer):
            with calls.paused():
                damage(story.damaged_file(volume), bad)
            known = await volume.commit(send(volume, package))
        answered(package.order.op_id, known)
    sweep(volume, calls)


def sweep(volume: Volume, calls: FailingCalls) -> None:
    """What a sweep writes down, and what a reader reads."""
    stored = volume.stat("lantai:s/second")
    assert stored is not None, "what was acknowledged is known"
    volume.keep_sweep_cycle(SweepCycle(1, AT, None))
    check = ObjectCheck(stored.object_id, stored.inventory_sha256, (), 1, 1, 0, finished=True)
    volume.record_swept([check], AT)
    volume.record_finding(stored.object_id, Damage(DamageKind.STRAY, STRAY, "found"), AT)
    with calls.paused():
        (volume.root / STRAY).mkdir(parents=True, exist_ok=True)
    volume.quarantine_stray(PurePosixPath(STRAY))
    path = "v1/content/received/large"
    assert len(volume.read(stored.object_id, path, 0, 10)) == 10
    assert len(volume.block_leaves(stored.object_id, path, 0, 2)) == 64


def run(story: Story, beside: Path, step: int, how: How, error: int) -> Told:
    """One run in a process of its own, and what it came to."""

    def tell_it(told: Told) -> None:
        telling = Telling(story, beside, told, how, error)
        try:
            telling.run()
        finally:
            telling.name_the_hit()

    return call_runs.run(step, tell_it)


def enumerate_failures(
    folder: Path, how: How, error: int, first: int = 1, stride: int = 1
) -> Counter[str]:
    """Every step from `first` on; how often each call was made to fail. Prints each run."""
    story = Story.make()
    pristine = folder / "pristine"
    pristine.mkdir()
    make_in_a_process(story, pristine)
    counts: Counter[str] = Counter()
    step = first
    while True:
        beside = folder / f"run-{step}"
        shutil.copytree(pristine, beside, copy_function=_link_canaries)
        told = run(story, beside, step, how, error)
        told.wrong = told.wrong or judge_in_a_process(story, beside, told.answers)
        print(told.line(), flush=True)
        shutil.rmtree(beside)
        if not told.hit:
            return counts
        counts[told.call] += 1
        step += stride


def _link_canaries(source: str, target: str) -> None:
    """They are most of a new volume, and never written again."""
    (os.link if "/canaries/" in source else shutil.copy2)(source, target)


def begin() -> None:
    """From the command line."""
    folder, how, error, first, stride = sys.argv[1:]
    enumerate_failures(Path(folder), How[how], getattr(errno, error), int(first), int(stride))
