"""Bytes become messages, or a refusal, and nothing else."""

import re
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.listings import (
    ListedObject,
    decode_findings,
    decode_leaves,
    decode_objects,
    encode_listing,
)
from replication.message_codec import decode_from_node, decode_to_node, encode
from replication.messages import (
    DATA_BYTES_MAX,
    HEADER_BYTES_MAX,
    FromNode,
    MalformedMessage,
    Read,
    Stat,
    ToNode,
    WireRefusal,
)
from tests.unit.replication.wire_samples import DIGEST, FROM_NODE, TO_NODE, data_for

DOCS = Path(__file__).parents[3] / "docs" / "wire"


def frames_of(message: ToNode | FromNode) -> list[bytes]:
    data = data_for(message)
    return [encode(message)] if data is None else [encode(message), data]


@pytest.mark.parametrize("message", TO_NODE, ids=lambda each: type(each).__name__)
def test_what_is_said_to_a_node_is_understood_by_it(message: ToNode) -> None:
    assert decode_to_node(frames_of(message)) == message


@pytest.mark.parametrize("message", FROM_NODE, ids=lambda each: type(each).__name__)
def test_what_a_node_says_is_understood(message: FromNode) -> None:
    assert decode_from_node(frames_of(message)) == message


def test_every_message_has_an_example() -> None:
    assert {type(message) for message in TO_NODE} == set(ToNode.__args__)
    assert {type(message) for message in FROM_NODE} == set(FromNode.__args__)


@pytest.mark.parametrize("message", FROM_NODE, ids=lambda each: type(each).__name__)
def test_a_node_does_not_listen_to_what_nodes_say(message: FromNode) -> None:
    with pytest.raises(MalformedMessage):
        decode_to_node(frames_of(message))


@pytest.mark.parametrize("message", TO_NODE, ids=lambda each: type(each).__name__)
def test_a_member_more_or_less_is_refused(message: ToNode) -> None:
    members = msgspec.msgpack.decode(encode(message))
    data = data_for(message)
    rest = [] if data is None else [data]
    for name in list(members):
        fewer = {key: value for key, value in members.items() if key != name}
        with pytest.raises(MalformedMessage):
            decode_to_node([msgspec.msgpack.encode(fewer), *rest])
    with pytest.raises(MalformedMessage):
        decode_to_node([msgspec.msgpack.encode({**members, "more": 1}), *rest])


@pytest.mark.parametrize("message", TO_NODE, ids=lambda each: type(each).__name__)
def test_a_member_of_another_type_is_refused(message: ToNode) -> None:
    members = msgspec.msgpack.decode(encode(message))
    data = data_for(message)
    for name in members:
        changed = {**members, name: [members[name]]}
        with pytest.raises(MalformedMessage):
            decode_to_node([msgspec.msgpack.encode(changed), *([] if data is None else [data])])


@pytest.mark.parametrize("digest", ["AB" * 32, "ab" * 31, DIGEST + "\n", "", "zz" * 32])
def test_a_digest_is_64_lower_case_hexadecimal_digits(digest: str) -> None:
    put = next(message for message in TO_NODE if type(message).__name__ == "Put")
    members = {**msgspec.msgpack.decode(encode(put)), "inventory_sha256": digest}
    with pytest.raises(MalformedMessage):
        decode_to_node([msgspec.msgpack.encode(members)])


@pytest.mark.parametrize("length", [0, DATA_BYTES_MAX + 1, -1, 2**63])
def test_a_read_is_of_at_most_one_mebibyte(length: int) -> None:
    header = msgspec.msgpack.encode(
        {"t": "read", "request": 1, "object_id": "x", "path": "x", "offset": 0, "length": length}
    )
    with pytest.raises(MalformedMessage):
        decode_to_node([header])


def test_frames_and_sizes_have_limits() -> None:
    header = encode(Stat(1, "x"))
    for frames in ([], [header, b"", b""], [header + bytes(HEADER_BYTES_MAX)], [header, b""]):
        with pytest.raises(MalformedMessage):
            decode_to_node(frames)


def test_a_header_that_would_be_too_long_is_not_said() -> None:
    with pytest.raises(WireRefusal):
        encode(Read(1, "馆" * 512, "馆" * 1024, 0, 1))


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_no_bytes_whatever_raise_anything_but_a_refusal(frames: list[bytes]) -> None:
    for decode in (decode_to_node, decode_from_node):
        with suppress(MalformedMessage):
            decode(frames)


@given(st.sampled_from(TO_NODE), st.integers(0, 10_000), st.integers(0, 255))
def test_a_header_with_one_byte_changed_is_a_message_or_a_refusal(
    message: ToNode, place: int, value: int
) -> None:
    frames = frames_of(message)
    header = bytearray(frames[0])
    header[place % len(header)] = value
    with suppress(MalformedMessage):
        decode_to_node([bytes(header), *frames[1:]])


@given(st.binary(max_size=300))
def test_no_listing_raises_anything_but_a_refusal(data: bytes) -> None:
    for decode in (decode_objects, decode_leaves, decode_findings):
        with suppress(MalformedMessage):
            decode(data)


def test_a_listing_is_read_as_it_was_written() -> None:
    listed = [ListedObject("x", 1, DIGEST, 2, 3, "2026-11-22T00:00:00Z")]
    assert decode_objects(encode_listing(listed)) == listed


def vectors() -> list[tuple[str, str]]:
    text = (DOCS / "session.md").read_text("utf-8")
    return re.findall(r"^([a-z]+): .*\n((?:    [0-9a-f ]+\n)+)", text, re.MULTILINE)


@pytest.mark.parametrize(("tag", "hexadecimal"), vectors(), ids=lambda each: each[:12].strip())
def test_the_documents_examples_are_what_is_said(tag: str, hexadecimal: str) -> None:
    """The bytes in docs/wire/session.md decode, and what they decode to encodes to them."""
    raw = bytes.fromhex(hexadecimal)
    samples = {type(each).__name__.lower(): each for each in [*TO_NODE, *FROM_NODE]}
    assert encode(samples[tag]) == raw


def test_the_document_has_an_example_of_every_message() -> None:
    samples = {type(each).__name__.lower() for each in [*TO_NODE, *FROM_NODE]}
    assert {tag for tag, _ in vectors()} == samples


def test_the_message_table_names_every_member() -> None:
    """README.md's table and the code agree, member for member and in order."""
    text = (DOCS / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (?:→|←)[^|]*\| `(\w+)` \| ([^|]*)\|", text, re.MULTILINE)
    described = {tag: re.findall(r"`(\w+)`", members) for tag, members in rows}
    for message in [*TO_NODE, *FROM_NODE]:
        tag = type(message).__name__.lower()
        assert described[tag] == list(type(message).__struct_fields__), tag
