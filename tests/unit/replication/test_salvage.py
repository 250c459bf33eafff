"""What is still good of a file whose every copy is damaged, and putting it together from that."""

import hashlib
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from replication.reader import VerifiedReader
from replication.salvage import BlockLost, BlocksUnknown, Salvage, blocks_of
from storage.model import BLOCK_BYTES
from storage.sweep.model import Verdict
from storage.view.listing import ListedFile
from storage.view.reader import ViewFile
from tests.stored_copies import FolderNode, Written, write_copies

BIG = random.Random(7).randbytes(3 * BLOCK_BYTES + 17)
SMALL = b"BagIt-Version: 1.0\n"
BIG_PATH = "v1/content/received/data/scan.tif"
SMALL_PATH = "v1/content/received/bagit.txt"
NAMES = ("node-1", "node-2", "node-3")


class ListedNode(FolderNode):
    """Keeps its block lists apart, as a volume does: damage to a file leaves them alone."""

    def __init__(self, folder: Path, folders: dict[str, str], leaves: bytes) -> None:
        super().__init__(folder, folders)
        self._leaves = leaves

    async def blocks(self, object_id: str, path: str, first: int, count: int) -> bytes:
        return self._leaves[first * 32 : (first + count) * 32]


class Away(FolderNode):
    """Its connection is refused."""

    async def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        raise ConnectionRefusedError("nobody there")


class World:
    """Three copies of one object, to be damaged."""

    def __init__(self, folder: Path) -> None:
        self.folders = [folder / name for name in NAMES]
        for each in self.folders:
            each.mkdir()
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.written: Written = write_copies(
            self.folders, "lantai:s/1", {b"bagit.txt": SMALL, b"data/scan.tif": BIG}
        )
        self._where = {"lantai:s/1": self.written.folder}

    def file(self, node: int, path: str) -> Path:
        return self.folders[node] / self.written.folder / path

    def damage(self, node: int, block: int) -> None:
        with self.file(node, BIG_PATH).open("r+b") as stream:
            stream.seek(block * BLOCK_BYTES + 5)
            stream.write(b"#")

    async def nodes(self, leaves: bytes | None = None) -> dict[str, FolderNode]:
        honest = await FolderNode(self.folders[0], self._where).blocks(
            "lantai:s/1", BIG_PATH, 0, 100
        )
        given = honest if leaves is None else leaves
        return {
            name: ListedNode(folder, self._where, given)
            for name, folder in zip(NAMES, self.folders, strict=True)
        }

    async def view_file(self, path: str, nodes: dict[str, FolderNode]) -> ViewFile:
        reader = VerifiedReader(nodes, lambda _bad: None, self.spool)
        found = (await reader.files(self.written.held)).files.find(path)
        await reader.close()
        assert isinstance(found, ListedFile)
        return ViewFile(self.written.held, found.entry)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def opened(
    world: World, path: str, damage: Sequence[tuple[int, int]] = ()
) -> tuple[Salvage, ViewFile]:
    nodes = await world.nodes()
    file = await world.view_file(path, nodes)
    for node, block in damage:
        world.damage(node, block)
    return Salvage(nodes), file


async def test_each_block_of_each_copy_is_judged(world: World) -> None:
    salvage, file = await opened(world, "received/data/scan.tif", [(0, 0), (1, 1), (1, 2)])
    os.truncate(world.file(2, BIG_PATH), 3 * BLOCK_BYTES + 1)
    judged = await salvage.blocks(file, 0, 100)
    assert [each.index for each in judged] == [0, 1, 2, 3]
    assert [each.good_nodes for each in judged] == [
        ("node-2", "node-3"),
        ("node-1", "node-3"),
        ("node-1", "node-3"),
        ("node-1", "node-2"),
    ]
    assert judged[0].verdicts["node-1"] is Verdict.ALTERED
    assert judged[3].verdicts["node-3"] is Verdict.TRUNCATED


async def test_a_file_is_put_together_from_three_bad_copies(world: World) -> None:
    """No copy is whole; each block is good somewhere."""
    salvage, file = await opened(world, "received/data/scan.tif", [(0, 0), (1, 1), (2, 2)])
    found = [await salvage.block(file, index) for index in range(blocks_of(len(BIG)))]
    assert b"".join(each.data for each in found) == BIG
    assert len({each.node for each in found}) > 1


async def test_a_block_that_is_bad_everywhere_is_lost_and_never_given(world: World) -> None:
    salvage, file = await opened(world, "received/data/scan.tif", [(0, 2), (1, 2), (2, 2)])
    (third,) = await salvage.blocks(file, 2, 1)
    assert third.good_nodes == ()
    with pytest.raises(BlockLost):
        await salvage.block(file, 2)


async def test_a_small_file_is_one_block(world: World) -> None:
    salvage, file = await opened(world, "received/bagit.txt")
    world.file(0, SMALL_PATH).write_bytes(b"BagIt-Version: 9.9\n")
    world.file(1, SMALL_PATH).unlink()
    (only,) = await salvage.blocks(file, 0, 10)
    assert dict(only.verdicts) == {
        "node-1": Verdict.ALTERED,
        "node-2": Verdict.MISSING,
        "node-3": Verdict.INTACT,
    }
    assert hashlib.sha256((await salvage.block(file, 0)).data).hexdigest() == file.entry.sha256


async def test_a_node_away_by_plan_is_not_waited_for_and_a_block_is_still_asked_of_it(
    world: World,
) -> None:
    salvage, file = await opened(world, "received/bagit.txt")
    for number in (0, 1):
        world.file(number, SMALL_PATH).unlink()
    (only,) = await salvage.blocks(file, 0, 1, frozenset({"node-3"}))
    assert only.verdicts["node-3"] is Verdict.AWAY
    assert only.good_nodes == ()
    assert (await salvage.block(file, 0)).node == "node-3"


async def test_a_node_that_does_not_answer_is_unreachable_and_not_damaged(world: World) -> None:
    nodes = await world.nodes()
    file = await world.view_file("received/bagit.txt", nodes)
    nodes["node-2"] = Away(world.folders[1], {})
    (only,) = await Salvage(nodes).blocks(file, 0, 1)
    assert only.verdicts["node-2"] is Verdict.UNREACHABLE
    assert not only.verdicts["node-2"].is_damage


async def test_without_a_block_list_of_the_signed_root_no_block_is_judged(world: World) -> None:
    file = await world.view_file("received/data/scan.tif", await world.nodes())
    salvage = Salvage(await world.nodes(leaves=bytes(4 * 32)))
    with pytest.raises(BlocksUnknown):
        await salvage.blocks(file, 0, 1)
