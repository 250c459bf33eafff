"""Extra fields and names of zip entries.

APPNOTE.TXT 6.3 sections 4.5.3 (zip64), 4.6.9 (Unicode path) and appendix D (UTF-8 flag). A name
without any declaration is read as UTF-8 if it is that, else as GB18030, which holds GBK and
GB2312, else in the source's own encoding; the bytes are kept either way.
"""

import struct
import zlib
from contextlib import suppress

from ingest_watch.findings import Finding, PackageRejected
from ingest_watch.names import GB18030, text_of_path
from ingest_watch.opening_rules import (
    NAME_FROM_ENCODING,
    NAME_FROM_GB18030,
    NAME_NOT_UTF8,
    ZIP_INCONSISTENT,
)

_HEADER = struct.Struct("<2H")
_ZIP64 = 0x0001
_UNICODE_PATH = 0x7075
_LIMIT_OF = {8: 0xFFFFFFFF, 4: 0xFFFF}
# One remark for each of so many names; a package with more has one cause.
_REMARKS_MAX = 100


def extra_fields(data: bytes) -> dict[int, bytes]:
    """Return the fields by number; raises PackageRejected if they are malformed or repeated."""
    fields: dict[int, bytes] = {}
    position = 0
    # Up to three bytes of padding are what aligning tools leave.
    while len(data) - position >= _HEADER.size:
        number, length = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        if position + length > len(data) or (number == _ZIP64 and number in fields):
            raise PackageRejected(ZIP_INCONSISTENT.found(detail="malformed extra fields"))
        fields[number] = data[position : position + length]
        position += length
    return fields


def zip64_values(extra: dict[int, bytes], *values: tuple[int, int]) -> list[int]:
    """Replace each (value, width) that is at its limit by the next of the zip64 field."""
    field = extra.get(_ZIP64, b"")
    resolved: list[int] = []
    position = 0
    for value, width in values:
        if value == _LIMIT_OF[width] and _ZIP64 in extra:
            part = field[position : position + width]
            if len(part) != width:
                raise PackageRejected(ZIP_INCONSISTENT.found(detail="a zip64 field is too short"))
            resolved.append(int.from_bytes(part, "little"))
            position += width
        else:
            resolved.append(value)
    return resolved


class ZipNames:
    """Decodes the names of one zip and remembers what is worth telling."""

    def __init__(self, encoding: str | None = None) -> None:
        """`encoding` is the source's own, tried last."""
        self._encodings = (GB18030, encoding) if encoding else (GB18030,)
        self._remarks: list[Finding] = []

    def decode(self, raw: bytes, extra: dict[int, bytes], *, utf8: bool) -> str | None:
        """Return the name as text, or None if it can only be kept escaped."""
        if raw.isascii():
            return raw.decode("ascii")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            if utf8:
                detail = "a name is declared UTF-8 and is not"
                raise PackageRejected(ZIP_INCONSISTENT.found(detail=detail)) from None
        declared = _unicode_path(raw, extra)
        if declared is not None:
            return declared
        for encoding in self._encodings:
            with suppress(UnicodeDecodeError):
                text = raw.decode(encoding)
                rule = NAME_FROM_GB18030 if encoding == GB18030 else NAME_FROM_ENCODING
                self._remark(rule.found(text, encoding=encoding))
                return text
        self._remark(NAME_NOT_UTF8.found(text_of_path(raw)))
        return None

    def remarks(self) -> tuple[Finding, ...]:
        """Return what was remarked, for the report."""
        return tuple(self._remarks)

    def _remark(self, finding: Finding) -> None:
        if len(self._remarks) < _REMARKS_MAX:
            self._remarks.append(finding)


def _unicode_path(raw: bytes, extra: dict[int, bytes]) -> str | None:
    """Return Info-ZIP's UTF-8 name, if it is there and belongs to this very name."""
    field = extra.get(_UNICODE_PATH, b"")
    if len(field) <= 5 or field[0] != 1 or int.from_bytes(field[1:5], "little") != zlib.crc32(raw):
        return None
    try:
        return field[5:].decode("utf-8")
    except UnicodeDecodeError:
        return None
