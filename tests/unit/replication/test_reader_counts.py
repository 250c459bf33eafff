"""What a reader counts: for the graphs, and for the alarms of docs/operations/alerts.md."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from replication.copies import ReaderCounts
from replication.reader import VerifiedReader
from storage.errors import VerificationFailed
from storage.view.listing import ListedFile
from storage.view.reader import ViewFile
from tests.stored_copies import FolderNode, Written, write_copies

CONTENT = b"BagIt-Version: 1.0\n"
NODES = ("node-1", "node-2", "node-3")


@pytest.fixture
def written(tmp_path: Path) -> Written:
    folders = [tmp_path / node for node in NODES]
    for folder in folders:
        folder.mkdir()
    return write_copies(folders, "lantai:gov/case-1", {b"bagit.txt": CONTENT})


@pytest.fixture
async def reader(tmp_path: Path, written: Written) -> AsyncIterator[VerifiedReader]:
    folders = {written.held.object_id: written.folder}
    nodes = {node: FolderNode(tmp_path / node, folders) for node in NODES}
    reader = VerifiedReader(nodes, lambda _bad: None, tmp_path)
    yield reader
    await reader.close()


async def read(reader: VerifiedReader, written: Written) -> bytes:
    listed = (await reader.files(written.held)).files.find("received/bagit.txt")
    assert isinstance(listed, ListedFile)
    return await reader.read(ViewFile(written.held, listed.entry), 0, 1000)


def damage(folder: Path, *nodes: str) -> None:
    for node in nodes:
        (victim,) = (folder / node).rglob("bagit.txt")
        victim.write_bytes(b"B" * len(CONTENT))


async def test_a_read_counts_once_with_the_bytes_it_passed_on(
    reader: VerifiedReader, written: Written
) -> None:
    assert await read(reader, written) == CONTENT
    assert reader.counts == ReaderCounts(reads=1, verified_bytes=len(CONTENT))


async def test_an_answer_of_another_node_is_one_failover(
    tmp_path: Path, reader: VerifiedReader, written: Written
) -> None:
    damage(tmp_path, "node-1", "node-2")
    assert await read(reader, written) == CONTENT
    assert reader.counts == ReaderCounts(1, len(CONTENT), failovers=1)


async def test_no_good_answer_is_one_refusal_and_no_byte(
    tmp_path: Path, reader: VerifiedReader, written: Written
) -> None:
    damage(tmp_path, *NODES)
    with pytest.raises(VerificationFailed):
        await read(reader, written)
    assert reader.counts == ReaderCounts(refusals=1)
