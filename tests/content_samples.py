"""Small content files that open: PDF, OFD, JPEG, PNG, TIFF, XML, and zips around them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_OFD = """<?xml version="1.0" encoding="UTF-8"?>
<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016" Version="1.0" DocType="OFD"><ofd:DocBody>
<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"""
_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<ofd:Document xmlns:ofd="http://www.ofdspec.org/2016"><ofd:Pages>%s</ofd:Pages></ofd:Document>"""


def pdf(*, trailer: bytes = b"/Size 2 /Root 1 0 R", version: bytes = b"1.4") -> bytes:
    """One that names no page and is well-formed as far as its cross-reference table goes."""
    body = b"%PDF-" + version + b"\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
    start = len(body)
    return (
        body
        + b"xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \ntrailer\n<< "
        + trailer
        + b" >>\nstartxref\n%d\n%%%%EOF\n" % start
    )


def packed(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def encrypted_zip() -> bytes:
    """A zip whose one entry says, here and in the directory, that it is encrypted."""
    content = bytearray(packed({"a.txt": b"secret"}, zipfile.ZIP_STORED))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def ofd(pages: int = 1, *, missing: bool = False, more: Mapping[str, bytes] | None = None) -> bytes:
    """An OFD document with so many pages; `missing` leaves the pages themselves out."""
    listed = "".join(
        f'<ofd:Page ID="{number}" BaseLoc="Pages/Page_{number}/Content.xml"/>'
        for number in range(pages)
    )
    files = {"OFD.xml": _OFD.encode(), "Doc_0/Document.xml": (_DOCUMENT % listed).encode()}
    if not missing:
        files |= {f"Doc_0/Pages/Page_{number}/Content.xml": b"<Page/>" for number in range(pages)}
    return packed(files | dict(more or {}))


def png(width: int = 1) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", checksum)

    header = struct.pack(">LLBBBBB", width, 1, 8, 0, 0, 0, 0)
    image = zlib.compress(b"\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", image) + chunk(b"IEND", b"")
    )


def jpeg(width: int = 1) -> bytes:
    jfif = b"\xff\xe0\x00\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0"
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 1, width) + b"\x01\x01\x11\x00"
    return b"\xff\xd8" + jfif + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00\xff\xd9"


def tiff() -> bytes:
    entry = struct.pack("<HHLL", 256, 3, 1, 1)
    return b"II*\0" + struct.pack("<L", 8) + struct.pack("<H", 1) + entry + b"\0\0\0\0"
