"""A small package is read from staging once, whichever number of nodes it goes to."""

from dataclasses import dataclass, field

import pytest

from replication.peers import Peer
from replication.placements import Placements
from replication.put_writer import Progress, PutRefused, PutSource
from replication.staged_source import HeldSource, HeldStream, StagingChanged
from replication.writer import CopyWriter, PackageToStore, ProvenCopy, StoreRefused
from storage.model import SignedAnswer
from storage.volume.order import StoreOrder

MIB = 1024 * 1024


@dataclass
class CountedStream:
    """A staged stream that counts how often it is opened, read and closed."""

    stream: bytes
    opened: int = 0
    closed: int = 0
    reads: list[tuple[int, int]] = field(default_factory=list)

    def open(self) -> "CountedStream":
        self.opened += 1
        return self

    async def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.stream[offset : offset + length]

    def close(self) -> None:
        self.closed += 1


@dataclass
class ReadingNode:
    """Takes a stream in pieces, and then will not have it."""

    heard: bytes = b""

    async def put(
        self, order: StoreOrder, source: PutSource, progress: Progress | None = None
    ) -> SignedAnswer:
        for offset in range(0, order.total_bytes, 65536):
            self.heard += await source.read(offset, min(65536, order.total_bytes - offset))
        raise PutRefused("enough", "content-refused")


async def _stored(stream: CountedStream) -> list[ReadingNode]:
    nodes = {f"node-{number}": ReadingNode() for number in (1, 2, 3)}
    peers = [Peer(name, f"tcp://{name}", "k", "0" * 64, name) for name in nodes]
    order = StoreOrder("0" * 32, "lantai:s/a", 1, 1, 10, 10, len(stream.stream) - 20, 1, "", "")

    async def proven(_copy: ProvenCopy) -> None:
        raise AssertionError("no node answers here")

    package = PackageToStore(order, stream.open, proven, lambda _written: None)
    with pytest.raises(ExceptionGroup) as refused:
        await CopyWriter(nodes, Placements(peers, 3)).store(package)
    assert refused.group_contains(StoreRefused)
    return list(nodes.values())


async def test_a_small_package_is_read_once_for_all_nodes() -> None:
    stream = CountedStream(bytes(range(256)) * 1000)
    nodes = await _stored(stream)
    assert stream.reads == [(0, len(stream.stream))]
    assert (stream.opened, stream.closed) == (1, 1)
    assert any(node.heard == stream.stream for node in nodes)


async def test_a_large_package_is_opened_for_each_node_and_never_held() -> None:
    stream = CountedStream(b"x" * (4 * MIB + 1))
    await _stored(stream)
    assert (stream.opened, stream.closed) == (3, 3)
    assert max(length for _, length in stream.reads) == 65536


async def test_a_held_stream_does_not_read_behind_its_end() -> None:
    source = HeldSource(HeldStream(b"abcdef"), CountedStream(b"").open)
    assert await source.read(2, 4) == b"cdef"
    with pytest.raises(StagingChanged, match="only 6 bytes"):
        await source.read(2, 5)


async def test_what_is_not_held_any_more_is_read_from_staging() -> None:
    """1. A quick node reads. 2. The stream is let go. 3. A slow one goes on, and closes."""
    staged = CountedStream(b"abcdef")
    held = HeldStream(staged.stream)
    source = HeldSource(held, staged.open)
    assert await source.read(0, 2) == b"ab"
    held.let_go()
    assert await source.read(2, 4) == b"cdef"
    source.close()
    assert (staged.reads, staged.opened, staged.closed) == ([(2, 4)], 1, 1)
