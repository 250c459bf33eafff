"""A sweep that is killed again and again skips nothing and repeats little.

LANTAI_SWEEP_KILLS says how often (default 8; 100 was shown when this was written, see
docs/operations/sweep.md).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from storage.ocfl.layout import object_folder
from storage.signing import SigningKey
from storage.sweep.trail import TrailRule
from storage.volume.volume import Volume
from tests.volume_packages import make_package, new_volume, settings_for, store

KILLS = int(os.environ.get("LANTAI_SWEEP_KILLS", "8"))
MIB = 1024 * 1024
RATE = 48 * MIB
# A life reads up to so much before it is killed.
REACH_BYTES = 80 * MIB
# The product's 20 s, 30 s and 1 GiB, made small.
RULE = TrailRule(batch_s=0.4, seconds_max=0.5, bytes_max=4 * MIB, large_file_bytes=6 * MIB)
# What a kill may cost: the rule's two times, and one more read of each process and its successor.
LOST_S_MAX = RULE.batch_s + RULE.seconds_max + 0.3
CHILD = Path(__file__).with_name("sweep_until_killed.py")
ENDS_S = 120


@dataclass
class Sweep:
    """Lives of one sweep over one volume."""

    folder: Path
    key: Path
    log: Path

    def live(self) -> subprocess.Popen[bytes]:
        self.log.write_bytes(b"%20d" % 0)
        spec = {
            "folder": str(self.folder),
            "key": str(self.key),
            "log": str(self.log),
            "rate": RATE,
            "rule": asdict(RULE),
        }
        project = str(CHILD.parents[2])
        environment = os.environ | {"PYTHONPATH": project}
        command = [sys.executable, str(CHILD), json.dumps(spec)]
        return subprocess.Popen(command, env=environment, cwd=project, start_new_session=True)

    def read_bytes(self) -> int:
        return int(self.log.read_bytes())


def flip(path: Path, offset: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as stream:
        stream.seek(offset)
        byte = stream.read(1)[0]
        stream.seek(offset)
        stream.write(bytes([byte ^ 1]))
        stream.flush()
        os.fsync(stream.fileno())


async def filled(folder: Path, key: SigningKey) -> dict[str, str]:
    """Small, many-filed and large objects; one byte flipped in each but every fifth. What is to be
    found: object id → path."""
    volume = new_volume(folder, key)
    damaged: dict[str, str] = {}
    for number in range(60):
        object_id = f"lantai:s/{number}"
        if number % 20 == 7:
            files = {"received/scan.tif": os.urandom(40 * MIB)}
        elif number % 20 == 13:
            files = {f"received/{file:04d}": os.urandom(30_000) for file in range(400)}
        else:
            files = {f"received/{file}": os.urandom(40_000) for file in range(6)}
        await store(volume, make_package(files, object_id))
        if number % 5:
            path = f"v1/content/{sorted(files)[number % len(files)]}"
            damaged[object_id] = path
            size = (volume.root / object_folder(object_id) / path).stat().st_size
            flip(volume.root / object_folder(object_id) / path, random.randrange(size))
    volume.close()
    os.sync()
    return damaged


@pytest.mark.timeout(200 + 10 * KILLS)
async def test_a_sweep_killed_at_random_points_skips_nothing_and_repeats_little(
    tmp_path: Path, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """1. A volume with a damaged byte in four of five objects, and a copy of it that is swept once
    without a kill. 2. The sweep of other copies is killed at random points, as often as KILLS
    says, and each left to end. 3. Every damage was found, every sound object was checked, and what
    was read in all lives is one pass and, for each kill, what the rule allows."""
    seed = int(time.time())
    random.seed(seed)
    key = SigningKey.generate()
    key.save(tmp_path / "key.pem")
    damaged = await filled(tmp_path / "node", key)
    twin = Sweep(copied(tmp_path, "twin"), tmp_path / "key.pem", tmp_path / "twin.log")
    assert twin.live().wait(ENDS_S) == 0
    once = twin.read_bytes()

    kills, lost_bytes = 0, 0
    while kills < KILLS:
        folder = copied(tmp_path, f"after-{kills}")
        sweep = Sweep(folder, tmp_path / "key.pem", tmp_path / "log")
        read: list[int] = []
        while kills < KILLS:
            ended = await killed(sweep, wait_until)
            read.append(sweep.read_bytes())
            if ended:
                break
            kills += 1
        if not ended:
            assert sweep.live().wait(ENDS_S) == 0
            read.append(sweep.read_bytes())
        assert judged(folder, key) == damaged, f"seed {seed}"
        lost_bytes += sum(read) - once
        shutil.rmtree(folder)
    lost_s = lost_bytes / kills / RATE
    print(f"{kills} kills, seed {seed}: {lost_s:.2f} s of reading lost with each")
    assert lost_s < LOST_S_MAX, f"seed {seed}"


async def killed(sweep: Sweep, wait_until: Callable[..., Awaitable[None]]) -> bool:
    """One life, killed after some reading; True if it ended before, by itself."""
    process, reach = sweep.live(), random.randrange(REACH_BYTES)
    await wait_until(
        lambda: sweep.read_bytes() > reach or process.poll() is not None, within_s=ENDS_S
    )
    ended = process.poll() is not None
    if not ended:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return ended


def copied(folder: Path, name: str) -> Path:
    """The damaged volume again, on the medium."""
    shutil.copytree(folder / "node", folder / name, symlinks=True)
    os.sync()
    return folder / name


def judged(folder: Path, key: SigningKey) -> dict[str, str]:
    """What was found altered; every other object has been checked in the pass."""
    volume = Volume.open(settings_for(folder), key)
    began_at = volume.current_passes()[0].started_at
    found = {each.object_id: each.path for each in volume.findings(0, 1000)}
    skipped = {
        each.object_id
        for each in volume.objects("", 1000)
        if each.object_id not in found and each.checked_at < began_at
    }
    volume.close()
    assert skipped == set()
    return found
