"""The texts of an EEP: Base64, keywords, times and sizes; and the readings of what was signed."""

import base64
import binascii
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_watch.formats.eep_content import Base64Stream
from ingest_watch.formats.eep_document import Span
from ingest_watch.formats.eep_keywords import is_bytes, is_size, keyword, moment
from ingest_watch.formats.eep_signed_bytes import readings
from ingest_watch.seals.seal import SignedBytes
from ingest_watch.xml_reading import End, Start, Text, xml_events


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=30))
def test_base64_is_decoded_whatever_the_pieces(content: bytes, sizes: list[int]) -> None:
    text = base64.encodebytes(content).decode()
    stream, found = Base64Stream(), b""
    for size in [*sizes, len(text)]:
        found += stream.feed(text[:size])
        text = text[size:]
    stream.finish()
    assert found == content


@pytest.mark.parametrize(
    "pieces",
    [["QUJD", "QQ"], ["QQ==", "QUJD"], ["QQ=", "=Q"], ["Q U\n", "J*"], ["汉字"], ["="], ["===="]],
)
def test_what_is_no_base64_is_never_taken_for_it(pieces: list[str]) -> None:
    stream = Base64Stream()

    def decode() -> None:
        for piece in pieces:
            stream.feed(piece)
        stream.finish()

    with pytest.raises(binascii.Error):
        decode()


@pytest.mark.parametrize(
    ("text", "digest", "extension"),
    [
        ("base64-doc", None, "doc"),
        ("BASE64-PDF", None, "PDF"),
        ("base64", None, None),
        ("base64Binary", None, None),
        ("sha256-base64Binary", "sha256", None),
        ("SHA-256-base64Binary", "sha256", None),
        ("sm3-base64Binary", "sm3", None),
    ],
)
def test_a_keyword_says_what_the_data_is(
    text: str, digest: str | None, extension: str | None
) -> None:
    found = keyword(text)
    assert found is not None
    assert (found.digest, found.extension) == (digest, extension)


@pytest.mark.parametrize(
    "text", ["", "doc", "crc32-base64Binary", "base64-", "base64-../x", "gzip"]
)
def test_a_keyword_that_says_nothing_is_none(text: str) -> None:
    assert keyword(text) is None


@pytest.mark.parametrize(
    ("text", "expected", "strict"),
    [
        ("2023-02-24T16:42:17", "2023-02-24T16:42:17+08:00", True),
        ("2023-02-24T16:42:17Z", "2023-02-24T16:42:17+00:00", True),
        ("2023-02-24 16:42:17", "2023-02-24T16:42:17+08:00", False),
        ("2023年2月4日 16:42:17", "2023-02-04T16:42:17+08:00", False),
        ("2023/02/24", "2023-02-24T00:00:00+08:00", False),
        ("20230224", "2023-02-24T00:00:00+08:00", False),
        ("20230224164217", "2023-02-24T16:42:17+08:00", False),
        ("2023/2/4 6:42:17", "2023-02-04T06:42:17+08:00", False),
        ("2023-2-4", "2023-02-04T00:00:00+08:00", False),
    ],
)
def test_times_are_read_in_the_forms_that_senders_use(
    text: str, expected: str, *, strict: bool
) -> None:
    found = moment(text)
    assert found.at is not None
    assert (found.at.isoformat(), found.is_strict) == (expected, strict)


@pytest.mark.parametrize("text", ["", "2023-02-30", "昨天", "2023-13-01T00:00:00", "9" * 400])
def test_what_is_no_time_is_none(text: str) -> None:
    assert moment(text).at is None


def test_sizes_are_told_from_what_is_none() -> None:
    assert is_bytes("130048")
    assert not is_bytes("127 KB")
    assert all(is_size(text) for text in ("0", "127 KB", "1.5MB", "12字节", "1,024 bytes"))
    assert not any(is_size(text) for text in ("", "很大", "KB", "-1", "1 mile"))


def test_the_readings_of_an_element_are_the_same_however_the_document_is_cut() -> None:
    """An element longer than the pieces in which the document is read."""
    inner = "<b>" + "字" * 50_000 + "</b >"
    text = f"<a>{'x' * 65_000}{inner}<b/></a>".encode()
    first, second = (
        event
        for event in xml_events(io.BytesIO(text), "a", bytes_max=None)
        if not isinstance(event, Text) and event.name == "b" and event.offset < len(text) - 10
    )
    assert isinstance(first, Start)
    assert isinstance(second, End)
    (received, *others) = readings(lambda: io.BytesIO(text), "a", Span(first.offset, second.offset))
    assert received.whole(10**6) == inner.encode()
    by_name: dict[str, SignedBytes] = {each.name.partition(" (")[0]: each for each in others}
    assert by_name["its texts"].whole(10**6) == ("字" * 50_000).encode()
    assert by_name["its canonical form"].whole(10**6) == inner.replace("</b >", "</b>").encode()


def test_white_space_within_a_text_is_kept_and_around_it_is_not() -> None:
    text = b"<a> \n<b> one \n two </b>\n<c>   </c>three </a>"
    (_, _, _, texts_only) = readings(lambda: io.BytesIO(text), "a", Span(0, text.rindex(b"</a>")))
    assert texts_only.whole(1000) == b"one \n twothree"
