"""Attacks by zips and tars: A1-A6, A8, A9, A12-A16, A20-A30."""

import bz2
import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from typing import Any

from tests.bags import (
    PAYLOAD,
    ZipPart,
    bag_files,
    bag_parts,
    deflated,
    manifest,
    tar_bytes,
    with_part,
    zip_bytes,
)
from tests.conformance.hostile.attack import MEBIBYTE, Attack, file_attack

BLOCK = 512
CLIMB = "../../../../outside/evil.txt"
END_RECORD = b"PK\x05\x06"
PDF = next(i for i, part in enumerate(bag_parts()) if part.name.endswith(b".pdf"))


def zipped(row: int, title: str, code: str, *parts: ZipPart, **arguments: Any) -> Attack:
    """A good bag's zip with `parts` behind its own."""
    content = zip_bytes([*bag_parts(), *parts], **arguments)
    return file_attack(row, title, content, f"rejected: {code}")


def altered(row: int, title: str, code: str, **changes: Any) -> Attack:
    """A good bag's zip in which one entry is not as it says."""
    content = zip_bytes(with_part(bag_parts(), PDF, **changes))
    return file_attack(row, title, content, f"rejected: {code}")


def tarred(row: int, title: str, code: str, *members: tarfile.TarInfo) -> Attack:
    """A good bag's tar with `members` behind its own."""
    content = tar_bytes(bag_files(), *members)
    return file_attack(row, title, content, f"rejected: {code}", "case.tar")


def raw_tar(row: int, title: str, code: str, content: bytes | Callable[[], bytes]) -> Attack:
    return file_attack(row, title, content, f"rejected: {code}", "case.tar")


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def header(name: bytes, size: bytes, kind: bytes = b"0", mode: bytes = b"0000644\0") -> bytes:
    """One tar header with the size field exactly as given."""
    block = bytearray(BLOCK)
    block[: len(name)] = name
    block[100:108] = mode
    block[124:136] = size.ljust(12, b"\0")
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _tar_of_a_bag_with_modes() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in bag_files().items():
            info = member(path, size=len(content), mode=0o6777, uid=0, uname="root")
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _bag_zip(payload: dict[str, bytes], **changes: Any) -> bytes:
    return zip_bytes(
        ZipPart(path.encode(), content, **changes) for path, content in bag_files(payload).items()
    )


def _zip_of_two_forms() -> bytes:
    return _bag_zip({"data/é": b"1", "data/e\u0301": b"2"})


def _zip_with_raw_name() -> bytes:
    """A bag whose payload's name is neither UTF-8 nor GB18030."""
    raw, content = b"data/\xff\xfe.txt", b"page"
    files = bag_files({"data/%FF%FE.txt": content}, tag_manifests=False)
    del files["data/%FF%FE.txt"]
    files["manifest-sha256.txt"] = manifest("sha256", {"data/%25FF%25FE.txt": content})
    return zip_bytes([*bag_parts(files), ZipPart(raw, content, flags=0)])


def _overlapping() -> bytes:
    kernel = ZipPart(b"data/0", bytes(2 * MEBIBYTE))
    copies = [
        ZipPart(b"data/%d" % i, kernel.content, start=0, is_local=False) for i in range(1, 50)
    ]
    return zip_bytes([kernel, *copies])


def _nested() -> bytes:
    inner = zip_bytes([ZipPart(b"b", b"payload", method=0)])
    outer = ZipPart(b"a", inner[: inner.index(b"PK\x01\x02")], method=0)
    return zip_bytes([outer, ZipPart(b"b", b"payload", method=0, start=31, is_local=False)])


def _bomb(method: int = 8) -> ZipPart:
    content = bytes(64 * MEBIBYTE)
    compressed = deflated(content) if method == 8 else bz2.compress(content)
    return ZipPart(b"data/bomb", content, method=method, compressed=compressed)


def _modest_bomb() -> bytes:
    bomb = bytes(64 * MEBIBYTE)
    part = ZipPart(b"data/bomb", size=10, crc=zlib.crc32(bomb), compressed=deflated(bomb))
    return zip_bytes([*bag_parts(), part])


def _sealed_bombs() -> bytes:
    """A bomb in a zip in a bag: payload like any other."""
    bomb = zip_bytes([_bomb()])
    return _bag_zip({"data/bomb.zip": bomb, "data/bombs.zip": zip_bytes([ZipPart(b"b", bomb)])})


def _zip64(on_this_disk: int | None, on_all: int | None) -> bytes:
    """A zip whose long end record says other numbers of entries; None: as the short one does."""
    content = bytearray(zip_bytes(bag_parts()))
    end = content.rindex(END_RECORD)
    entries, size, start = struct.unpack_from("<H2L", content, end + 10)
    if on_all is not None:
        content[end + 8 : end + 12] = b"\xff" * 4
    numbers = (on_this_disk or entries, on_all or entries)
    long_end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *numbers, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    return bytes(content[:end] + long_end + locator + content[end:])


def _announced() -> bytes:
    return _zip64(10_000_000, 10_000_000)


def _many_disks() -> bytes:
    content = bytearray(zip_bytes(bag_parts()))
    end = content.rindex(END_RECORD)
    content[end + 4 : end + 8] = struct.pack("<2H", 3, 2)
    return bytes(content)


def _pax(record: bytes, kind: bytes = b"x") -> bytes:
    return header(b"pax", b"%011o" % len(record), kind) + record.ljust(
        -(-len(record) // BLOCK) * BLOCK, b"\0"
    )


def _link_maze() -> bytes:
    """CVE-2025-4517: folders and links whose real path grows beyond PATH_MAX."""
    members, path = [], ""
    for letter in "abcdefghijklmnop":
        long = letter * 247
        members += [
            member(path + long, tarfile.DIRTYPE),
            member(path + letter, tarfile.SYMTYPE, linkname=long),
        ]
        path += letter + "/"
    members += [
        member(path + "l" * 254, tarfile.SYMTYPE, linkname="../" * 16),
        member(path + "evil"),
    ]
    return tar_bytes({}, *members)


ATTACKS = (
    zipped(1, "`../` in a zip", "path-traversal", ZipPart(CLIMB.encode(), b"evil")),
    zipped(
        1, "`..` inside a zip's path", "path-traversal", ZipPart(b"data/" + CLIMB.encode(), b"evil")
    ),
    zipped(1, "`..\\` in a zip", "path-traversal", ZipPart(b"..\\..\\outside\\evil.txt", b"evil")),
    tarred(1, "`../` in a tar", "path-traversal", member(CLIMB)),
    tarred(
        1, "`../` in a tar's pax header", "path-traversal", member("x", pax_headers={"path": CLIMB})
    ),
    zipped(2, "leading `/` in a zip", "path-absolute", ZipPart(b"/tmp/lantai-evil", b"evil")),
    tarred(2, "leading `/` in a tar", "path-absolute", member("/tmp/lantai-evil")),
    zipped(2, "drive letter", "path-absolute", ZipPart(b"C:\\evil.txt", b"evil")),
    zipped(2, "network share", "path-absolute", ZipPart(b"\\\\server\\share\\evil.txt", b"evil")),
    zipped(
        3, "symbolic link in a zip", "link", ZipPart(b"data/link", b"/etc/passwd", mode=0o120777)
    ),
    tarred(
        3, "symbolic link in a tar", "link", member("data/link", tarfile.SYMTYPE, linkname=CLIMB)
    ),
    tarred(
        4,
        "symbolic link inside a tar",
        "link",
        member("data/link", tarfile.SYMTYPE, linkname="1.txt"),
    ),
    tarred(
        5,
        "symbolic link, then a file through it",
        "link",
        member("data/way", tarfile.SYMTYPE, linkname="/tmp"),
        member("data/way/lantai-evil"),
    ),
    tarred(
        6,
        "hard link to outside",
        "link",
        member("data/hard", tarfile.LNKTYPE, linkname="/etc/passwd"),
    ),
    tarred(
        6,
        "hard link between entries",
        "link",
        member("data/hard", tarfile.LNKTYPE, linkname="data/scan/1.txt"),
    ),
    tarred(8, "device in a tar", "special-file", member("data/disk", tarfile.BLKTYPE, devmajor=8)),
    tarred(8, "FIFO in a tar", "special-file", member("data/pipe", tarfile.FIFOTYPE)),
    zipped(8, "device in a zip", "special-file", ZipPart(b"data/device", mode=0o060644)),
    file_attack(
        9, "setuid files in a tar", _tar_of_a_bag_with_modes(), "accepted: mode-special", "case.tar"
    ),
    file_attack(
        9, "setuid files in a zip", _bag_zip(PAYLOAD, mode=0o104755), "accepted: mode-special"
    ),
    file_attack(12, "10⁷ entries announced by a zip", _announced, "rejected: entries"),
    zipped(13, "component of 256 bytes in a zip", "name-too-long", ZipPart(b"data/" + b"n" * 256)),
    zipped(
        13,
        "path beyond 1 024 bytes in a zip",
        "name-too-long",
        ZipPart(b"data/" + b"/".join([b"n" * 200] * 6)),
    ),
    tarred(13, "component of 300 bytes in a tar", "name-too-long", member("data/" + "n" * 300)),
    zipped(14, "NUL in a zip's name", "path-unclear", ZipPart(b"data/a\0.txt")),
    file_attack(15, "name in no encoding", _zip_with_raw_name, "accepted: name-not-utf8"),
    file_attack(16, "NFC and NFD twins in a zip", _zip_of_two_forms, "rejected: name-twins"),
    zipped(20, "file and folder of one name", "conflict", ZipPart(b"data/scan", b"x")),
    zipped(20, "entry below a file", "conflict", ZipPart(b"data/scan/1.txt/x", b"x")),
    tarred(20, "folder where a file is", "conflict", member("bagit.txt", tarfile.DIRTYPE)),
    zipped(21, "entry twice in a zip", "duplicate", ZipPart(b"data/scan/1.txt", b"other")),
    tarred(21, "entry twice in a tar", "duplicate", member("bagit.txt")),
    altered(22, "another name in the local header", "zip-inconsistent", local_name=b"data/another"),
    altered(22, "another size", "zip-inconsistent", local_size=1),
    altered(22, "another method", "zip-inconsistent", local_method=0),
    altered(22, "another CRC", "zip-inconsistent", local_crc=1),
    zipped(
        23,
        "an end record in the comment",
        "zip-inconsistent",
        comment=b"x" + END_RECORD + bytes(18),
    ),
    file_attack(
        23, "zip64 record that disagrees", lambda: _zip64(99, None), "rejected: zip-inconsistent"
    ),
    zipped(23, "data before the first entry", "archive-trailing-data", before=b"#!/bin/sh\n"),
    zipped(23, "data behind the end", "archive-trailing-data", after=b"more"),
    zipped(23, "data between entries", "archive-trailing-data", gap=b"hidden"),
    file_attack(24, "50 entries over one (CVE-2024-0450)", _overlapping, "rejected: zip-overlap"),
    file_attack(24, "entries inside entries", _nested, "rejected: zip-overlap"),
    file_attack(25, "deflate bomb", lambda: zip_bytes([*bag_parts(), _bomb()]), "rejected: ratio"),
    file_attack(25, "bzip2 bomb", lambda: zip_bytes([*bag_parts(), _bomb(12)]), "rejected: ratio"),
    file_attack(
        25,
        "gzip bomb",
        lambda: gzip.compress(tar_bytes({"a": bytes(64 * MEBIBYTE)}), 9),
        "rejected: ratio",
        "case.tar.gz",
    ),
    zipped(25, "xz and zstd methods", "zip-unsupported", ZipPart(b"data/x", b"x", method=95)),
    file_attack(25, "bomb that declares 10 bytes", _modest_bomb, "rejected: zip-inconsistent"),
    file_attack(26, "bombs nested in payload", _sealed_bombs, "accepted"),
    altered(27, "declared too small", "zip-inconsistent", size=1),
    altered(27, "declared too large", "zip-inconsistent", size=10_000),
    altered(27, "wrong CRC", "archive-damaged", crc=1, local_crc=1),
    zipped(28, "encrypted entry", "encrypted", ZipPart(b"data/secret", b"x", flags=0x801)),
    zipped(28, "unknown method", "zip-unsupported", ZipPart(b"data/x", b"x", method=99)),
    file_attack(28, "several disks", _many_disks, "rejected: zip-unsupported"),
    raw_tar(
        29,
        "negative size (CVE-2025-8194)",
        "archive-damaged",
        header(b"a", b"\xff" * 12) + bytes(1024),
    ),
    raw_tar(29, "size of 2⁹⁴", "too-large", header(b"a", b"\x80" + b"\x7f" * 11) + bytes(1024)),
    raw_tar(
        29,
        "size overridden by pax, negative",
        "archive-damaged",
        _pax(b"13 size=-512\n") + header(b"a", b"0") + bytes(1024),
    ),
    raw_tar(29, "sparse file", "tar-unsupported", header(b"a", b"0", b"S") + bytes(1024)),
    raw_tar(
        29,
        "GNU long name of 8 GiB",
        "tar-unsupported",
        header(b"n", b"77777777777", b"L") + bytes(1024),
    ),
    raw_tar(
        29,
        "pax header of 64 MiB",
        "tar-unsupported",
        lambda: header(b"p", b"%011o" % (64 * MEBIBYTE), b"x") + bytes(64 * MEBIBYTE),
    ),
    raw_tar(30, "links and long paths (CVE-2025-4517)", "link", _link_maze),
    tarred(
        30,
        "link to a folder, then its mode (CVE-2024-12718)",
        "link",
        member("data/x", tarfile.SYMTYPE, linkname="."),
        member("data/x/.", tarfile.DIRTYPE, mode=0o777),
    ),
)
