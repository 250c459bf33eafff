"""A sender that goes on sending while something happens to the archive, and what became of it.

Copies are counted by reading the nodes' disks, never by asking anybody.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from daemon.demo.layout import SOURCE, DemoLayout
from storage.ocfl.layout import object_folder
from tests.appliance import Sender, Sent, expect_receipt, tree


@dataclass
class SteadySender:
    """Sends a package every now and then, and remembers the fewest good copies it ever saw."""

    layout: DemoLayout
    sender: Sender
    nodes: Sequence[str]
    pause_s: float
    fewest: int = 99
    looks: int = 0
    sent: list[Sent] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Send and count, one package every `pause_s`, until told to stop."""
        while not stop.is_set():
            self.sent += self.sender.send()
            await asyncio.to_thread(self.look)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pause_s):
                    await stop.wait()

    def look(self) -> None:
        """Count the copies of every package whose receipt has left."""
        self.looks += 1
        for package in list(self.sent):
            if has_receipt(self.layout, package):
                self.fewest = min(self.fewest, good_copies(self.layout, package, self.nodes))

    def answered(self) -> bool:
        """Whether every package has its stored receipt."""
        return all(has_receipt(self.layout, package) for package in self.sent)

    def expect_all_kept(self, nodes: Sequence[str], copies: int = 3) -> None:
        """Nothing rejected, one verifying receipt each, and so many copies on these nodes."""
        assert not list(self.layout.returned.glob("*.rejected.json"))
        for package in self.sent:
            expect_receipt(self.layout, package, package.files)
            assert good_copies(self.layout, package, nodes) >= copies, package.name


@asynccontextmanager
async def steadily(steady: SteadySender) -> AsyncIterator[SteadySender]:
    """Sends until the block ends."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as sending:
        sending.create_task(steady.run(stop))
        try:
            yield steady
        finally:
            stop.set()


def has_receipt(layout: DemoLayout, package: Sent) -> bool:
    return (layout.returned / f"{package.name}.stored.json").exists()


def good_copies(layout: DemoLayout, package: Sent, nodes: Sequence[str]) -> int:
    """On how many of these disks the package is, byte for byte."""
    return sum(is_whole(layout, node, package) for node in nodes)


def is_whole(layout: DemoLayout, node: str, package: Sent) -> bool:
    """Whether this disk has every byte of it; a copy that vanishes while it is read has not."""
    folder = layout.root(node) / object_folder(f"lantai:{SOURCE}/{package.name}")
    try:
        return tree(folder / "v1/content/received") == package.files
    except FileNotFoundError:
        return False
