"""Read XML that a stranger sent, as a stream of events, with nothing in it that can reach outside.

XML 1.0 by expat, attack catalogue A47-A49: a document type is refused outright, so there are no
entities but the five, no external anything; depth, size and the length of one token are limited.
Encodings: UTF-8, UTF-16 with a byte order mark, and the Chinese ones that 档发〔2012〕7号 annex 2
allows (GB18030; GB2312 and GBK are read as its subsets). Text comes in pieces, so an element of
any size costs no memory. Knows no schema, and keeps nothing it has yielded.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from xml.parsers import expat

from ingest_watch.findings import Finding, Rule, Severity

PIECE_BYTES = 65536
DEPTH_MAX = 100
# Of one document that describes others. What carries content (an EEP) is read without.
DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
# Of a tag with its attributes, a comment, a processing instruction.
_TOKEN_BYTES_MAX = 4 * 1024 * 1024
_NAMESPACE_MARK = "\n"  # cannot stand in a name
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "utf-16": "utf-16",
    "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030",
}  # fmt: skip

XML_NOT_WELL_FORMED = Rule(
    "xml-not-well-formed", Severity.ERROR, "this is not well-formed XML: {detail} (line {line})",
    "XML 格式不正确：{detail}（第 {line} 行）", "XML 1.0",
)  # fmt: skip
XML_DOCUMENT_TYPE = Rule(
    "xml-document-type", Severity.ERROR,
    "the XML has a document type declaration, which is never accepted (line {line}): leave it out",
    "XML 含有文档类型声明（DTD），一律不予接受（第 {line} 行），请去除",
    "attack catalogue A47, A48",
)  # fmt: skip
XML_ENCODING = Rule(
    "xml-encoding", Severity.ERROR,
    "the XML is not in the encoding that it declares ({encoding}), or in none that is accepted: "
    "use UTF-8 or GB18030",
    "XML 与其声明的编码（{encoding}）不符或编码不被接受，请使用 UTF-8 或 GB18030",
    "档发〔2012〕7号 annex 2",
)  # fmt: skip
XML_LIMIT = Rule(
    "xml-limit", Severity.ERROR, "the XML exceeds a limit: {detail}", "XML 超出限制：{detail}",
    "attack catalogue A49",
)  # fmt: skip


class XmlFlaw(Exception):
    """The document cannot be read to its end; `finding` says why. Not a LantaiError: a verdict."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Start:
    """A start tag. Attributes of a namespace are `{uri}name`, as are none of ours."""

    name: str  # local
    namespace: str  # "" for none
    attributes: Mapping[str, str]
    line: int
    offset: int = 0  # of its first byte in the document as UTF-8 (utf8_pieces)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of character data; one element's text may come in many."""

    piece: str


@dataclass(frozen=True, slots=True)
class End:
    """An end tag."""

    name: str
    offset: int = 0  # as a start tag's


Event = Start | Text | End


def xml_events(
    stream: BinaryIO, shown_path: str, *, bytes_max: int | None = DOCUMENT_BYTES_MAX
) -> Iterator[Event]:
    """Yield the events of the document in `stream`; raises XmlFlaw, about `shown_path`.

    `bytes_max` None is for documents that carry content: their caller must not keep what it reads.
    """
    yield from _Reading(stream, shown_path, bytes_max).events()


def utf8_pieces(stream: BinaryIO, shown_path: str) -> Iterator[bytes]:
    """Yield the document as UTF-8 without byte order mark; raises XmlFlaw as `xml_events` does."""
    yield from _Reading(stream, shown_path, None).utf8_pieces()


def xml_codec(stream: BinaryIO, shown_path: str) -> str:
    """Return Python's name of the encoding that the document is read in."""
    return _Reading(stream, shown_path, None).encoding(stream.read(PIECE_BYTES))[0]


class _Reading:
    """One pass over one document."""

    def __init__(self, stream: BinaryIO, shown_path: str, bytes_max: int | None) -> None:
        self._stream = stream
        self._path = shown_path
        self._bytes_max = bytes_max
        self._events: list[Event] = []
        self._depth = 0
        self._parser = expat.ParserCreate("utf-8", _NAMESPACE_MARK)
        self._parser.buffer_text = True
        self._parser.buffer_size = PIECE_BYTES
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_document_type

    def events(self) -> Iterator[Event]:
        silent_bytes = 0
        for piece in self.utf8_pieces():
            self._parse(piece, is_final=False)
            silent_bytes = 0 if self._events else silent_bytes + len(piece)
            if silent_bytes > _TOKEN_BYTES_MAX:
                raise self._limit(f"one token of over {_TOKEN_BYTES_MAX} bytes")
            yield from self._taken()
        self._parse(b"", is_final=True)
        yield from self._taken()

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _parse(self, piece: bytes, *, is_final: bool) -> None:
        try:
            self._parser.Parse(piece, is_final)
        except expat.ExpatError as error:
            detail = expat.ErrorString(error.code)
            found = XML_NOT_WELL_FORMED.found(self._path, detail=detail, line=error.lineno)
            raise XmlFlaw(found) from None

    def utf8_pieces(self) -> Iterator[bytes]:
        """The document as UTF-8, whatever it is in; expat is told not to heed the declaration."""
        first = self._stream.read(PIECE_BYTES)
        name, mark = self.encoding(first)
        decoder = codecs.getincrementaldecoder(name)("strict")
        piece, read_bytes = first[len(mark) :], len(first)
        while True:
            is_last = not piece
            try:
                text = decoder.decode(piece, is_last)
            except UnicodeDecodeError:
                raise XmlFlaw(XML_ENCODING.found(self._path, encoding=name)) from None
            if text:
                yield text.encode("utf-8", "surrogatepass")
            if is_last:
                return
            piece = self._stream.read(PIECE_BYTES)
            read_bytes += len(piece)
            if self._bytes_max is not None and read_bytes > self._bytes_max:
                raise self._limit(f"more than {self._bytes_max} bytes")

    def encoding(self, first: bytes) -> tuple[str, bytes]:
        for mark, name in _BYTE_ORDER_MARKS:
            if first.startswith(mark):
                return name, mark
        declared = _DECLARED.match(first)
        name = declared.group(1).decode().lower() if declared else "utf-8"
        if name not in _ENCODINGS:
            raise XmlFlaw(XML_ENCODING.found(self._path, encoding=name))
        return _ENCODINGS[name], b""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._limit(f"elements nested more than {DEPTH_MAX} deep")
        namespace, _, local = name.rpartition(_NAMESPACE_MARK)
        named = {_attribute(each): value for each, value in attributes.items()}
        line, offset = self._parser.CurrentLineNumber, self._parser.CurrentByteIndex
        self._events.append(Start(local, namespace, named, line, offset))

    def _end(self, name: str) -> None:
        self._depth -= 1
        local = name.rpartition(_NAMESPACE_MARK)[2]
        self._events.append(End(local, self._parser.CurrentByteIndex))

    def _text(self, piece: str) -> None:
        self._events.append(Text(piece))

    def _refuse_document_type(self, *_declaration: object) -> None:
        line = self._parser.CurrentLineNumber
        raise XmlFlaw(XML_DOCUMENT_TYPE.found(self._path, line=line))

    def _limit(self, detail: str) -> XmlFlaw:
        return XmlFlaw(XML_LIMIT.found(self._path, detail=detail))


def _attribute(name: str) -> str:
    namespace, _, local = name.rpartition(_NAMESPACE_MARK)
    return f"{{{namespace}}}{local}" if namespace else local


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element without child elements, with its whole text."""

    path: tuple[str, ...]  # local names from the root, its own last
    attributes: Mapping[str, str]
    text: str  # without white space around it
    line: int


def xml_leaves(
    events: Iterator[Event], shown_path: str, *, text_max: int = 65536
) -> Iterator[Leaf | Start | End]:
    """Yield every leaf whole, and start and end of every element that has children.

    Raises XmlFlaw when a leaf's text is longer than `text_max` characters.
    """
    path: list[str] = []
    pending: Start | None = None  # not yet known to be a leaf
    text: list[str] = []
    for event in events:
        match event:
            case Start():
                if pending is not None:
                    yield pending
                pending = event
                path.append(event.name)
                text = []
            case Text(piece):
                if pending is not None:
                    text.append(piece)
                    if sum(map(len, text)) > text_max:
                        detail = f"a text of over {text_max} characters in {event_path(path)}"
                        raise XmlFlaw(XML_LIMIT.found(shown_path, detail=detail))
            case End():
                if pending is not None:
                    whole = "".join(text).strip()
                    yield Leaf(tuple(path), pending.attributes, whole, pending.line)
                    pending = None
                else:
                    yield event
                path.pop()


def event_path(path: list[str]) -> str:
    """Return element names as a person reads them."""
    return "/".join(path)
