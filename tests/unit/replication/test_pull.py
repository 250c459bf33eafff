"""A pull believes nothing of its source but what hangs from the digest in the ticket."""

from collections.abc import Callable
from pathlib import Path

import pytest

from replication.pull import Piece, Pull, Wanted
from storage.blocks import FileHasher
from storage.digests import sha256_of_file
from storage.errors import LantaiError, VerificationFailed
from storage.file_list import read_file_list, write_file_list
from storage.model import FileEntry
from storage.ocfl.inventory import InventoryHeader, content_path, write_inventory
from storage.version_list import VERSION_LIST, encode_version_list

OBJECT_ID = "lantai:gov/1"
HEADER = InventoryHeader(OBJECT_ID, "2026-11-22T00:00:00Z", "taken", "archive", "lantai:gov")
SENT = {"received/a.txt": b"abc", "received/data/大.bin": bytes(range(256)) * 5000}


def entry(path: str, content: bytes) -> FileEntry:
    hasher = FileHasher()
    hasher.update(content)
    digest = hasher.finish()
    return FileEntry(path, digest.size_bytes, digest.sha256, digest.block_root)


class Copy:
    """A good copy of one object, served from memory; a liar changes what it serves."""

    def __init__(self, folder: Path, previous: "Copy | None" = None) -> None:
        """With `previous`, of version 2 beside it."""
        folder.mkdir()
        version = "v1" if previous is None else "v2"
        sent = [entry(path, content) for path, content in sorted(SENT.items())]
        write_file_list(sent, folder / "files.jsonl")
        records = {
            "lantai/files.jsonl": (folder / "files.jsonl").read_bytes(),
            "lantai/package.json": b'{"format":"lantai.package.v1"}\n',
        }
        if previous is not None:
            records[VERSION_LIST] = encode_version_list([previous.inventory_sha256])
            (folder / "previous.json").write_bytes(previous.files["v1/inventory.json"])
        whole = {**SENT, **records}
        self.files: dict[str, bytes] = {
            content_path(path, version): data for path, data in whole.items()
        }
        every = [entry(path, content) for path, content in sorted({**records, **SENT}.items())]
        self.inventory_sha256: str = write_inventory(
            folder / "inventory.json", HEADER, every, folder,
            folder / "previous.json" if previous else None,
        )  # fmt: skip
        self.files[f"{version}/inventory.json"] = (folder / "inventory.json").read_bytes()

    async def fetch(self, object_id: str, path: str, offset: int, length: int) -> Piece:
        assert object_id == OBJECT_ID
        whole = self.files[path]
        data = whole[offset : offset + length]
        return Piece(data, offset + len(data) >= len(whole))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "copy")


@pytest.fixture
def pull(copy: Copy, tmp_path: Path) -> Pull:
    work = tmp_path / "work"
    work.mkdir()
    return Pull(copy, Wanted(OBJECT_ID, 1, copy.inventory_sha256), work)


async def test_the_stream_is_what_a_writer_would_have_sent(copy: Copy, pull: Pull) -> None:
    summary = await pull.prepare()
    stream = b"".join([chunk async for chunk in pull.stream()])
    listed = list(read_file_list(pull.file_list))
    assert [each.path for each in listed] == [
        "lantai/files.jsonl",
        "lantai/package.json",
        *sorted(SENT),
    ]
    expected = pull.file_list.read_bytes() + copy.files["v1/inventory.json"]
    assert stream == expected + b"".join(copy.files[content_path(each.path)] for each in listed)
    assert summary.file_list_sha256 == sha256_of_file(pull.file_list)
    assert summary.content_bytes == sum(each.size_bytes for each in listed)


async def test_the_first_version_has_none_before_it(pull: Pull) -> None:
    await pull.prepare()
    assert pull.earlier() == []


async def test_a_later_version_is_pulled_from_its_folder_and_names_those_before_it(
    tmp_path: Path,
) -> None:
    first = Copy(tmp_path / "first")
    second = Copy(tmp_path / "second", first)
    work = tmp_path / "work"
    work.mkdir()
    pull = Pull(second, Wanted(OBJECT_ID, 2, second.inventory_sha256), work)
    await pull.prepare()
    assert pull.earlier() == [Wanted(OBJECT_ID, 1, first.inventory_sha256)]
    stream = b"".join([chunk async for chunk in pull.stream()])
    listed = list(read_file_list(pull.file_list))
    expected = pull.file_list.read_bytes() + second.files["v2/inventory.json"]
    bodies = (second.files[content_path(each.path, "v2")] for each in listed)
    assert stream == expected + b"".join(bodies)


async def test_a_list_of_versions_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    second = Copy(tmp_path / "second", Copy(tmp_path / "first"))
    second.files["v2/content/lantai/versions.jsonl"] = encode_version_list(["f" * 64])
    work = tmp_path / "work"
    work.mkdir()
    pull = Pull(second, Wanted(OBJECT_ID, 2, second.inventory_sha256), work)
    with pytest.raises(VerificationFailed):
        await pull.prepare()


async def test_no_piece_is_larger_than_a_frame_of_content(pull: Pull) -> None:
    await pull.prepare()
    assert max([len(chunk) async for chunk in pull.stream()]) <= 256 * 1024


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize("path", ["v1/inventory.json", "v1/content/lantai/files.jsonl"])
@pytest.mark.parametrize("lie", [flip, lambda data: data[:-1], lambda data: data + b" "])
async def test_a_source_that_lies_about_the_lists_is_found_out_before_anything_is_used(
    copy: Copy, pull: Pull, path: str, lie: Callable[[bytes], bytes]
) -> None:
    copy.files[path] = lie(copy.files[path])
    with pytest.raises(LantaiError, match="signed digest"):
        await pull.prepare()


async def test_a_source_that_sends_too_little_of_a_file_is_found_out(
    copy: Copy, pull: Pull
) -> None:
    await pull.prepare()
    path = content_path("received/data/大.bin")
    copy.files[path] = copy.files[path][:300_000]
    with pytest.raises(LantaiError, match="shorter"):
        [chunk async for chunk in pull.stream()]
