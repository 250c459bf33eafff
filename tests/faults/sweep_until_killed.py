"""A node's sweep as a process of its own, for tests that kill it: `sweep_until_killed.py SPEC`.

SPEC is JSON: folder, key, rate, rule (of the trail), log. Every 5 ms the
bytes read so far in this life are written to `log`, so that whoever kills it knows them. Ends by
itself when the pass has finished.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from storage.signing import SigningKey
from storage.sweep.plan import SweepSettings
from storage.sweep.sweeper import Sweeper, TrailPlace
from storage.sweep.trail import TrailRule
from storage.volume.settings import VolumeSettings
from storage.volume.volume import Volume

_TICK_S = 0.005


async def main(spec: dict[str, Any]) -> None:
    """Sweep until the first pass has finished."""
    root = Path(spec["folder"]) / "root"
    settings = VolumeSettings(root, "node-1", "room-a", reserve_bytes=0, allow_unproven=True)
    volume = Volume.open(settings, SigningKey.load(Path(spec["key"])))
    sweeper = Sweeper(
        volume,
        SweepSettings(read_bytes_per_second_max=spec["rate"], quick_period_hours=0),
        chance=0.5,
        trails=TrailPlace(settings.trails, TrailRule(**spec["rule"])),
    )
    stop = asyncio.Event()
    log = os.open(spec["log"], os.O_WRONLY | os.O_CREAT)
    async with asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(sweeper.run(stop))
        while not any(each.number == 1 and each.finished_at for each in volume.current_passes()):
            os.pwrite(log, b"%20d" % sweeper.read_bytes(), 0)
            await asyncio.wait([sweeping], timeout=_TICK_S)
        os.pwrite(log, b"%20d" % sweeper.read_bytes(), 0)
        stop.set()
    volume.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
