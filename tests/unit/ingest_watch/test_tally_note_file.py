"""Dispatch notes as strangers write them (ingest_watch/tally/note_file.py)."""

import pytest

from ingest_watch.tally.note_file import LINES_MAX, NoteUnreadable, read_note
from storage.catalogue.dispatch_notes import DispatchLine

LINES = [DispatchLine(1, "件-1", 5, 1048576), DispatchLine(2, "件-2", None, None)]
CSV = "identifier,file_count,content_bytes\n件-1,5,1048576\n件-2,,\n"


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        CSV.encode("utf-8-sig"),
        CSV.encode("gb18030"),
        CSV.replace("\n", "\r\n").encode(),
        "标识,文件数,字节数\n件-1,5,1048576\n件-2,,\n".encode("gb18030"),
        '备注,content_bytes,identifier,file_count\n"a,\nb",1048576, 件-1 ,5\n,,件-2,\n'.encode(),
        "identifier,file_count,content_bytes\n件-1,5,1048576\n\n件-2\n".encode(),
    ],
)
def test_every_form_of_the_csv_is_read_the_same(content: bytes) -> None:
    assert read_note(b"a.csv", content) == LINES


def test_the_json_form_is_read_the_same() -> None:
    content = """{"packages": [
        {"identifier": "件-1", "file_count": 5, "content_bytes": 1048576},
        {"identifier": "件-2"}]}"""
    assert read_note(b"a.json", content.encode()) == LINES


def test_a_note_of_nothing_is_a_note() -> None:
    assert read_note(b"a.csv", b"identifier\n") == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (b"a.csv", b"", "first line"),
        (b"a.csv", b"name,files\nx,1\n", "first line"),
        (b"a.csv", b"identifier,identifier\nx,x\n", "first line"),
        (b"a.csv", "identifier,标识\nx,x\n".encode(), "first line"),
        (b"a.csv", b"identifier\nx\nx\n", "package 2 has the identifier of package 1"),
        (b"a.csv", b"identifier,file_count\n,5\n", "package 1"),
        (b"a.csv", b"identifier\n" + b"x" * 201 + b"\n", "package 1"),
        (b"a.csv", b"identifier,file_count\nx,five\n", "package 1: a number"),
        (b"a.csv", b"identifier,file_count\nx,-5\n", "package 1: a number"),
        (b"a.csv", b"identifier,file_count\nx," + b"9" * 30 + b"\n", "package 1: a number"),
        (b"a.csv", "identifier,file_count\nx,٣\n".encode(), "package 1: a number"),
        (b"a.csv", b'identifier\n"x', "line 2"),
        (b"a.csv", b"identifier\n\xff\xff\xff\n", "neither UTF-8 nor GB18030"),
        (b"a.json", b"[]", "not the JSON"),
        (b"a.json", b'{"packages": [{"identifier": "x", "files": 1}]}', "not the JSON"),
        (b"a.json", b'{"packages": [{"identifier": "x", "file_count": -1}]}', "not the JSON"),
        (b"a.json", b'{"packages": [{"identifier": "x", "file_count": 1e99}]}', "not the JSON"),
        (b"a.json", b'{"packages": [{"identifier": "\xff"}]}', "not the JSON"),
        (b"a.json", b"[" * 100_000, "not the JSON"),
    ],
)
def test_what_is_not_a_note_is_refused_for_its_reason(
    name: bytes, content: bytes, reason: str
) -> None:
    with pytest.raises(NoteUnreadable, match=reason):
        read_note(name, content)


def test_a_note_has_an_end() -> None:
    lines = "".join(f"{number}\n" for number in range(LINES_MAX + 1))
    with pytest.raises(NoteUnreadable, match=f"more than {LINES_MAX}"):
        read_note(b"a.csv", b"identifier\n" + lines.encode())
