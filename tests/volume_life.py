"""One story of a volume in a process of its own, so that it can die at a named point of it.

Two packages in one group, a copy that rots, its check, its mend under a new epoch, a later version
of it, rot and mend again with both, and a stray that is put away. Told again it goes on where it
stands. The process ends when the story does; `begin_life` gives it out for somebody else to wait
for. Fork is used, so the calling process has no volume open.
"""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import FrameType

from storage.crash_point import crash_point, order_crash
from storage.medium import MediumReader
from storage.model import SignedAnswer
from storage.ocfl.validate import validate_root
from storage.signing import SigningKey
from storage.sweep.check_object import check_object
from storage.sweep.model import SweepCycle
from storage.sweep.recording import record_checks, target_of
from storage.volume.settings import VolumeSettings
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

AT = "2026-11-22T09:00:00.000000Z"
FIRST, SECOND, LARGE = "lantai:s/first", "lantai:s/second", "lantai:s/large"
_ROTTEN = (b"BagIt-Version: 1.1\n", b"BagIt-Version: 6.6\n")
_SOUND = b"BagIt-Version: 1.0\n"
_FILE = "v1/content/received/bagit.txt"
_STRAY = "left-by-somebody"
_LARGE_BYTES = 257 * 1024 * 1024
# So few that a story fills some segments.
_SEGMENT_BYTES = 6000


@dataclass(frozen=True)
class Life:
    """What is stored in it, by whom."""

    key: SigningKey
    first: MadePackage
    second: MadePackage
    repair: MadePackage
    later: MadePackage  # version 2 of the first
    whole: MadePackage  # a repair of both versions
    large: MadePackage | None

    @classmethod
    def make(cls, *, with_large: bool = False) -> "Life":
        files = {"received/bagit.txt": _SOUND, "received/d/x": bytes(70_000)}
        first = make_package(files, FIRST)
        later = make_package({"received/d/x": b"two"}, previous=first)
        scan = {"received/scan": os.urandom(1024 * 1024 + 5)}
        large = {"received/large": bytes(_LARGE_BYTES)}
        return cls(
            SigningKey.generate(),
            first,
            make_package(scan, SECOND),
            again(mending(first), epoch=2),
            later,
            again(mending(later), epoch=3),
            make_package(large, LARGE) if with_large else None,
        )

    @property
    def packages(self) -> dict[str, MadePackage]:
        """By operation."""
        known = (self.first, self.second, self.repair, self.later, self.whole, self.large)
        return {each.order.op_id: each for each in known if each is not None}

    def settings(self, beside: Path) -> VolumeSettings:
        changes = {"allow_unproven": True, "journal_segment_bytes_max": _SEGMENT_BYTES}
        return settings_for(beside, **changes)


def begin_life(life: Life, beside: Path, order: str) -> tuple[int, int]:
    """A child that tells the story and dies where `order` says; its id, and a pipe of answers.

    It ends with 0 when the story has come to its end.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader

    def answered(op_id: str, answer: SignedAnswer) -> None:
        os.write(writer, f"{op_id} {(answer.signature + answer.payload).hex()}\n".encode())

    status = 1
    try:
        order_crash(order)
        asyncio.run(tell(life, beside, answered))
        status = 0
    except BaseException:  # noqa: BLE001 (whatever it is, it is shown)
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)


async def tell(life: Life, beside: Path, answered: Callable[[str, SignedAnswer], None]) -> None:
    volume = Volume.open(life.settings(beside), life.key)
    try:
        await _store(volume, [life.first, life.second], answered)
        for package, rotten in ((life.repair, _ROTTEN[0]), (life.whole, _ROTTEN[1])):
            if package is life.whole:
                await _store(volume, [life.later], answered)
            if not isinstance(volume.begin(replace(package.order)), SignedAnswer):
                volume.abandon_idle(0)
                _rot(volume, rotten)
                _check(volume, FIRST)
            await _store(volume, [package], answered)
        _put_stray_away(volume)
        volume.keep_sweep_cycle(SweepCycle(1, AT, None))
        if life.large is not None:
            await _store(volume, [life.large], answered)
    finally:
        volume.close()


def judge_life(
    life: Life, beside: Path, answers: Mapping[str, str], *, in_the_end: bool
) -> list[str]:
    """What is wrong, in a process of its own; nothing, as long as every answer holds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            wrong = _judge(life, beside, answers, in_the_end=in_the_end)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is told)
            traceback.print_exc()
            wrong = [f"{type(error).__name__}: {error}"]
        os.write(writer, "\n".join(wrong).encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return said.splitlines()


def points_passed(life: Life, beside: Path) -> set[str]:
    """Of a story without any death, seen by the interpreter's own profiler."""
    make_volume(life, beside)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        passed: set[str] = set()

        def look(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and frame.f_code is crash_point.__code__:
                passed.add(frame.f_locals["name"])

        threading.setprofile(look)
        sys.setprofile(look)
        try:
            asyncio.run(tell(life, beside, lambda _op_id, _answer: None))
        finally:
            sys.setprofile(None)
            os.write(writer, "\n".join(passed).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return set(said.split())


def make_volume(life: Life, beside: Path) -> None:
    """A new one, made in a process of its own."""
    child = os.fork()
    if child == 0:
        new_volume(beside, life.key).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, "the volume could not be made"


async def _store(
    volume: Volume, packages: list[MadePackage], answered: Callable[[str, SignedAnswer], None]
) -> None:
    """Together, as a group; what was answered before is answered again."""
    pending: dict[str, asyncio.Task[SignedAnswer]] = {}
    for package in packages:
        known = volume.begin(package.order)
        if isinstance(known, SignedAnswer):
            answered(package.order.op_id, known)
        else:
            coroutine = volume.commit(send(volume, package))
            pending[package.order.op_id] = asyncio.ensure_future(coroutine)
    for op_id, task in pending.items():
        answered(op_id, await task)


def _rot(volume: Volume, rotten: bytes) -> None:
    """Done to the disk, not by the volume, and durable at once."""
    file = volume.root / volume.object_folder(FIRST) / _FILE
    descriptor = os.open(file, os.O_WRONLY)
    os.write(descriptor, rotten)
    os.fsync(descriptor)
    os.close(descriptor)


def _check(volume: Volume, object_id: str) -> None:
    stored = volume.stat(object_id)
    assert stored is not None, "what was acknowledged is known"
    reader = MediumReader(volume.verify_mode)
    check = check_object(target_of(volume, stored), reader, lambda _read_bytes: None)
    assert not check.intact, "a rotten copy is found"
    record_checks(volume, [check], AT)


def _put_stray_away(volume: Volume) -> None:
    stray = volume.root / _STRAY
    if any(_STRAY in name for name in names(volume.settings.quarantine)) and not stray.exists():
        return
    stray.write_bytes(b"nobody's")
    volume.quarantine_stray(PurePosixPath(_STRAY))


def _judge(life: Life, beside: Path, answers: Mapping[str, str], *, in_the_end: bool) -> list[str]:
    volume = Volume.open(life.settings(beside), life.key)
    wrong: list[str] = []
    try:
        for op_id, said in answers.items():
            known = volume.begin(life.packages[op_id].order)
            if not isinstance(known, SignedAnswer):
                wrong.append(f"lost: the answer to {op_id}")
            elif (known.signature + known.payload).hex() != said:
                wrong.append(f"false: another answer to {op_id}")
            wrong += _missing_bytes(volume, life.packages[op_id], may_rot=not in_the_end)
        wrong += _partial(volume, may_rot=not in_the_end)
        stored = {each.object_id for each in volume.objects("", 100)}
        lying = {path.parent for path in volume.root.rglob("0=ocfl_object_1.1")}
        if {volume.root / volume.object_folder(each) for each in stored} != lying:
            wrong.append("duplicate: disk and index name different objects")
        if volume.state().state != "ready":
            wrong.append(f"stopped: {volume.state().message}")
        if in_the_end:
            aside = {path.read_bytes() for path in volume.settings.quarantine.rglob("bagit.txt")}
            wrong += ["lost: bad bytes were destroyed"] if not set(_ROTTEN) <= aside else []
    finally:
        volume.close()
    return wrong


def _missing_bytes(volume: Volume, package: MadePackage, *, may_rot: bool) -> list[str]:
    """Of one package on the disk; the file that the story rots may be rotten meanwhile."""
    wrong = []
    for made in package.versions:
        folder = volume.root / volume.object_folder(made.order.object_id)
        for path, content in made.files.items():
            file = folder / f"v{made.order.version}/content" / path
            found = file.read_bytes() if file.is_file() else None
            if found != content and not (may_rot and found in _ROTTEN):
                wrong.append(f"lost: {file}")
    return wrong


def _partial(volume: Volume, *, may_rot: bool) -> list[str]:
    rot = f"{volume.object_folder(FIRST)}/{_FILE}"
    errors = [each for each in validate_root(volume.root).findings if each.severity == "error"]
    wrong = [
        f"partial: {each.code} {each.path}"
        for each in errors
        if not (may_rot and (each.code, each.path) == ("E092", rot))
        # The stray that the story plants.
        and _STRAY not in each.path
    ]
    return wrong + [f"partial: staging/{name}" for name in names(volume.settings.staging)]
