"""A process that serves the view of copies on disk, started by test_view_mount.py.

The view must not be mounted by the process that reads it. Takes one JSON document on standard
input; says `ready` on standard output once mounted, and each bad copy on a line of its own.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from replication.copies import BadCopy
from replication.reader import ReaderLimits, VerifiedReader
from storage.view.holdings import HeldVersion
from storage.view.mount import ViewSettings, serve_view
from storage.view.starter import inherited_descriptor
from tests.stored_copies import FixedHoldings, FolderNode


class Orders(msgspec.Struct):
    """What to show, and where."""

    mountpoint: str
    nodes: list[str]
    folders: dict[str, str]  # object id → folder of the object below each node
    packages: dict[str, dict[str, list[HeldVersion]]]
    spool_folder: str
    block_bytes_max: int = 16 * 1024 * 1024
    allow_other: bool = False


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(bad: BadCopy) -> None:
    _say(f"damaged {bad.node} {bad.damage.kind} {bad.damage.path}")


async def serve(orders: Orders) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    nodes = {Path(node).name: FolderNode(Path(node), orders.folders) for node in orders.nodes}
    limits = ReaderLimits(block_bytes_max=orders.block_bytes_max)
    reader = VerifiedReader(nodes, _tell, Path(orders.spool_folder), limits)
    settings = ViewSettings(
        Path(orders.mountpoint), orders.allow_other, inherited_descriptor(os.environ)
    )
    holdings = FixedHoldings(orders.packages)
    await serve_view(holdings, reader, settings, stop, lambda: _say("ready"))
    await reader.close()


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)))
