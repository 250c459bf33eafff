"""Audit answers: the bytes of docs/wire/audit.md, from a real disk, and only from the disk."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.audit.answer import AuditAnswer, answer_audit
from storage.audit.framing import (
    WHOLE_BYTES_MAX,
    FileFrame,
    ObjectFrame,
    Question,
    is_sampled,
    sampled_blocks,
)
from storage.medium import MediumReader
from storage.model import BLOCK_BYTES, VerifyMode

PAGE = Path(__file__).parents[4] / "docs" / "wire" / "audit.md"
NONCE = bytes(range(32))
HEAD = {
    "0=ocfl_object_1.1": b"declaration",
    "inventory.json": b"inventory",
    "inventory.json.sha256": b"sidecar",
    "v1/inventory.json": b"inventory",
    "v1/inventory.json.sha256": b"sidecar",
}
INVENTORY = b'{"manifest": {"b1": ["v1/content/received/b", "v1/content/received/a"], "a0": []}}'


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def text(value: str) -> bytes:
    return u64(len(value.encode())) + value.encode()


def file_by_the_page(path: str, content: bytes | None, nonce: bytes = NONCE) -> bytes:
    """One file's part; None is a file that cannot be read."""
    if content is None:
        return hashlib.sha256(nonce + b"\2" + text(path) + u64(0)).digest()
    return hashlib.sha256(nonce + b"\0" + text(path) + content + u64(len(content))).digest()


def by_the_page(parts: list[bytes], nonce: bytes = NONCE) -> str:
    """The digest as docs/wire/audit.md writes it."""
    begin = nonce + b"\x10" + text("lantai:a/1") + u64(1)
    return hashlib.sha256(begin + b"".join(parts) + u64(len(parts))).hexdigest()


def all_by_the_page(files: Mapping[str, bytes | None]) -> str:
    return by_the_page([file_by_the_page(path, content) for path, content in files.items()])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An object whose inventory names two files, b before a."""
    write(tmp_path, HEAD | {"inventory.json": INVENTORY, "v1/inventory.json": INVENTORY})
    write(tmp_path, {"v1/content/received/a": b"", "v1/content/received/b": b"b" * 3_000_000})
    os.sync()
    return tmp_path


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def files_of(folder: Path) -> dict[str, bytes | None]:
    """As the answer has them."""
    order = [*HEAD, "v1/content/received/b", "v1/content/received/a"]
    return {path: (folder / path).read_bytes() for path in order}


def asked(folder: Path, nonce: bytes = NONCE, blocks: int = 64) -> AuditAnswer:
    question = Question("lantai:a/1", 1, nonce, blocks)
    return answer_audit(question, folder, MediumReader(VerifyMode.EVICTED), lambda _bytes: None)


def test_the_pages_vector_is_what_is_answered() -> None:
    frame = ObjectFrame(question := Question("lantai:a/1", 1, NONCE, 64))
    for path, content in HEAD.items():
        file = FileFrame(question, path)
        file.update(content)
        frame.add(file.finish(len(content)))
    digest = frame.finish()
    assert re.findall(r"^    ([0-9a-f]{64})$", PAGE.read_text(), re.MULTILINE) == [digest]
    assert all_by_the_page(HEAD) == digest


def test_the_pages_sampled_blocks_are_those_that_are_read() -> None:
    question = Question("lantai:a/1", 1, NONCE, 4)
    drawn = sampled_blocks(question, "v1/content/received/x", 100 * BLOCK_BYTES)
    assert f"same nonce: `{', '.join(map(str, drawn))}`" in PAGE.read_text().replace("\n", " ")


def test_an_answer_covers_every_file_in_the_inventorys_order(folder: Path) -> None:
    answer = asked(folder)
    assert answer.digest == all_by_the_page(files_of(folder))
    assert (answer.file_count, answer.unread_files) == (7, 0)
    assert answer.read_bytes == sum(len(content or b"") for content in files_of(folder).values())


def test_another_nonce_has_another_answer(folder: Path) -> None:
    assert asked(folder, NONCE[::-1]).digest != asked(folder).digest


@pytest.mark.parametrize("path", [*HEAD, "v1/content/received/b"])
def test_one_bit_of_any_file_changes_the_answer(
    folder: Path, path: str, flip_bit: Callable[[Path], None]
) -> None:
    before = asked(folder)
    flip_bit(folder / path)
    assert asked(folder).digest != before.digest


def test_a_missing_file_is_in_the_answer_as_such_and_confessed(folder: Path) -> None:
    files = files_of(folder)
    (folder / "v1/content/received/b").unlink()
    answer = asked(folder)
    assert answer.digest == all_by_the_page(files | {"v1/content/received/b": None})
    assert answer.unread_files == 1


@pytest.mark.parametrize("inventory", [b"", b"{", b'{"manifest": {"a": ["x"]', b"\xff"])
def test_an_inventory_that_is_none_ends_the_list_and_is_confessed(
    folder: Path, inventory: bytes
) -> None:
    write(folder, {"inventory.json": inventory})
    os.sync()
    assert asked(folder).unread_files >= 1


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "v1/../../secret", "a\\u0000b"])
def test_an_inventory_leads_nobody_out_of_the_object(folder: Path, path: str) -> None:
    (folder.parent / "secret").write_bytes(b"secret")
    write(folder, {"inventory.json": b'{"manifest": {"a": ["%s"]}}' % path.encode()})
    os.sync()
    assert asked(folder).unread_files == 1


def test_a_pipe_in_the_inventorys_place_holds_nobody(folder: Path) -> None:
    (folder / "inventory.json").unlink()
    os.mkfifo(folder / "inventory.json")
    assert asked(folder).unread_files >= 1


@pytest.mark.parametrize("mode", [VerifyMode.EVICTED, VerifyMode.DIRECT])
def test_a_large_file_is_read_by_the_blocks_that_the_nonce_draws(
    folder: Path, mode: VerifyMode
) -> None:
    size_bytes = WHOLE_BYTES_MAX + BLOCK_BYTES + 5
    large = folder / "v1/content/received/b"
    with large.open("wb") as stream:
        stream.truncate(size_bytes)
        for number in range(66):
            stream.seek(number * BLOCK_BYTES)
            stream.write(bytes([number]) * 5)
    os.sync()
    question = Question("lantai:a/1", 1, NONCE, 16)
    answer = answer_audit(question, folder, MediumReader(mode), lambda _bytes: None)
    drawn = sampled_blocks(question, "v1/content/received/b", size_bytes)
    content = large.read_bytes()
    body = b"".join(u64(each) + content[each * BLOCK_BYTES :][:BLOCK_BYTES] for each in drawn)
    begin = NONCE + b"\1" + text("v1/content/received/b")
    sampled = hashlib.sha256(begin + body + u64(size_bytes)).digest()
    parts = {path: file_by_the_page(path, data) for path, data in files_of(folder).items()}
    parts["v1/content/received/b"] = sampled
    assert answer.digest == by_the_page(list(parts.values()))
    assert answer.read_bytes < 18 * BLOCK_BYTES


@given(st.integers(0, 200 * BLOCK_BYTES), st.integers(0, 128), st.binary(min_size=32, max_size=32))
def test_a_sample_is_distinct_blocks_of_the_file(size: int, blocks: int, nonce: bytes) -> None:
    question = Question("x", 1, nonce, blocks)
    if not is_sampled(question, size):
        return
    drawn = sampled_blocks(question, "p", size)
    assert len(set(drawn)) == blocks
    assert drawn == sorted(drawn)
    assert 0 <= drawn[0] <= drawn[-1] <= (size - 1) // BLOCK_BYTES


@given(st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=9)), max_size=4))
def test_no_two_lists_of_files_have_the_same_answer(files: list[tuple[str, bytes]]) -> None:
    """Moving a boundary between names, contents or files changes the digest."""

    def digest_of(listed: list[tuple[str, bytes]]) -> str:
        frame = ObjectFrame(question := Question("x", 1, NONCE, 0))
        for path, content in listed:
            file = FileFrame(question, path)
            file.update(content)
            frame.add(file.finish(len(content)))
        return frame.finish()

    joined = [("".join(path for path, _ in files), b"".join(content for _, content in files))]
    assert (digest_of(files) == digest_of(joined)) == (files == joined)
    if len(files) > 1:
        assert (digest_of(files) == digest_of(files[::-1])) == (files == files[::-1])
