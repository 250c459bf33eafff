"""Every reading of which bytes an electronic signature of an EEP was made over.

DA/T 48-2009 电子签名块: the exact rule is not known here, and senders differ. So each reading is
tried, and the judgement names the one that held: the element as it came, its canonical form (C14N,
for documents without prefixes, whatever their comments), its texts with the identifiers in
attributes, its texts. All are taken from where the parser found the element, never from a search
in the bytes, so that nothing else in the document can pass for it. Each is a stream.
"""

import codecs
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ingest_watch.formats.eep_document import Span
from ingest_watch.seals.seal import SignedBytes
from ingest_watch.xml_reading import End, Event, Start, Text, utf8_pieces, xml_codec, xml_events

Source = Callable[[], BinaryIO]

# "在递交签名时，属性的文本顺序依次为“编码数据ID”和“引用编码数据ID”"
_SIGNED_FIRST = ("编码数据ID", "引用编码数据ID")
_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_ATTRIBUTE_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


def readings(source: Source, path: str, span: Span) -> tuple[SignedBytes, ...]:
    """Return the candidates for the element at `span` of the document, the likeliest first."""
    with source() as stream:
        codec = xml_codec(stream, path)
    element = _Element(source, path, span)
    received = SignedBytes(
        "the element as received (原始字节)", lambda: _in_codec(element.utf8(), codec)
    )
    texts = {
        "its texts with identifiers (含标识属性的文本)": element.texts_and_attributes,
        "its texts (文本)": element.texts,
    }
    others = (
        SignedBytes("its canonical form (C14N)", element.canonical),
        *(
            SignedBytes(name, pieces, has_boundaries=False)
            for name, pieces in texts.items()
            if not _begins_as_an_element(pieces)
        ),
    )
    if codec == "utf-8":
        return (received, *others)
    return (received, SignedBytes("the element in UTF-8 (转为 UTF-8)", element.utf8), *others)


class _Element:
    """One element of a document, read anew for each purpose."""

    def __init__(self, source: Source, path: str, span: Span) -> None:
        self._source = source
        self._path = path
        self._span = span

    def utf8(self) -> Iterator[bytes]:
        """The bytes from the start tag to the end of the end tag."""
        position = 0
        with self._source() as stream:
            for piece in utf8_pieces(stream, self._path):
                first = max(self._span.start - position, 0)
                last = self._span.end_tag - position
                position += len(piece)
                if first >= len(piece):
                    continue
                if last >= len(piece):
                    yield piece[first:]
                    continue
                # There is no ">" in an end tag but its own, though it may be in the next piece.
                end = piece.find(b">", max(last, 0))
                if end >= 0:
                    yield piece[first : end + 1]
                    return
                yield piece[first:]

    def canonical(self) -> Iterator[bytes]:
        """Canonical XML of the element, its namespace declared on it."""
        namespaces = [""]
        for event in self._events():
            match event:
                case Start(name, namespace):
                    declared = "" if namespace == namespaces[-1] else f' xmlns="{namespace}"'
                    namespaces.append(namespace)
                    attributes = "".join(
                        f' {key}="{value.translate(_ATTRIBUTE_ESCAPES)}"'
                        for key, value in sorted(event.attributes.items())
                    )
                    yield f"<{name}{declared}{attributes}>".encode()
                case Text(piece):
                    yield piece.translate(_TEXT_ESCAPES).encode()
                case End(name):
                    namespaces.pop()
                    yield f"</{name}>".encode()

    def texts(self) -> Iterator[bytes]:
        """Every text between two tags, without white space around it, one behind the other."""
        return self._texts(with_attributes=False)

    def texts_and_attributes(self) -> Iterator[bytes]:
        """The same, with the attributes' values before the text of their element."""
        return self._texts(with_attributes=True)

    def _texts(self, *, with_attributes: bool) -> Iterator[bytes]:
        held, has_begun = "", False
        for event in self._events():
            if isinstance(event, Text):
                piece = held + (event.piece if has_begun else event.piece.lstrip())
                solid = piece.rstrip()
                held, has_begun = (
                    piece[len(solid) :] if solid or has_begun else "",
                    bool(solid or has_begun),
                )
                yield solid.encode()
                continue
            held, has_begun = "", False
            if with_attributes and isinstance(event, Start):
                yield "".join(_attribute_values(event)).encode()

    def _events(self) -> Iterator[Event]:
        """The events of the element, its own tags included."""
        is_within = False
        with self._source() as stream:
            for event in xml_events(stream, self._path, bytes_max=None):
                if isinstance(event, Start) and event.offset == self._span.start:
                    is_within = True
                if is_within:
                    yield event
                if isinstance(event, End) and event.offset == self._span.end_tag:
                    return


def _begins_as_an_element(pieces: Callable[[], Iterator[bytes]]) -> bool:
    """Texts that are written as XML could have been cut out of another signed element."""
    first = next(filter(None, pieces()), b"")
    return first.startswith(b"<")


def _in_codec(pieces: Iterator[bytes], codec: str) -> Iterator[bytes]:
    """The same text in the encoding that the document came in."""
    if codec == "utf-8":
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        yield decoder.decode(piece).encode(codec)


def _attribute_values(event: Start) -> Iterator[str]:
    for name in _SIGNED_FIRST:
        if name in event.attributes:
            yield event.attributes[name]
    for name, value in event.attributes.items():
        if name not in _SIGNED_FIRST:
            yield value
