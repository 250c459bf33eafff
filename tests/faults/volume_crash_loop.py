"""Run one story of a volume again and again, each time killed one step later.

The story: two packages in one group; one of them is damaged and mended, gets a second version, is
damaged in the first one and mended with both. A step is a call that changes the disk, seen by the
interpreter's own profiler; nothing of the product is replaced. At step k the process is killed.
After every run the volume is opened again and must keep what it answered. (Calls that fail are
volume_call_failures.py's.) Arguments: FOLDER FIRST STRIDE (the first k, and how far to the next).
Prints one line of JSON for each k; the last says that the story was not stopped any more.

Fork is used, so this process has no threads of its own and no volume open.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from storage.errors import LantaiError
from storage.model import SignedAnswer
from storage.ocfl.validate import validate_root
from storage.signing import SigningKey
from storage.volume.volume import Volume
from tests.volume_packages import (
    MadePackage,
    again,
    make_package,
    mending,
    names,
    new_volume,
    send,
    settings_for,
)

SYSTEM_CALLS = frozenset(
    {"pwrite", "fsync", "fdatasync", "open", "mkdir", "rmdir", "unlink", "rename", "replace"}
)
FUNCTIONS = frozenset({"ask", "rename_noreplace", "_exchange", "take_over", "apply"})
BAD = b"BagIt-Version: 1.1\n"
WORSE = b"BagIt-Version: 6.6\n"


@dataclass(frozen=True)
class Story:
    """What is sent, in order."""

    key: SigningKey
    first: MadePackage
    second: MadePackage
    repair: MadePackage
    later: MadePackage  # version 2 of the first
    whole: MadePackage  # a repair of both versions

    @property
    def packages(self) -> tuple[MadePackage, ...]:
        return self.first, self.second, self.repair, self.later, self.whole

    @classmethod
    def make(cls) -> "Story":
        files = {"received/bagit.txt": b"BagIt-Version: 1.0\n", "received/d/x": bytes(70_000)}
        large = {"received/large": os.urandom(1024 * 1024 + 5)}
        first = make_package(files, "lantai:s/first", "1" * 32)
        later = make_package({"received/d/x": b"two"}, op_id="4" * 32, previous=first)
        return cls(
            SigningKey.generate(),
            first,
            make_package(large, "lantai:s/second", "2" * 32),
            again(first, op_id="3" * 32, replaces_damaged=True),
            later,
            again(mending(later), op_id="5" * 32),
        )

    def damaged_file(self, volume: Volume) -> Path:
        folder = volume.root / volume.object_folder("lantai:s/first")
        return folder / "v1/content/received/bagit.txt"


class Steps:
    """Counts calls that change the disk, and kills this process at one of them."""

    def __init__(self, last: int) -> None:
        self._left = last

    def watch(self) -> None:
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            counts = getattr(argument, "__name__", "") in SYSTEM_CALLS
            counts = counts and getattr(argument, "__module__", "") == "posix"
        else:
            counts = event in {"call", "return"} and frame.f_code.co_name in FUNCTIONS
        self._left -= counts
        if counts and self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def tell(story: Story, beside: Path, answered: Callable[[str, SignedAnswer], None]) -> None:
    """Raises a LantaiError or OSError where the story cannot go on."""
    volume = Volume.open(settings_for(beside), story.key)
    try:
        pending = [send_or_known(volume, package) for package in (story.first, story.second)]
        for package, outcome in zip((story.first, story.second), pending, strict=True):
            answer = outcome if isinstance(outcome, SignedAnswer) else await outcome
            answered(package.order.op_id, answer)
        for package, bad in ((story.repair, BAD), (story.later, b""), (story.whole, WORSE)):
            known = volume.begin(package.order)
            if not isinstance(known, SignedAnswer):
                damage(story.damaged_file(volume), bad)
                known = await volume.commit(send(volume, package))
            answered(package.order.op_id, known)
    finally:
        volume.close()


def damage(file: Path, bad: bytes) -> None:
    """Done to the disk, not by the volume."""
    descriptor = os.open(file, os.O_WRONLY)
    os.write(descriptor, bad)
    os.close(descriptor)


def send_or_known(
    volume: Volume, package: MadePackage
) -> "SignedAnswer | asyncio.Task[SignedAnswer]":
    outcome = volume.begin(package.order)
    if isinstance(outcome, SignedAnswer):
        return outcome
    return asyncio.ensure_future(volume.commit(send(volume, package)))


def run(story: Story, beside: Path, last: int) -> tuple[dict[str, str], bool]:
    """Tell the story in a process of its own; what was answered, and whether it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        steps = Steps(last)

        def answered(op_id: str, answer: SignedAnswer) -> None:
            os.write(writer, f"{op_id} {(answer.signature + answer.payload).hex()}\n".encode())

        async def watched() -> None:
            steps.watch()
            await tell(story, beside, answered)

        try:
            asyncio.run(watched())
        except (LantaiError, OSError) as error:
            os.write(2, f"unexpected: {error!r}\n".encode())
        finally:
            sys.setprofile(None)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        lines = stream.read().decode().splitlines()
    _, status = os.waitpid(child, 0)
    return dict(line.split() for line in lines), status != 0


def judge(story: Story, beside: Path, answers: dict[str, str]) -> None:
    """Open what is left; then the story must come to its end. Raises AssertionError."""
    volume = Volume.open(settings_for(beside), story.key)
    try:
        assert_sound(volume, damaged=story.damaged_file(volume))
        for package in story.packages:
            if package.order.op_id in answers:
                known = volume.begin(package.order)
                assert isinstance(known, SignedAnswer), "an answer was forgotten"
                said = (known.signature + known.payload).hex()
                assert said == answers[package.order.op_id], "another answer than before"
    finally:
        volume.close()
    asyncio.run(tell(story, beside, lambda _op_id, _answer: None))
    volume = Volume.open(settings_for(beside), story.key)
    try:
        assert_sound(volume)
        assert volume.state().objects == 2
        assert story.damaged_file(volume).read_bytes() == story.first.files["received/bagit.txt"]
        kept = {path.read_bytes() for path in volume.settings.quarantine.rglob("bagit.txt")}
        assert {BAD, WORSE} <= kept, "the bad bytes were destroyed"
        stored = volume.stat("lantai:s/first")
        assert stored is not None
        assert stored.head == 2
        volume.rebuild_index()
        assert volume.state().objects == 2
    finally:
        volume.close()


def assert_sound(volume: Volume, damaged: Path | None = None) -> None:
    """Nothing wrong below the root but that `damaged`, if the story came so far, is altered."""
    findings = validate_root(volume.root).findings
    errors = [found for found in findings if found.severity == "error"]
    if damaged is not None and damaged.is_file() and damaged.read_bytes() in (BAD, WORSE):
        path = str(damaged.relative_to(volume.root))
        altered = [found for found in errors if (found.code, found.path) == ("E092", path)]
        assert altered, "a file was damaged, and the validator does not see it"
        errors = [found for found in errors if found not in altered]
    assert errors == [], errors
    assert names(volume.settings.staging) == []
    assert volume.state().state == "ready"


def judge_in_a_process(story: Story, beside: Path, answers: dict[str, str]) -> str:
    """What is wrong, or nothing. Apart, because a volume has threads and this process forks."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        wrong = ""
        try:
            judge(story, beside, answers)
        except BaseException as error:  # noqa: BLE001 (whatever it is, the test is told)
            wrong = f"{type(error).__name__}: {error}"
        os.write(writer, wrong.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        wrong = stream.read().decode()
    os.waitpid(child, 0)
    return wrong


def make_in_a_process(story: Story, beside: Path) -> None:
    child = os.fork()
    if child == 0:
        new_volume(beside, story.key).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, "the volume could not be made"


def main(folder: Path, first: int, stride: int) -> None:
    story = Story.make()
    pristine = folder / "pristine"
    pristine.mkdir()
    make_in_a_process(story, pristine)
    last, stopped = first, True
    while stopped:
        beside = folder / f"run-{last}"
        shutil.copytree(pristine, beside)
        answers, stopped = run(story, beside, last)
        wrong = judge_in_a_process(story, beside, answers)
        said = {"step": last, "stopped": stopped, "answers": len(answers), "wrong": wrong}
        print(json.dumps(said), flush=True)
        shutil.rmtree(beside)
        last += stride


def begin() -> None:
    """From the command line."""
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
