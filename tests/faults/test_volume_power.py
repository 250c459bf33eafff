"""Cut power and killed processes: what was acknowledged is there, and nothing partial is.

A power cut is a copy of the disk's image, taken while it is mounted, then mounted itself (knowledge
M5): what was not synced is not in it. The file systems are fresh ext4 and XFS images.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from storage.digests import sha256_of_file
from storage.model import SignedAnswer, VerifyMode
from storage.node_answer import read_node_answer
from storage.ocfl.validate import validate_root
from storage.signing import SigningKey
from storage.volume.volume import Volume
from tests.fault_page import record_fault
from tests.volume_packages import make_package, names, new_volume, send, settings_for

pytestmark = pytest.mark.needs_root

PROJECT = Path(__file__).parents[2]
# A package that ocfl-py brings along is called `tests` as well.
WRITER = f"""
import tests
tests.__path__.insert(0, {str(PROJECT / "tests")!r})
from tests.faults.volume_writer import run
run()
"""
KILLS = 10


@dataclass
class Disk:
    """One image, and the copies of it that were taken as power cuts."""

    folder: Path
    kind: str
    mounted: list[Path] = field(default_factory=list)

    @property
    def image(self) -> Path:
        return self.folder / "image"

    def make(self) -> Path:
        with self.image.open("wb") as stream:
            stream.truncate(320 * 1024 * 1024)
        subprocess.run([f"mkfs.{self.kind}", "-q", str(self.image)], check=True)
        # Nothing is written back by time alone, so only what was synced survives.
        return self._mount(self.image, "commit=300" if self.kind == "ext4" else "defaults")

    def cut_power(self) -> Path:
        """The disk as it comes back."""
        copy = self.folder / f"image-{len(self.mounted)}"
        subprocess.run(["cp", "--sparse=always", str(self.image), str(copy)], check=True)
        return self._mount(copy, "nouuid" if self.kind == "xfs" else "defaults")

    def _mount(self, image: Path, options: str) -> Path:
        target = self.folder / f"disk-{len(self.mounted)}"
        target.mkdir()
        subprocess.run(["mount", "-o", f"loop,{options}", str(image), str(target)], check=True)
        self.mounted.append(target)
        return target

    def unmount(self) -> None:
        for target in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", str(target)], check=True)


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path, request.param)
    yield disk
    disk.unmount()


def assert_sound(volume: Volume) -> None:
    """Nothing partial is visible, and the root is what the index says it is."""
    report = validate_root(volume.root)
    assert [finding for finding in report.findings if finding.severity == "error"] == []
    assert names(volume.settings.staging) == []
    for stored in volume.objects("", 10_000):
        assert (volume.root / volume.object_folder(stored.object_id)).is_dir()


def assert_kept(volume: Volume, acknowledged: Mapping[str, tuple[int, str]]) -> None:
    """Every version that was answered for is there; one that was not may be there too."""
    for object_id, (version, inventory_sha256) in acknowledged.items():
        stored = volume.stat(object_id)
        assert stored is not None
        assert stored.head >= version
        inventory = volume.root / volume.object_folder(object_id) / f"v{version}/inventory.json"
        assert sha256_of_file(inventory) == inventory_sha256


def small(name: str) -> dict[str, bytes]:
    return {"received/申请表.pdf": name.encode() * 2000, "received/data/b": os.urandom(3000)}


async def test_what_was_acknowledged_survives_a_power_cut_and_nothing_partial_does(
    disk: Disk,
) -> None:
    key = SigningKey.generate()
    volume = new_volume(disk.make(), key, allow_unproven=False)
    assert volume.verify_mode is VerifyMode.EVICTED
    acknowledged: dict[str, SignedAnswer] = {}
    for number in range(3):
        packages = [make_package(small(f"{number}"), f"lantai:s/{number}-{i}") for i in range(4)]
        incoming = [send(volume, package) for package in packages]
        for package, answer in zip(
            packages, await asyncio.gather(*map(volume.commit, incoming)), strict=True
        ):
            acknowledged[package.order.object_id] = answer
    unfinished = make_package(object_id="lantai:s/unfinished")
    half = volume.begin(unfinished.order)
    assert not isinstance(half, SignedAnswer)
    half.write(0, unfinished.stream[: len(unfinished.stream) // 2])
    send(volume, make_package(object_id="lantai:s/complete-but-not-committed"))
    after = disk.cut_power()
    recovered = Volume.open(settings_for(after, allow_unproven=False), key)
    kept = recovered.objects("", 1000)
    assert {stored.object_id for stored in kept} == set(acknowledged)
    for object_id, answer in acknowledged.items():
        again = read_node_answer(answer.payload)
        stored = recovered.stat(object_id)
        assert stored is not None
        assert stored.inventory_sha256 == again.inventory_sha256
    assert_sound(recovered)
    recovered.close()
    volume.close()
    record_fault(
        "F4" if disk.kind == "ext4" else "F5",
        observed="all that was answered is there, nothing else is",
        figure=f"{len(acknowledged)} answers, 0 lost",
    )


async def test_power_cut_at_random_moments_of_writing_loses_no_acknowledged_package(
    disk: Disk,
) -> None:
    key = SigningKey.generate()
    folder = disk.make()
    new_volume(folder, key, allow_unproven=False).close()
    key.save(disk.folder / "key.pem")
    with writer(folder, disk.folder / "key.pem", "p") as process:
        for _ in range(3):
            read_lines(process, random.randint(1, 20))
            acknowledged = dict(process.acknowledged)
            with process.stopped():
                after = disk.cut_power()
            recovered = Volume.open(settings_for(after, allow_unproven=False), key)
            assert_kept(recovered, acknowledged)
            assert_sound(recovered)
            recovered.close()
    record_fault(
        "F4" if disk.kind == "ext4" else "F5",
        observed="cut at random moments of writing: all that was answered is there",
        figure="3 cuts, 0 lost",
    )


async def test_killed_at_random_moments_a_node_keeps_every_answer_it_gave(disk: Disk) -> None:
    key = SigningKey.generate()
    folder = disk.make()
    new_volume(folder, key, allow_unproven=False).close()
    key.save(disk.folder / "key.pem")
    acknowledged: dict[str, tuple[int, str]] = {}
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    for run in range(KILLS):
        with writer(folder, disk.folder / "key.pem", f"run-{run}") as process:
            # Four packages are in work at any moment, each somewhere else.
            read_lines(process, moments.randint(1, 12))
            process.kill()
            acknowledged |= process.acknowledged
    volume = Volume.open(settings_for(folder, allow_unproven=False), key)
    assert_kept(volume, acknowledged)
    assert len(acknowledged) >= KILLS
    assert_sound(volume)
    volume.rebuild_index()
    assert volume.state().objects >= len(acknowledged)
    volume.close()
    record_fault(
        "F2",
        observed="every answer held; the index made anew was the same",
        figure=f"{KILLS} kills, {len(acknowledged)} answers, 0 lost",
    )


class Writer:
    """A process that stores packages as fast as it can and says which were acknowledged."""

    def __init__(self, folder: Path, key: Path, prefix: str) -> None:
        self.acknowledged: dict[str, tuple[int, str]] = {}  # newest version, and its inventory
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(key), prefix],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def read_line(self) -> bool:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.endswith("\n"):
            object_id, version, inventory_sha256 = line.split()
            self.acknowledged[object_id] = int(version), inventory_sha256
        return line != ""

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Nothing is written meanwhile, so that the copy of an image is of one moment."""
        self._process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 30
        while set(self._thread_states()) != {"T"}:
            assert time.monotonic() < deadline, "the writer does not stop"
        yield
        self._process.send_signal(signal.SIGCONT)

    def _thread_states(self) -> list[str]:
        tasks = Path(f"/proc/{self._process.pid}/task")
        return [
            (task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()
        ]

    def kill(self) -> None:
        """SIGKILL, then read what it had said before. May be called again."""
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        while self.read_line():
            pass
        self._process.wait()
        self._process.stdout.close()


def writer(folder: Path, key: Path, prefix: str) -> Writer:
    return Writer(folder, key, prefix)


def read_lines(process: Writer, count: int) -> None:
    for _ in range(count):
        assert process.read_line(), "the writer ended by itself"
