"""The file list of docs/formats/package.md, and the identity of a package."""

import hashlib
from pathlib import Path

import pytest

from storage.file_list import (
    FileListInvalid,
    identity,
    path_flaw,
    read_file_list,
    write_file_list,
)
from storage.model import BLOCK_BYTES, FileEntry

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
LINE = (
    b'{"path":"received/a","size_bytes":3,"sha256":"' + SHA256_OF_ABC.encode() + b'",'
    b'"block_root":null}\n'
)


def entry(path: str, size_bytes: int = 3) -> FileEntry:
    root = "0" * 64 if size_bytes > BLOCK_BYTES else None
    return FileEntry(path, size_bytes, SHA256_OF_ABC, root)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    entries = [
        entry("content/x"),
        entry("received/a\nb"),
        entry("received/data/%C9.pdf"),
        entry("received/data/申请表.pdf", 5 * BLOCK_BYTES),
    ]
    summary = write_file_list(entries, tmp_path / "list")
    written = (tmp_path / "list").read_bytes()
    assert list(read_file_list(tmp_path / "list")) == entries
    assert summary.sha256 == hashlib.sha256(written).hexdigest()
    assert summary.list_bytes == len(written)
    assert (summary.file_count, summary.content_bytes) == (4, 9 + 5 * BLOCK_BYTES)


def test_a_line_is_written_as_the_page_says(tmp_path: Path) -> None:
    write_file_list([entry("received/a")], tmp_path / "list")
    assert (tmp_path / "list").read_bytes() == LINE


def test_identity_is_the_pages_test_vector() -> None:
    assert identity([entry("received/a.txt")]) == (
        "5a867061beea175f81fd5328ab6be1469961f2c0235a056651f059e9dc8f736f"
    )


def test_only_what_was_received_counts_for_the_identity() -> None:
    alone = identity([entry("received/a.txt")])
    assert identity([entry("content/b"), entry("lantai/c"), entry("received/a.txt")]) == alone


@pytest.mark.parametrize("second", ["received/a", "received/A", "content/z"])
def test_a_list_out_of_order_or_with_a_path_twice_is_not_written(
    tmp_path: Path, second: str
) -> None:
    with pytest.raises(FileListInvalid, match="out of order"):
        write_file_list([entry("received/a"), entry(second)], tmp_path / "list")


def test_paths_are_ordered_by_their_bytes_not_by_code_units(tmp_path: Path) -> None:
    """U+FF5E sorts before U+1F600 in UTF-8, and after it in UTF-16."""
    entries = [entry("received/\uff5e"), entry("received/\U0001f600")]
    write_file_list(entries, tmp_path / "list")
    assert list(read_file_list(tmp_path / "list")) == entries


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "received/../x",
        "received/./x",
        "received//x",
        "received/",
        "received/a\0b",
        "received/" + "x" * 256,
        "received/" + "申" * 86,
        "/".join("ab" for _ in range(65)),
        "/".join(["received", *["x" * 250] * 5]),
        "received/\udcc9",
    ],
)
def test_a_path_outside_the_limits_is_refused(tmp_path: Path, path: str) -> None:
    assert path_flaw(path) is not None
    with pytest.raises(FileListInvalid):
        write_file_list([entry(path)], tmp_path / "list")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(LINE.removesuffix(b"\n"), id="cut-off"),
        pytest.param(LINE.replace(b'"block_root":null', b'"block_root":null,"x":1'), id="unknown"),
        pytest.param(LINE.replace(b',"block_root":null', b""), id="member-missing"),
        pytest.param(LINE.replace(b":3,", b":-3,"), id="negative-size"),
        pytest.param(LINE.replace(b":3,", b":3000000,"), id="large-without-root"),
        pytest.param(LINE.replace(b"null", b'"' + b"0" * 64 + b'"'), id="small-with-root"),
        pytest.param(LINE.replace(b"ba78", b"BA78"), id="upper-case-digest"),
        pytest.param(LINE.replace(b"received/a", b"received/\xff"), id="not-utf-8"),
        pytest.param(LINE.replace(b"received/a", b"x" * 9000), id="endless-line"),
        pytest.param(LINE + LINE, id="twice"),
        pytest.param(b"\n", id="empty-line"),
        pytest.param(b"[]\n", id="no-object"),
    ],
)
def test_a_line_that_breaks_the_format_is_refused(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "list").write_bytes(line)
    with pytest.raises(FileListInvalid):
        list(read_file_list(tmp_path / "list"))
