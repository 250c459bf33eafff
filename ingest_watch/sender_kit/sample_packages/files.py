"""What every sample is made of: files by path, small documents that really open, and zips.

各种样例的共同部分。ISO 32000-1 (PDF), APPNOTE 6.3 (zip). Describes only: make_samples.py writes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

_NAMES_ARE_UTF8 = 0x800
_FIRST_OF_2021 = (41 << 9) | (1 << 5) | 1


@dataclass(frozen=True)
class Sample:
    """One package: a file, or a folder of files by path. With a code it is rejected for that."""

    name: str
    content: bytes | dict[str, bytes]
    code: str = ""
    # Of a batch that is accepted: what is wrong with a package in it, by its path.
    parts: dict[str, str] = field(default_factory=dict)


def changed(files: Mapping[str, bytes], changes: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """The files with others in their place, or more of them; None takes one away."""
    merged = {**files, **changes}
    return {path: content for path, content in merged.items() if content is not None}


def replaced(content: bytes, old: str, new: str, codec: str = "utf-8") -> bytes:
    """The document with one text in place of another, which must be there."""
    if old.encode(codec) not in content:
        raise ValueError(old)
    return content.replace(old.encode(codec), new.encode(codec), 1)


def elements(texts: Mapping[str, str]) -> str:
    """One XML element for each text."""
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())


def pdf(text: str) -> bytes:
    """A PDF of one page with this text, which is ASCII."""
    drawn = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    out = b"%PDF-1.4\n"
    table = b"0000000000 65535 f \n"
    for number, body in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    count = len(objects) + 1
    trailer = b"xref\n0 %d\n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return out + trailer % (count, table, count, len(out))


def zipped(files: Mapping[str, bytes], codec: str = "utf-8") -> bytes:
    """A zip of stored files; with "gbk" their names are as Windows in Chinese writes them."""
    flags = _NAMES_ARE_UTF8 if codec == "utf-8" else 0
    out = b""
    directory = b""
    for path, content in files.items():
        name = path.encode(codec)
        told = struct.pack(
            "<5H3L2H", 20, flags, 0, 0, _FIRST_OF_2021, zlib.crc32(content), len(content),
            len(content), len(name), 0,
        )  # fmt: skip
        directory += struct.pack("<4sH", b"PK\x01\x02", 20) + told
        directory += struct.pack("<3H2L", 0, 0, 0, 0, len(out)) + name
        out += b"PK\x03\x04" + told + name + content
    count = len(files)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(out), 0)
    return out + directory + end


def below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files in a folder."""
    return {f"{folder}/{path}": content for path, content in files.items()}
