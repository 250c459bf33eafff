"""Sample bags: made here, dropped into the demo's folders, one of them wrong on purpose.

RFC 8493 (BagIt) in every serialisation the intake takes; the other formats are kit_samples.py's.
The senders, matters and people in them are invented. Makes files only; nothing here judges them.
"""

import hashlib
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.demo.senders import PORTAL, Sender

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """One package: what it is called, what it shows, and how it is put into a drop folder."""

    name: str  # as dropped, serialisation suffix included
    shows: str
    shows_zh: str
    expected: str  # "stored", "rejected" or "held"
    write: Callable[[Path], object]  # writes it at the path given
    sender: Sender = PORTAL


def samples(seed: int = 2026) -> list[Sample]:
    """Return the portal's packages: the same bytes for the same seed."""
    source = random.Random(seed)  # noqa: S311 - sample content, no secret
    return [
        *(_good(source, number) for number in range(1, 5)),
        _sample("case-0005", "an older bag (0.97, MD5)", "旧版 BagIt", _older(source)),
        _sample("scan-0006.tar.gz", "a scanned volume of 5 MiB", "扫描案卷", _scan(source)),
        Sample("case-0007.zip", "a name climbs out of its folder", "路径越界", "rejected",
               _climbing(source)),
    ]  # fmt: skip


def bag(payload: Files, identifier: str, algorithm: str = "sha256", version: str = "1.0") -> Files:
    """Return the files of a complete bag around `payload` (paths below data/)."""
    files = {f"data/{path}": content for path, content in payload.items()}
    info = (
        f"Source-Organization: 示例市政务服务和数据管理局\n"
        f"External-Identifier: {identifier}\n"
        f"Bagging-Date: 2026-11-22\n"
        f"Payload-Oxum: {sum(map(len, files.values()))}.{len(files)}\n"
    )
    tags = {
        "bagit.txt": f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n".encode(),
        "bag-info.txt": info.encode(),
        f"manifest-{algorithm}.txt": _manifest(files, algorithm, version),
    }
    tag_manifest = _manifest(tags, algorithm, version)
    return {**tags, f"tagmanifest-{algorithm}.txt": tag_manifest, **files}


def write_folder(files: Files, target: Path) -> None:
    """Write `files` below `target`."""
    for path, content in files.items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def write_zip(files: Files, target: Path) -> None:
    """Write `files` as a zip with names in UTF-8."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)


def write_tar(files: Files, target: Path, mode: str = "w") -> None:
    """Write `files` as a tar; `mode` "w:gz" compresses it."""
    with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]  # mode is a str
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def case_files(source: random.Random) -> Files:
    """Eight files of a government-service case, some 20 kB in all."""
    return {
        "申报文件/申请表.txt": _text(source, "建设工程规划许可申请表"),
        "申报文件/身份证明.jpg": source.randbytes(4000),
        "申报文件/附件 100%.pdf": source.randbytes(6000),
        "过程文件/受理通知书.txt": _text(source, "受理通知书"),
        "过程文件/审核意见.xml": _text(source, "<审核意见>同意</审核意见>"),
        "结果文件/许可证.ofd": source.randbytes(5000),
        "结果文件/送达回证.txt": _text(source, "送达回证"),
        "base_info.xml": _text(source, "<base_info/>"),
    }


def _sample(name: str, shows: str, shows_zh: str, write: Callable[[Path], None]) -> Sample:
    return Sample(name, shows, shows_zh, "stored", write)


def _good(source: random.Random, number: int) -> Sample:
    identifier = f"case-{number:04}"
    files = bag(case_files(source), identifier, "sha512" if number % 2 else "sha256")
    nested = {f"{identifier}/{path}": content for path, content in files.items()}
    match number % 4:
        case 1:
            return _sample(identifier, "a folder", "文件夹", lambda at: write_folder(files, at))
        case 2:
            return _sample(f"{identifier}.zip", "a zip", "ZIP", lambda at: write_zip(nested, at))
        case 3:
            return _sample(f"{identifier}.tar", "a tar", "TAR", lambda at: write_tar(nested, at))
        case _:
            return _sample(
                f"{identifier}.tar.gz",
                "a compressed tar",
                "压缩 TAR",
                lambda at: write_tar(nested, at, "w:gz"),
            )


def _older(source: random.Random) -> Callable[[Path], None]:
    files = bag(case_files(source), "case-0005", "md5", "0.97")
    return lambda at: write_folder(files, at)


def _scan(source: random.Random) -> Callable[[Path], None]:
    pages = {"卷一/全卷扫描.tif": source.randbytes(5 * 1024 * 1024 + 17)}
    files = {f"scan-0006/{path}": content for path, content in bag(pages, "scan-0006").items()}
    return lambda at: write_tar(files, at, "w:gz")


def _climbing(source: random.Random) -> Callable[[Path], None]:
    files = {
        **bag(case_files(source), "case-0007"),
        "../../etc/cron.d/evil": b"* * * * * root id\n",
    }
    return lambda at: write_zip(files, at)


def _manifest(files: Files, algorithm: str, version: str) -> bytes:
    # Only RFC 8493 writes a percent sign as %25; the drafts before it wrote names as they are.
    percent = "%25" if version == "1.0" else "%"
    lines = (
        f"{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}  "
        f"{path.replace('%', percent)}\n"
        for path, content in sorted(files.items())
    )
    return "".join(lines).encode()


def _text(source: random.Random, title: str) -> bytes:
    return f"{title}\n{source.randbytes(400).hex()}\n".encode()
