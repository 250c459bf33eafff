"""The stream of a put is the file list, the inventory and every file, at any offset."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication.staged_source import StagedPutSource, StagingChanged
from storage.digests import sha256_of_file
from storage.file_list import write_file_list
from storage.model import FileEntry

SIZES = {"received/a": 0, "received/b": 1, "received/c": 700, "received/d": 0, "received/e": 33}


class Staged:
    def __init__(self, folder: Path) -> None:
        entries = []
        content = b""
        for path, size in SIZES.items():
            file = folder / "content" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(bytes(len(content) + i & 255 for i in range(size)))
            content += file.read_bytes()
            entries.append(FileEntry(path, size, sha256_of_file(file), None))
        self.file_list = folder / "file-list.jsonl"
        self.inventory = folder / "inventory.json"
        self.content = folder / "content"
        write_file_list(entries, self.file_list)
        self.inventory.write_bytes(b'{"an": "inventory"}')
        self.stream = self.file_list.read_bytes() + self.inventory.read_bytes() + content

    def source(self) -> StagedPutSource:
        return StagedPutSource(self.file_list, self.inventory, self.content)


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    return Staged(tmp_path)


@pytest.mark.parametrize("step", [1, 7, 256, 10_000])
async def test_reading_in_order_gives_every_byte_once(staged: Staged, step: int) -> None:
    source = staged.source()
    total = len(staged.stream)
    read = [
        await source.read(offset, min(step, total - offset)) for offset in range(0, total, step)
    ]
    source.close()
    assert b"".join(read) == staged.stream


@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(1, 900)), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
async def test_any_range_may_be_read_at_any_time(
    staged: Staged, ranges: list[tuple[int, int]]
) -> None:
    source = staged.source()
    total = len(staged.stream)
    for start, length in ranges:
        offset = start % total
        wanted = staged.stream[offset : offset + length]
        assert await source.read(offset, len(wanted)) == wanted
    source.close()


async def test_a_file_that_became_shorter_is_noticed(staged: Staged) -> None:
    (staged.content / "received/c").write_bytes(b"short")
    source = staged.source()
    with pytest.raises(StagingChanged, match="received/c is shorter"):
        await source.read(0, len(staged.stream))
    source.close()


async def test_reading_past_the_end_is_refused(staged: Staged) -> None:
    source = staged.source()
    with pytest.raises(StagingChanged, match="has only"):
        await source.read(len(staged.stream), 1)
    source.close()
