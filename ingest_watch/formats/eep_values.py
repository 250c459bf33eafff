"""Judge the texts of an EEP's envelope: versions, types, times, sizes, what the data is encoded as.

DA/T 48-2009. What the record's own metadata says (题名, 责任者, …) is for the rules of a profile.
"""

from collections.abc import Iterator

from ingest_watch.findings import Finding
from ingest_watch.formats import eep_rules as rules
from ingest_watch.formats.eep_document import Document, Encoding
from ingest_watch.formats.eep_keywords import is_bytes, is_size, moment, names_an_encoding

_VERSION = "2009"
_ORIGINAL, _MODIFIED = "原始型", "修改型"
_TYPE_TEXTS = {
    _ORIGINAL: "本封装包包含电子文件数据及其元数据，原始封装，未经修改",
    _MODIFIED: "本封装包包含电子文件数据及其元数据，系修改封装，"
    "在保留原封装包的基础上，添加了修改层",
}
_MAIN_DOCUMENT = frozenset({"主文档", "附属文档"})
_NOT_EMPTY = frozenset({"封装包创建时间", "封装包创建单位", "文档标识符", "修改标识符"})
_TIMES = frozenset({"封装包创建时间", "签名时间"})


def judge_leaf(path: str, element: str, text: str, place: str) -> Iterator[Finding]:
    """Yield what there is to say about one text of the envelope."""
    if not text:
        if element in _NOT_EMPTY:
            yield rules.ELEMENT_EMPTY.found(path, place=place, element=element)
        return
    if element == "版本" and text != _VERSION:
        yield rules.VERSION.found(path, element=element, found=text[:100])
    elif element == "封装包类型" and text not in _TYPE_TEXTS:
        yield rules.TYPE_UNKNOWN.found(path, found=text[:100])
    elif element == "文档主从声明" and text not in _MAIN_DOCUMENT:
        yield rules.MAIN_DOCUMENT.found(path, found=text[:100])
    elif element in _TIMES:
        yield from _judge_time(path, element, text)


def judge_signed_version(path: str, stated: str) -> Iterator[Finding]:
    """Yield what there is to say about 被签名对象's own version, which is signed."""
    if stated != _VERSION:
        yield rules.VERSION.found(path, element="eep版本", found=stated[:100])


def judge_description(path: str, element: str, text: str, kind: str) -> Iterator[Finding]:
    """Yield what there is to say about the texts that describe the package (1-12)."""
    if element == "封装包格式描述" and "48" not in text:
        yield rules.FORMAT_DESCRIPTION.found(path)
    elif element == "封装包类型描述" and text != _TYPE_TEXTS.get(kind, text):
        yield rules.TYPE_DESCRIPTION.found(path, kind=kind)


def judge_content_kind(path: str, kind: str, holds: frozenset[str]) -> Iterator[Finding]:
    """Yield what contradicts 封装包类型 in what the signed object holds."""
    expected = {_ORIGINAL: "封装内容", _MODIFIED: "修改封装内容"}.get(kind)
    if not holds:
        yield rules.ELEMENT_MISSING.found(
            path, place="被签名对象", element=expected or "封装内容 / 修改封装内容"
        )
    elif expected is not None and holds != {expected}:
        yield rules.TYPE_CONTRADICTS.found(path, found=kind, content=" + ".join(sorted(holds)))


def judge_encoding(path: str, encoding: Encoding) -> Iterator[Finding]:
    """Yield what there is to say about one 编码 that was read."""
    place = encoding.place
    size = encoding.size
    if size and not is_size(size):
        yield rules.SIZE_INVALID.found(path, place=place, found=size[:100])
    elif size and not is_bytes(size):
        yield rules.SIZE_UNIT.found(path, place=place, found=size)
    if encoding.description and not names_an_encoding(encoding.description):
        yield rules.DESCRIPTION_UNKNOWN.found(path, place=place, found=encoding.description[:200])
    extension = None if encoding.keyword is None else encoding.keyword.extension
    _, dot, named = encoding.name.rpartition(".")
    if extension and dot and named.lower() != extension.lower():
        yield rules.EXTENSION_DIFFERS.found(
            path, place=place, name=encoding.name[:200], extension=extension
        )


def judge_modes(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with how files came: all of them embedded, or all of them beside."""
    digests = {
        each.keyword.digest is not None for each in document.encodings if each.keyword is not None
    }
    if len(digests) > 1:
        yield rules.MODES_MIXED.found(document.path)


def _judge_time(path: str, element: str, text: str) -> Iterator[Finding]:
    found = moment(text)
    if found.at is None:
        yield rules.TIME_INVALID.found(path, element=element, found=text[:100])
    elif not found.is_strict:
        yield rules.TIME_LOOSE.found(path, element=element, found=text)
