"""Read an EEP document once, from its first byte to its last, decoding its files on the way.

DA/T 48-2009. Embedded files go straight to eep_content.py; everything else becomes values
(eep_document.py) under fixed limits, so a document of any size needs the same memory. Holds the
tree against eep_shape.py and the texts against eep_values.py. Verifies no digest and no signature.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ingest_watch.findings import Finding
from ingest_watch.formats import eep_rules as rules
from ingest_watch.formats.eep_content import Content, content_name
from ingest_watch.formats.eep_data import EncodedData, with_extension
from ingest_watch.formats.eep_document import (
    ELEMENT_CHARACTERS,
    ENCODINGS_MAX,
    LAYERS_MAX,
    LEAF_CHARACTERS_MAX,
    SIGNATURES_MAX,
    TEXT_CHARACTERS_MAX,
    Document,
    Encoding,
    Layer,
    Signature,
    Span,
)
from ingest_watch.formats.eep_keywords import keyword
from ingest_watch.formats.eep_shape import Shape
from ingest_watch.formats.eep_tree import IDENTIFYING_ELEMENTS
from ingest_watch.formats.eep_values import (
    judge_content_kind,
    judge_description,
    judge_encoding,
    judge_leaf,
    judge_signed_version,
)
from ingest_watch.records import Field
from ingest_watch.xml_reading import End, Start, Text, XmlFlaw, xml_events

_EARLIER, _SIGNED, _DATA = "原封装包", "被签名对象", "编码数据"
_SIGNATURES = frozenset({"电子签名", "锁定签名"})
# The innermost of these begins the names of a record's fields.
_RECORD_STARTS = frozenset({"文件实体", "文件实体块", "封装内容", "修订内容", "被签名对象"})


def read_document(stream: BinaryIO, path: str, content: Content) -> Document:
    """Read everything. What breaks off the reading is the document's `flaw`.

    Raises PackageRejected for a file that may not be decoded, and OSError.
    """
    reading = _Reading(Document(path), content)
    try:
        for event in xml_events(stream, path, bytes_max=None):
            reading.take(event)
    except XmlFlaw as flaw:
        reading.document.flaw = flaw.finding
    finally:
        reading.close()
    if reading.document.flaw is None:
        reading.resolve()
    return reading.document


class _Reading:
    """The state of one reading."""

    def __init__(self, document: Document, content: Content) -> None:
        self.document = document
        self._content = content
        self._shape = Shape(document.path, document.structure)
        self._path: list[str] = []
        self._layer = 0
        self._is_leaf = False
        self._line = 0
        self._leaf: list[str] = []
        self._leaf_characters = 0
        self._text_characters = 0
        self._holds: list[set[str]] = []
        self._encoding: Encoding | None = None
        self._signature: Signature | None = None
        self._data: EncodedData | None = None

    def take(self, event: Start | Text | End) -> None:
        """Take one event; raises XmlFlaw when the reading must end."""
        match event:
            case Text(piece):
                self._text(piece)
            case Start():
                self._start(event)
            case End():
                self._end(event)

    def close(self) -> None:
        """Let go of a file that is being written."""
        if self._data is not None:
            self._data.close()

    def resolve(self) -> None:
        """Give every reference the bytes that it refers to (引用编码数据ID), and look for locks."""
        sources = {each.data_id: each for each in self.document.encodings if each.data_id}
        for each in self.document.encodings:
            if each.reference and not each.is_malformed:
                self._resolve(each, sources)
        for layer in self.document.layers:
            known = {each.identifier for each in layer.signatures if each.identifier}
            for signature in layer.signatures:
                if signature.locks is not None and signature.locks not in known:
                    self._refers_to_nothing(signature.place, signature.locks)

    def _resolve(self, encoding: Encoding, sources: dict[str, Encoding]) -> None:
        seen = {id(encoding)}
        source = sources.get(encoding.reference)
        while source is not None and source.reference and id(source) not in seen:
            seen.add(id(source))
            source = sources.get(source.reference)
        if source is None or source.reference:
            self._refers_to_nothing(encoding.place, encoding.reference)
            return
        encoding.digest = source.digest
        if source.path is not None and encoding.name and encoding.keyword is not None:
            wanted = with_extension(encoding.name, encoding.keyword.extension)
            name = content_name(wanted, encoding.layer)
            if name.path != source.path:
                self._content.copy(source.path, name)
            encoding.path = name.path

    def _refers_to_nothing(self, place: str, identifier: str) -> None:
        path = self.document.path
        self._tell([rules.REFERENCE_UNKNOWN.found(path, place=place, identifier=identifier[:200])])

    def _tell(self, findings: Iterable[Finding]) -> None:
        self.document.tell(self.document.structure, findings)

    def _start(self, event: Start) -> None:
        self._path.append(event.name)
        self._shape.start(event)
        self._is_leaf, self._line = self._shape.is_within_known, event.line
        self._leaf, self._leaf_characters = [], 0
        self._count(ELEMENT_CHARACTERS + sum(map(len, event.attributes.values())))
        if self._data is not None:
            self._data.flaw = f"there is an element in it ({event.name[:100]})"
        elif self._shape.is_known:
            self._start_known(event)

    def _start_known(self, event: Start) -> None:
        match event.name:
            case "原封装包":
                self._enter_layer(event)
            case "被签名对象":
                self.document.layers[self._layer].span = Span(event.offset, 0)
                version = event.attributes.get("eep版本", "")
                self._tell(judge_signed_version(self.document.path, version))
                self._holds.append(set())
            case "封装内容" | "修改封装内容":
                self._holds[-1].add(event.name)
            case "文件实体":
                self.document.layers[self._layer].entities += 1
            case "文件数据" if self._path[-2] == "文件实体块":
                self.document.layers[self._layer].entities += 1
            case "编码":
                self._begin_encoding(event)
            case "编码数据" if self._encoding is not None:
                self._begin_data(self._encoding, event)
            case "电子签名" | "锁定签名":
                self._begin_signature(event)

    def _enter_layer(self, event: Start) -> None:
        self._layer += 1
        if self._layer > LAYERS_MAX:
            found = rules.NESTING.found(self.document.path, limit=LAYERS_MAX, line=event.line)
            raise XmlFlaw(found)
        if len(self.document.layers) == self._layer:
            self.document.layers.append(Layer())

    def _begin_encoding(self, event: Start) -> None:
        if len(self.document.encodings) >= ENCODINGS_MAX:
            raise self._limit(f"more than {ENCODINGS_MAX} computer files (编码)")
        place = event.attributes.get("编码ID", "") or f"编码 {len(self.document.encodings) + 1}"
        self._encoding = Encoding(place[:200], self._layer)
        self.document.encodings.append(self._encoding)

    def _begin_data(self, encoding: Encoding, event: Start) -> None:
        encoding.data_id = event.attributes.get("编码数据ID", "")
        encoding.reference = event.attributes.get("引用编码数据ID", "")
        encoding.keyword = keyword(encoding.keyword_text)
        self._data = EncodedData(encoding, self._content)

    def _begin_signature(self, event: Start) -> None:
        signatures = self.document.layers[self._layer].signatures
        if len(signatures) >= SIGNATURES_MAX:
            raise self._limit(f"more than {SIGNATURES_MAX} signatures")
        self._signature = Signature(f"{event.name} {len(signatures) + 1}", self._layer)
        self._signature.span = Span(event.offset, 0)
        signatures.append(self._signature)

    def _text(self, piece: str) -> None:
        if self._data is not None:
            self._data.feed(piece)
        elif self._is_leaf:
            self._leaf.append(piece)
            self._leaf_characters += len(piece)
            if self._leaf_characters > LEAF_CHARACTERS_MAX:
                raise self._limit(f"one text of more than {LEAF_CHARACTERS_MAX} characters")
            self._count(len(piece))

    def _count(self, characters: int) -> None:
        self._text_characters += characters
        if self._text_characters > TEXT_CHARACTERS_MAX:
            raise self._limit(f"more than {TEXT_CHARACTERS_MAX} characters of metadata")

    def _end(self, event: End) -> None:
        if self._data is not None and event.name == _DATA:
            self._end_data(self._data)
        elif self._is_leaf:
            self._end_leaf(event.name, "".join(self._leaf).strip())
        if self._shape.is_known:
            self._end_known(event)
        self._shape.end()
        self._path.pop()
        self._is_leaf = False

    def _end_known(self, event: End) -> None:
        layer = self.document.layers[self._layer]
        if event.name == _SIGNED and layer.span is not None:
            layer.span = Span(layer.span.start, event.offset)
            holds = frozenset(self._holds.pop())
            self._tell(judge_content_kind(self.document.path, layer.kind, holds))
        elif event.name in _SIGNATURES and self._signature is not None:
            assert self._signature.span is not None, "it was set when the element began"
            self._signature.span = Span(self._signature.span.start, event.offset)
            self._signature = None
        elif event.name == "编码" and self._encoding is not None:
            self._tell(judge_encoding(self.document.path, self._encoding))
            self._encoding = None
        elif event.name == _EARLIER:
            self._layer -= 1

    def _end_data(self, data: EncodedData) -> None:
        data.finish()
        self._data = None
        self._tell(self._judge_data(data))
        self.document.tell(self.document.contents, self._judge_decoding(data))

    def _judge_data(self, data: EncodedData) -> Iterator[Finding]:
        encoding, path = data.encoding, self.document.path
        if encoding.keyword is None:
            found = encoding.keyword_text[:100]
            yield rules.KEYWORD_UNKNOWN.found(path, place=encoding.place, found=found)
        elif not encoding.name:
            yield rules.FILE_UNNAMED.found(path, place=encoding.place)
        elif encoding.reference and encoding.has_data:
            yield rules.REFERENCE_AND_DATA.found(path, place=encoding.place)

    def _judge_decoding(self, data: EncodedData) -> Iterator[Finding]:
        encoding, path = data.encoding, self.document.path
        if data.flaw is not None and (encoding.keyword is None or encoding.keyword.digest is None):
            yield rules.BASE64_INVALID.found(path, place=encoding.place, detail=data.flaw)
        elif not encoding.has_data and not encoding.reference:
            yield rules.DATA_EMPTY.found(path, place=encoding.place)

    def _end_leaf(self, element: str, text: str) -> None:
        layer = self.document.layers[self._layer]
        if self._shape.is_known:
            self._known_leaf(element, text, layer)
        elif self._encoding is not None and self._path[-2] == "格式信息":
            stated = f"{element}：{text}"
            earlier = self._encoding.format
            self._encoding.format = stated if not earlier else f"{earlier}，{stated}"
        if self._layer == 0 and self._signature is None:
            layer.fields.append(Field(self._field_name(), text, self._line))

    def _known_leaf(self, element: str, text: str, layer: Layer) -> None:
        document = self.document
        self._tell(judge_leaf(document.path, element, text, self._shape.place))
        if text and element in IDENTIFYING_ELEMENTS:
            self._shape.identifier(text, self._line)
        if self._signature is not None:
            self._signature_leaf(self._signature, element, text)
        elif self._encoding is not None:
            self._encoding_leaf(self._encoding, element, text)
        elif element == "封装包类型":
            layer.kind = text
        elif element == "封装包创建时间":
            layer.created = text
        described = judge_description(document.path, element, text, layer.kind)
        document.tell(document.descriptions, described)

    def _encoding_leaf(self, encoding: Encoding, element: str, text: str) -> None:
        match element:
            case "计算机文件名":
                encoding.name = text
            case "计算机文件大小":
                encoding.size = text
            case "格式信息":
                encoding.format = text or None
            case "编码描述":
                encoding.description = text
            case "反编码关键字":
                encoding.keyword_text = text

    def _signature_leaf(self, signature: Signature, element: str, text: str) -> None:
        match element:
            case "签名标识符":
                signature.identifier = text
            case "被锁定签名标识符":
                signature.locks = text
            case "签名时间":
                signature.time = text
            case "签名结果":
                signature.value = text
            case "证书":
                signature.certificates.append(text)
            case "签名算法标识":
                signature.algorithm = text

    def _field_name(self) -> str:
        """The names of the elements from the record down: `内容描述/题名`."""
        start = 0
        for depth, name in enumerate(self._path, 1):
            if name in _RECORD_STARTS:
                start = depth
        names = self._path[start:]
        if len(names) > 1 and names[0].endswith("实体块"):
            names = names[1:]
        return sys.intern("/".join(names))

    def _limit(self, detail: str) -> XmlFlaw:
        return XmlFlaw(rules.LIMIT.found(self.document.path, detail=detail))
