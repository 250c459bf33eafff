"""Bags and archives for tests, correct by default and wrong exactly where a test wants them."""

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ingest_watch.checks.report import CheckReport
from ingest_watch.findings import Severity
from ingest_watch.judge import Standards
from tests.judging import check_package

PAYLOAD = {"data/申请表.pdf": b"%PDF-1.4 form", "data/scan/1.txt": b"page one\n"}


def manifest(algorithm: str, files: Mapping[str, bytes]) -> bytes:
    lines = [f"{hashlib.new(algorithm, content).hexdigest()}  {path}\n"
             for path, content in sorted(files.items())]  # fmt: skip
    return "".join(lines).encode()


def bag_files(
    payload: Mapping[str, bytes] | None = None,
    *,
    version: str = "1.0",
    algorithms: Iterable[str] = ("sha256",),
    info: str = "External-Identifier: case-0001\n",
    tag_manifests: bool = True,
    changed: Mapping[str, bytes | None] | None = None,
) -> dict[str, bytes]:
    """The files of a bag, by path. `changed` replaces or removes before tag manifests are made."""
    payload = PAYLOAD if payload is None else payload
    files: dict[str, bytes] = {
        "bagit.txt": f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n".encode()
    }
    if info:
        files["bag-info.txt"] = info.encode()
    for algorithm in algorithms:
        files[f"manifest-{algorithm}.txt"] = manifest(algorithm, payload)
    for path, content in (changed or {}).items():
        files.pop(path, None)
        if content is not None:
            files[path] = content
    if tag_manifests:
        tags = dict(files)
        for algorithm in algorithms:
            files[f"tagmanifest-{algorithm}.txt"] = manifest(algorithm, tags)
    return {**files, **payload}


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def judged(path: Path) -> CheckReport:
    return check_package(path, Standards())


def errors_of(path: Path) -> set[str]:
    return {finding.code for finding in judged(path).findings(Severity.ERROR)}


def warnings_of(path: Path) -> set[str]:
    return {finding.code for finding in judged(path).findings(Severity.WARNING)}


@dataclass(frozen=True)
class ZipPart:
    """One entry of a zip that is written byte by byte; fields left None are the true ones."""

    name: bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0x800
    mode: int = 0o100644
    made_on: int = 3
    local_name: bytes | None = None
    local_method: int | None = None
    local_size: int | None = None
    local_crc: int | None = None
    size: int | None = None
    crc: int | None = None
    compressed: bytes | None = None
    extra: bytes = b""
    with_descriptor: bool = False
    start: int | None = None  # what the directory says of where it lies
    is_local: bool = True  # False: only in the directory


def zip_bytes(
    parts: Iterable[ZipPart], *, before: bytes = b"", after: bytes = b"", comment: bytes = b"",
    gap: bytes = b"", entry_count: int | None = None,
) -> bytes:  # fmt: skip
    out = io.BytesIO()
    out.write(before)
    directory = b""
    count = 0
    for part in parts:
        compressed = part.compressed
        if compressed is None:
            compressed = deflated(part.content) if part.method == 8 else part.content
        size = len(part.content) if part.size is None else part.size
        crc = zlib.crc32(part.content) if part.crc is None else part.crc
        start = out.tell() if part.start is None else part.start
        flags = part.flags | (8 if part.with_descriptor else 0)
        if part.is_local:
            out.write(_local(part, flags, crc, len(compressed), size) + compressed)
            if part.with_descriptor:
                out.write(b"PK\x07\x08" + struct.pack("<3L", crc, len(compressed), size))
            out.write(gap)
        directory += struct.pack(
            "<4s4B4H3L5H2L", b"PK\x01\x02", 20, part.made_on, 20, 0, flags, part.method, 0, 0x21,
            crc, len(compressed), size, len(part.name), len(part.extra), 0, 0, 0,
            part.mode << 16, start,
        ) + part.name + part.extra  # fmt: skip
        count += 1
    start = out.tell()
    count = count if entry_count is None else entry_count
    out.write(directory)
    out.write(
        struct.pack(
            "<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, len(comment)
        )
        + comment
        + after
    )
    return out.getvalue()


def _local(part: ZipPart, flags: int, crc: int, compressed: int, size: int) -> bytes:
    name = part.name if part.local_name is None else part.local_name
    values = (0, 0, 0) if part.with_descriptor else (
        crc if part.local_crc is None else part.local_crc,
        compressed,
        size if part.local_size is None else part.local_size,
    )  # fmt: skip
    method = part.method if part.local_method is None else part.local_method
    return struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 0x21, *values, len(name), len(part.extra)
    ) + name + part.extra  # fmt: skip


def deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def bag_parts(files: Mapping[str, bytes] | None = None) -> list[ZipPart]:
    return [ZipPart(path.encode(), content) for path, content in (files or bag_files()).items()]


def with_part(parts: list[ZipPart], index: int, **changes: Any) -> list[ZipPart]:
    changed = list(parts)
    changed[index] = replace(parts[index], **changes)
    return changed


def tar_bytes(files: Mapping[str, bytes] | None = None, *others: tarfile.TarInfo) -> bytes:
    """A tar of a bag, with `others` (links, devices, …) behind its files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in (bag_files() if files is None else files).items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others:
            archive.addfile(member)
    return out.getvalue()
