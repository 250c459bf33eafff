"""Open a content file as far as tells that it can be read: header, trailer, structure.

DA/T 70-2018 item 3-4; ISO 32000-1 7.5 (PDF), ISO/IEC 10918-1 (JPEG), ISO/IEC 15948 (PNG), TIFF 6.0,
GB/T 33190-2016 (OFD), APPNOTE.TXT (zip). Chosen by the first bytes, and by the suffix where these
should be there and are not. Decodes no image and renders no page.
"""

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ingest_watch.content_zip import ContentZipFlaw, opened_zip
from ingest_watch.ofd import OfdFlaw, page_count
from ingest_watch.xml_reading import XmlFlaw, xml_events

_HEAD_BYTES = 1024
_TAIL_BYTES = 2048
_PNG = b"\x89PNG\r\n\x1a\n"
_STARTXREF = re.compile(rb"startxref\s+(\d{1,15})\s*%%EOF", re.ASCII)
_XREF = re.compile(rb"\s*(?:xref\b|\d+\s+\d+\s+obj\b)")
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


class Unopened(Exception):
    """The file does not open as what it claims to be; says why."""

    def __init__(self, format_name: str, detail: str) -> None:
        super().__init__(detail)
        self.format = format_name


def open_content(location: Path, shown_path: str, size_bytes: int) -> None:
    """Raises Unopened. A file of a format that is not known here opens."""
    with location.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        kind = _kind_of(head, shown_path)
        if kind is None:
            return
        opening, format_name = kind
        stream.seek(0)
        try:
            opening(stream, location, size_bytes)
        except _Flaw as flaw:
            raise Unopened(format_name, str(flaw)) from flaw


class _Flaw(Exception):
    """What is wrong with the file."""


_Opening = Callable[[BinaryIO, Path, int], None]


def _kind_of(head: bytes, shown_path: str) -> tuple[_Opening, str] | None:
    suffix = shown_path.rpartition(".")[2].lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    for start, kind in _BY_START:
        if head.startswith(start):
            return kind
    return None


def _open_pdf(stream: BinaryIO, _location: Path, size_bytes: int) -> None:
    if b"%PDF-" not in stream.read(_HEAD_BYTES):
        raise _Flaw("no %PDF- at its beginning")
    stream.seek(max(0, size_bytes - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES)
    matches = list(_STARTXREF.finditer(tail))
    if not matches:
        raise _Flaw("no startxref and %%EOF at its end: it is cut short")
    # Offsets count from %PDF-, which a few bytes may stand before.
    stream.seek(min(int(matches[-1][1]), size_bytes))
    if not _XREF.match(stream.read(_HEAD_BYTES)):
        raise _Flaw("its cross-reference table is not where startxref says")


def _open_jpeg(stream: BinaryIO, _location: Path, size_bytes: int) -> None:
    """Walk the segments up to the image data; there must be a frame with a size."""
    if stream.read(2) != b"\xff\xd8":
        raise _Flaw("no JPEG header")
    position = 2
    while True:
        stream.seek(position)
        marker = stream.read(4)
        if len(marker) < 4 or marker[0] != 0xFF:
            raise _Flaw("its segments break off before the image")
        if marker[1] in _STANDALONE or marker[1] == 0xFF:
            position += 1 if marker[1] == 0xFF else 2
            continue
        length = struct.unpack(">H", marker[2:])[0]
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
            _height, width = struct.unpack(">xHH", stream.read(5).ljust(5, b"\0"))
            if width == 0:
                raise _Flaw("an image without width")
            return
        position += 2 + length
        if length < 2 or position >= size_bytes:
            raise _Flaw("its segments break off before the image")


def _open_png(stream: BinaryIO, _location: Path, size_bytes: int) -> None:
    head = stream.read(33)
    if head[:8] != _PNG or head[12:16] != b"IHDR":
        raise _Flaw("no PNG header")
    width, height = struct.unpack(">LL", head[16:24])
    if width == 0 or height == 0:
        raise _Flaw("an image without width or height")
    if zlib.crc32(head[12:29]) != struct.unpack(">L", head[29:33])[0]:
        raise _Flaw("a header with a wrong checksum")
    stream.seek(max(0, size_bytes - 12))
    if stream.read(8)[4:] != b"IEND":
        raise _Flaw("no IEND at its end: it is cut short")


def _open_tiff(stream: BinaryIO, _location: Path, size_bytes: int) -> None:
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise _Flaw("no TIFF header")
    version = struct.unpack(order + "H", head[2:4])[0]
    if version == 43 and len(head) == 16:  # BigTIFF
        first = struct.unpack(order + "Q", head[8:16])[0]
    elif version == 42:
        first = struct.unpack(order + "L", head[4:8])[0]
    else:
        raise _Flaw("no TIFF header")
    stream.seek(min(first, size_bytes))
    count = stream.read(2)
    if first < 8 or len(count) < 2 or struct.unpack(order + "H", count)[0] == 0:
        raise _Flaw("its first image is not where the header says")


def _open_xml(stream: BinaryIO, location: Path, _size_bytes: int) -> None:
    try:
        for _event in xml_events(stream, location.name, bytes_max=None):
            pass
    except XmlFlaw as flaw:
        raise _Flaw(flaw.finding.message) from flaw


def _open_zip(_stream: BinaryIO, location: Path, _size_bytes: int) -> None:
    try:
        with opened_zip(location) as archive:
            if not archive.namelist():
                raise _Flaw("an empty zip")
    except ContentZipFlaw as flaw:
        raise _Flaw(str(flaw)) from flaw


def _open_ofd(_stream: BinaryIO, location: Path, _size_bytes: int) -> None:
    try:
        if page_count(location) == 0:
            raise _Flaw("a document without pages")
    except OfdFlaw as flaw:
        raise _Flaw(str(flaw)) from flaw


_OFFICE = (_open_zip, "office")
_BY_SUFFIX: dict[str, tuple[_Opening, str]] = {
    "pdf": (_open_pdf, "PDF"),
    "ofd": (_open_ofd, "OFD"),
    "jpg": (_open_jpeg, "JPEG"), "jpeg": (_open_jpeg, "JPEG"),
    "png": (_open_png, "PNG"),
    "tif": (_open_tiff, "TIFF"), "tiff": (_open_tiff, "TIFF"),
    "xml": (_open_xml, "XML"),
    "zip": (_open_zip, "zip"),
    "docx": _OFFICE, "xlsx": _OFFICE, "pptx": _OFFICE, "odt": _OFFICE, "ods": _OFFICE,
    "odp": _OFFICE,
}  # fmt: skip
_BY_START: tuple[tuple[bytes, tuple[_Opening, str]], ...] = (
    (b"%PDF-", (_open_pdf, "PDF")),
    (b"\xff\xd8\xff", (_open_jpeg, "JPEG")),
    (_PNG, (_open_png, "PNG")),
    (b"II*\0", (_open_tiff, "TIFF")),
    (b"MM\0*", (_open_tiff, "TIFF")),
    (b"<?xml", (_open_xml, "XML")),
    (b"PK\x03\x04", (_open_zip, "zip")),
)
