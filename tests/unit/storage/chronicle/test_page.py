"""Pages of the chronicle, and the chain over its events (docs/formats/chronicle.md)."""

import json
import re
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.chronicle.bytes_told import read_bytes, told_bytes
from storage.chronicle.page import (
    FIRST_CHAIN,
    ROWS_BYTES_MAX,
    PageMalformed,
    Row,
    chain_after,
    pack,
    unpack,
)

PAGE = Path(__file__).parents[4] / "docs/formats/chronicle.md"


def test_the_documents_vector_is_what_is_computed() -> None:
    found = re.search(r"^(\{.*\})\nchain ([0-9a-f]{64})$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    assert chain_after(FIRST_CHAIN, [json.loads(found[1])]) == found[2]


def test_a_page_is_read_as_it_was_written() -> None:
    rows = [
        Row("events", {"sequence": 1, "detail": "", "node": None}),
        Row("answers", {"id": 2, "body": told_bytes("回执".encode())}),
    ]
    assert list(unpack(pack(rows))) == rows


@pytest.mark.parametrize("data", [b"", "回执".encode(), b"\xff\x00\xfe"])
def test_bytes_come_back_whether_they_are_text_or_not(data: bytes) -> None:
    assert read_bytes(told_bytes(data)) == data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not zlib",
        zlib.compress(b"not json"),
        zlib.compress(b'{"table":"events"}'),
        pack([Row("events", {"sequence": 1})])[:-3],
        zlib.compress(b" " * (ROWS_BYTES_MAX + 1)),
    ],
    ids=["empty", "no zlib", "no rows", "half a row", "cut off", "a bomb"],
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(PageMalformed):
        list(unpack(body))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    for each in (body, zlib.compress(body)):
        with suppress(PageMalformed):
            list(unpack(each))
