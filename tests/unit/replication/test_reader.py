"""Reading from nodes that lie, fail, and hang: the right bytes, or an error. Never a wrong byte."""

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from replication.copies import BadCopy, Patience
from replication.reader import ReaderLimits, VerifiedReader
from storage.blocks import LEAF_BYTES
from storage.errors import VerificationFailed
from storage.model import BLOCK_BYTES
from storage.sweep.model import DamageKind
from storage.view.listing import ListedFile
from storage.view.reader import CopiesUnreachable, ViewFile
from tests.stored_copies import FolderNode, Written, write_copies

BIG = random.Random(5).randbytes(3 * BLOCK_BYTES + 17)
SMALL = b"BagIt-Version: 1.0\n"
FILES = {b"bagit.txt": SMALL, b"data/empty": b"", b"data/scan.tif": BIG}
BIG_PATH = "v1/content/received/data/scan.tif"
PATIENCE = Patience(request_s=0.2)


class Silent(FolderNode):
    """Takes the question and never answers."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        self.asked.append((path, offset))
        await asyncio.Event().wait()
        raise AssertionError

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        return await self.read(object_id, path, first, count)


class Refusing(FolderNode):
    """Its connection is refused."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        raise ConnectionRefusedError("nobody there")


class FlipsBits(FolderNode):
    """Answers everything with one bit turned."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        data = bytearray(await super().read(object_id, path, offset, length))
        if data:
            data[len(data) // 2] ^= 1
        return bytes(data)


class FlipsContent(FlipsBits):
    """Tells the truth about its lists, and lies about content."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        honest = "/received/" not in path
        node = FolderNode if honest else FlipsBits
        return await node.read(self, object_id, path, offset, length)


class Truncates(FolderNode):
    """Answers with half of what was asked."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        data = await super().read(object_id, path, offset, length)
        return data[: len(data) // 2]


class SaysTooMuch(FolderNode):
    """Answers with more than was asked, the right bytes first."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        return await super().read(object_id, path, offset, length) + b"x"


class NeverEnds(FolderNode):
    """Answers every question about a list with a full block of zeros."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        return bytes(length)


class OtherBlocks(FolderNode):
    """Serves the file's blocks in another order: each is genuine, in the wrong place."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        if path == BIG_PATH and offset < 2 * BLOCK_BYTES:
            offset = BLOCK_BYTES - offset
        return await super().read(object_id, path, offset, length)


class InventsLeaves(FlipsContent):
    """Lies about content and gives a block list that agrees with the lie."""

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        return bytes(count * LEAF_BYTES)


class FewLeaves(FolderNode):
    """Gives a block list that is one short."""

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        return (await super().blocks(object_id, path, first, count))[:-LEAF_BYTES]


class OtherObject(FolderNode):
    """Answers with another object's files: an inventory in perfect order, of something else."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        return await super().read("lantai:gov/other", path, offset, length)


LIARS = (
    FlipsBits,
    FlipsContent,
    Truncates,
    SaysTooMuch,
    OtherBlocks,
    InventsLeaves,
    FewLeaves,
    OtherObject,
)


@dataclass
class Archive:
    """An object on three nodes, and what the reader reported."""

    folder: Path
    written: Written
    folders: dict[str, str]
    reports: list[BadCopy] = field(default_factory=list)
    nodes: dict[str, FolderNode] = field(default_factory=dict)

    def reader(
        self, kinds: Sequence[type[FolderNode]], limits: ReaderLimits | None = None
    ) -> VerifiedReader:
        self.nodes = {
            f"node-{number}": kind(self.folder / f"node-{number}", self.folders)
            for number, kind in enumerate(kinds, start=1)
        }
        limits = limits or ReaderLimits(patience=PATIENCE, blocks_ahead=0)
        return VerifiedReader(self.nodes, self.reports.append, self.folder, limits)

    async def file(self, reader: VerifiedReader, path: str) -> ViewFile:
        listed = (await reader.files(self.written.held)).files.find(path)
        assert isinstance(listed, ListedFile)
        return ViewFile(self.written.held, listed.entry)

    async def read(self, reader: VerifiedReader, name: bytes) -> bytes:
        file = await self.file(reader, f"received/{name.decode()}")
        return await reader.read(file, 0, file.entry.size_bytes)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    nodes = [tmp_path / f"node-{number}" for number in (1, 2, 3)]
    for node in nodes:
        node.mkdir()
    written = write_copies(nodes, "lantai:gov/case-1", FILES)
    other = write_copies(
        nodes, "lantai:gov/other", {name: b"other" + c for name, c in FILES.items()}
    )
    folders = {one.held.object_id: one.folder for one in (written, other)}
    return Archive(tmp_path, written, folders)


async def test_honest_nodes_give_every_file(archive: Archive) -> None:
    reader = archive.reader([FolderNode] * 3)
    for name, content in FILES.items():
        assert await archive.read(reader, name) == content
    assert archive.reports == []
    assert {path for path, _ in archive.nodes["node-2"].asked} == set()


async def test_any_range_is_what_was_sent(archive: Archive) -> None:
    reader = archive.reader([FolderNode] * 3)
    file = await archive.file(reader, "received/data/scan.tif")
    chance = random.Random(11)
    for _ in range(100):
        offset = chance.randrange(len(BIG) + 100)
        length = chance.randrange(2 * BLOCK_BYTES)
        assert await reader.read(file, offset, length) == BIG[offset : offset + length]


@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
async def test_a_liar_is_found_out_and_the_next_node_asked(
    archive: Archive, liar: type[FolderNode]
) -> None:
    reader = archive.reader([liar, FolderNode, FolderNode])
    for name, content in FILES.items():
        assert await archive.read(reader, name) == content
    assert {report.node for report in archive.reports} == {"node-1"}


@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
async def test_liars_alone_give_an_error_and_no_byte(
    archive: Archive, liar: type[FolderNode]
) -> None:
    reader = archive.reader([liar] * 3)
    with pytest.raises(VerificationFailed):
        await archive.read(reader, b"data/scan.tif")
    assert {report.node for report in archive.reports} == {"node-1", "node-2", "node-3"}


async def test_a_node_that_never_ends_is_cut_off(archive: Archive) -> None:
    limits = ReaderLimits(whole_bytes_max=8 * BLOCK_BYTES)
    reader = archive.reader([NeverEnds, FolderNode, FolderNode], limits)
    assert await archive.read(reader, b"bagit.txt") == SMALL


@pytest.mark.parametrize("dead", [Silent, Refusing], ids=lambda dead: dead.__name__)
async def test_a_dead_node_is_passed_over_and_then_asked_last(
    archive: Archive, dead: type[FolderNode]
) -> None:
    reader = archive.reader([dead, FolderNode, FolderNode])
    for name, content in FILES.items():
        assert await archive.read(reader, name) == content
    assert archive.reports == [], "silence says nothing about the copy"
    assert len(archive.nodes["node-1"].asked) <= 1


async def test_silence_everywhere_is_unreachable_and_no_verdict(archive: Archive) -> None:
    reader = archive.reader([Silent] * 3)
    with pytest.raises(CopiesUnreachable):
        await reader.files(archive.written.held)
    assert archive.reports == []


async def test_one_silent_node_beside_liars_leaves_hope(archive: Archive) -> None:
    """A good copy may be on the node that did not answer: so it is not "damaged everywhere"."""
    reader = archive.reader([FlipsBits, Silent, FlipsBits])
    with pytest.raises(CopiesUnreachable):
        await reader.files(archive.written.held)


async def test_a_node_that_is_not_connected_leaves_hope(archive: Archive) -> None:
    reader = archive.reader([FlipsBits, FlipsBits])
    with pytest.raises(CopiesUnreachable, match="node-3"):
        await reader.files(archive.written.held)


async def test_a_missing_file_is_reported_as_missing(archive: Archive) -> None:
    reader = archive.reader([FolderNode] * 3)
    path = "v1/content/received/bagit.txt"
    archive.nodes["node-1"].path("lantai:gov/case-1", path).unlink()
    assert await archive.read(reader, b"bagit.txt") == SMALL
    (report,) = archive.reports
    assert (report.node, report.damage.kind, report.damage.path) == (
        "node-1",
        DamageKind.MISSING,
        path,
    )


async def test_a_damaged_copy_is_reported_once_and_asked_last(archive: Archive) -> None:
    reader = archive.reader([FlipsContent, FolderNode, FolderNode])
    file = await archive.file(reader, "received/data/scan.tif")
    for index in range(4):
        await reader.read(file, index * BLOCK_BYTES, 10)
    assert len(archive.reports) == 1
    assert len([path for path, _ in archive.nodes["node-1"].asked if path == BIG_PATH]) == 1


async def test_each_kind_of_damage_has_its_name(archive: Archive) -> None:
    file = await archive.file(archive.reader([FolderNode] * 3), "received/data/scan.tif")
    reader = archive.reader([Truncates, FlipsBits, FolderNode])
    await reader.read(file, 0, 10)
    await reader.files(archive.written.held)
    assert {(report.node, report.damage.kind) for report in archive.reports} == {
        ("node-1", DamageKind.TRUNCATED),
        ("node-2", DamageKind.ALTERED),
    }
    archive.reports.clear()
    await archive.reader([Truncates, FolderNode, FolderNode]).files(archive.written.held)
    assert [report.damage.kind for report in archive.reports] == [DamageKind.INVENTORY_DAMAGED]


async def test_readers_at_the_same_time_fetch_a_block_once(archive: Archive) -> None:
    reader = archive.reader([FolderNode] * 3)
    file = await archive.file(reader, "received/data/scan.tif")
    parts = await asyncio.gather(
        *(reader.read(file, offset, 100) for offset in range(0, 5000, 100))
    )
    assert b"".join(parts) == BIG[:5000]
    assert archive.nodes["node-1"].asked.count((BIG_PATH, 0)) == 1


async def test_what_is_kept_is_bounded(archive: Archive) -> None:
    limits = ReaderLimits(block_bytes_max=BLOCK_BYTES, blocks_ahead=0)
    reader = archive.reader([FolderNode] * 3, limits)
    file = await archive.file(reader, "received/data/scan.tif")
    for index in (0, 1, 2, 0):
        await reader.read(file, index * BLOCK_BYTES, 10)
    assert archive.nodes["node-1"].asked.count((BIG_PATH, 0)) == 2


async def test_a_file_read_in_order_is_fetched_ahead(archive: Archive) -> None:
    reader = archive.reader([FolderNode] * 3, ReaderLimits(blocks_ahead=2))
    file = await archive.file(reader, "received/data/scan.tif")
    await reader.read(file, 0, 1000)
    assert archive.nodes["node-1"].asked.count((BIG_PATH, BLOCK_BYTES)) == 0
    await reader.read(file, 1000, 1000)
    await reader.read(file, 2 * BLOCK_BYTES, 10)
    await reader.close()
    offsets = [offset for path, offset in archive.nodes["node-1"].asked if path == BIG_PATH]
    assert sorted(offsets) == [index * BLOCK_BYTES for index in range(len(set(offsets)))]


async def test_a_reader_that_gives_up_leaves_the_others_their_answer(archive: Archive) -> None:
    reader = archive.reader([FolderNode] * 3)
    file = await archive.file(reader, "received/data/scan.tif")
    impatient = asyncio.create_task(reader.read(file, 0, 10))
    patient = asyncio.create_task(reader.read(file, 0, 10))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == BIG[:10]
    assert impatient.cancelled()


async def test_records_have_their_sizes_and_can_be_read(archive: Archive) -> None:
    reader = archive.reader([FlipsBits, FolderNode, FolderNode])
    records = await reader.records(archive.written.held)
    names = [child.name for child in records.children("lantai")]
    assert names == ["files.jsonl", "package.json"]
    listed = records.find("lantai/package.json")
    assert isinstance(listed, ListedFile)
    assert await reader.read(ViewFile(archive.written.held, listed.entry), 0, 100) == b"{}\n"


async def test_a_record_of_many_megabytes_is_read_through_the_spool(tmp_path: Path) -> None:
    report = random.Random(3).randbytes(5 * BLOCK_BYTES)
    node = tmp_path / "node-1"
    node.mkdir()
    written = write_copies([node], "lantai:gov/x", {b"a": b"a"}, records={"lantai/report": report})
    nodes = {"node-1": FolderNode(node, {"lantai:gov/x": written.folder})}
    reader = VerifiedReader(nodes, lambda bad: None, tmp_path)
    listed = (await reader.records(written.held)).find("lantai/report")
    assert isinstance(listed, ListedFile)
    file = ViewFile(written.held, listed.entry)
    assert await reader.read(file, 3 * BLOCK_BYTES, 100) == report[3 * BLOCK_BYTES :][:100]
    assert await reader.read(file, 0, len(report)) == report


async def test_lists_of_many_megabytes_are_read_through_the_spool(tmp_path: Path) -> None:
    """Inventory and file list of 6 000 files are over 1 MiB each: mapped, not held."""
    node = tmp_path / "node-1"
    node.mkdir()
    many = {b"data/%05d.pdf" % number: b"%d" % number for number in range(6000)}
    written = write_copies([node], "lantai:gov/x", many)
    assert (node / written.folder / "v1/inventory.json").stat().st_size > BLOCK_BYTES
    reader = VerifiedReader(
        {"node-1": FolderNode(node, {"lantai:gov/x": written.folder})}, lambda bad: None, tmp_path
    )
    files = (await reader.files(written.held)).files
    assert sum(1 for _ in files.children("received/data")) == 6000
    listed = files.find("received/data/04321.pdf")
    assert isinstance(listed, ListedFile)
    assert await reader.read(ViewFile(written.held, listed.entry), 0, 10) == b"4321"


async def test_an_object_without_a_file_list_is_not_read_on_trust(archive: Archive) -> None:
    """As one that another system wrote, or one from before `lantai/files.jsonl`."""
    inventory = archive.folder / "node-1" / archive.written.folder / "v1" / "inventory.json"
    text = inventory.read_text().replace("lantai/files.jsonl", "lantai/other.jsonl")
    inventory.write_text(text)
    held = replace(
        archive.written.held,
        inventory_sha256=hashlib.sha256(text.encode()).hexdigest(),
        holders=("node-1",),
    )
    reader = archive.reader([FolderNode] * 3)
    with pytest.raises(VerificationFailed, match="cannot be read one by one"):
        await reader.files(held)
