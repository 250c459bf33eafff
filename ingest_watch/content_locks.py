"""Tell whether a content file is encrypted, or compressed in a way that is not common property.

DA/T 70-2018 item 3-8; APPNOTE.TXT 4.4.4 (zip flags), ISO 32000-1 7.6 (PDF /Encrypt), GB/T 33190
(OFD Encryptions), ECMA-376 (an OLE file with EncryptedPackage). Opens nothing else.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ingest_watch.content_zip import COMMON_METHODS, FLAG_ENCRYPTED, ContentZipFlaw, opened_zip
from ingest_watch.ofd import is_encrypted

_HEAD_BYTES = 4096
_PIECE_BYTES = 1024 * 1024
_TRAILER_BYTES = 64 * 1024
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_PRIVATE = (
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"**ACE**", "ace"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"\xfd7zXZ\0", "xz"),
)
# A reference or a dictionary behind the name; /EncryptMetadata is another name.
_ENCRYPT = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")


@dataclass(frozen=True, slots=True)
class Locks:
    """What keeps people out of a file."""

    is_encrypted: bool = False
    compression: str = ""  # its name, if it is not open to all


def locks_of(location: Path, size_bytes: int) -> Locks:
    """Look at one file. Raises OSError."""
    with location.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        for start, name in _PRIVATE:
            if head.startswith(start):
                return Locks(compression=name)
        if head.startswith(_OLE):
            return Locks(is_encrypted=_holds(stream, _ENCRYPTED_PACKAGE))
        if b"%PDF-" in head[:1024]:
            return Locks(is_encrypted=_pdf_is_encrypted(stream, size_bytes))
    return _zip_locks(location) if head.startswith(b"PK") else Locks()


def _pdf_is_encrypted(stream: BinaryIO, size_bytes: int) -> bool:
    """The trailer names the encryption: at the end, or at the start of a linearised file."""
    stream.seek(0)
    if _ENCRYPT.search(stream.read(_TRAILER_BYTES)):
        return True
    stream.seek(max(0, size_bytes - _TRAILER_BYTES))
    return _ENCRYPT.search(stream.read(_TRAILER_BYTES)) is not None


def _holds(stream: BinaryIO, mark: bytes) -> bool:
    stream.seek(0)
    kept = b""
    while piece := stream.read(_PIECE_BYTES):
        if mark in kept + piece:
            return True
        kept = piece[-len(mark) :]
    return False


def _zip_locks(location: Path) -> Locks:
    try:
        with opened_zip(location) as archive:
            entries = archive.infolist()
            encrypted = any(entry.flag_bits & FLAG_ENCRYPTED for entry in entries)
            methods = {entry.compress_type for entry in entries} - COMMON_METHODS
    except ContentZipFlaw:
        return Locks()  # whether it opens at all is 3-4's
    private = ", ".join(f"zip method {method}" for method in sorted(methods))
    return Locks(encrypted or is_encrypted(location), private)
