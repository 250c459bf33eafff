"""A process to be killed: stores packages without end, four at a time, each in two versions.

Arguments: FOLDER KEY PREFIX. After an answer has come, and only then, one line
`<object id> <version> <inventory digest>` goes to standard output.
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from storage.signing import SigningKey
from storage.volume.volume import Volume
from tests.volume_packages import make_package, send, settings_for


async def main(folder: Path, key: Path, prefix: str) -> None:
    settings = settings_for(folder, allow_unproven=False, group_wait_s=0.002)
    volume = Volume.open(settings, SigningKey.load(key))
    async with asyncio.TaskGroup() as group:
        for lane in range(4):
            group.create_task(store_without_end(volume, f"lantai:s/{prefix}-{lane}"))


async def store_without_end(volume: Volume, name: str) -> None:
    for number in count():
        package = None
        for _ in range(2):
            files = {f"received/{i}": os.urandom(1000 * i) for i in range(8)}
            package = make_package(files, f"{name}-{number}", previous=package)
            incoming = await asyncio.to_thread(send, volume, package)
            await volume.commit(incoming)
            order = package.order
            line = f"{order.object_id} {order.version} {order.inventory_sha256}\n"
            os.write(1, line.encode())


def run() -> None:
    """Never returns."""
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
