"""Pack, check and verify on the sender's side: one file, Python 3.8 or later, nothing to install.

打包、自查、核验回执。只需 Python 3.8 及以上，无须安装其他软件；Windows、Linux 均可使用。

    python lantai_sender.py pack FOLDER --to DROP/case-1 --identifier case-1 [--marker .done]
    python lantai_sender.py check BAG
    python lantai_sender.py verify case-1.stored.json --key notary.signing.pub.pem [--package BAG]

RFC 8493 (BagIt 1.0). Exit codes 退出码: 0 yes 通过; 1 no 不通过; 2 usage 用法; 3 无 openssl.
It finds what senders get wrong most often; the archive's own checks go further (see README.md).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
CHUNK_BYTES = 1 << 20
WHAT_TO_DO = {
    "received": "judged acceptable, NOT yet stored: keep your copy 已通过，尚未入库：请保留原件",
    "registration": "kept; sign the form, keep your copy until `stored` 请签署登记表，保留原件",
    "stored": "stored: every copy was read back 已入库：各副本均已回读核对",
    "rejected": "sent back: mend it and send it again 已退回：请改正后重新移交",
    "held": "waits for a person at the archive 等待档案馆人工处理",
}


def main() -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    given = _arguments()
    if given.command == "pack":
        return _pack_command(given)
    if given.command == "check":
        return _say_problems(given.bag, check(given.bag))
    return verify(given.receipt, given.key, given.package)


def pack(folder: Path, target: Path, identifier: str) -> Path:
    """Make a bag of everything in `folder`, under a temporary name until it is whole.

    Returns `target`. Raises ValueError for what a bag cannot hold, FileExistsError, OSError.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already 已存在")
    if not identifier.strip() or re.search(r"[\x00-\x1f/]", identifier):
        raise ValueError("the identifier is empty or has a slash or control character 标识不可用")
    # Names that begin with a dot are never taken for packages.
    growing = target.with_name(f".{target.name}.part")
    if growing.exists():
        shutil.rmtree(growing)
    digests = {}
    size_bytes = 0
    for path in _files_below(folder):
        name = f"data/{path.relative_to(folder).as_posix()}"
        copy = growing / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        digests[name] = _copied(path, copy)
        size_bytes += copy.stat().st_size
    if not digests:
        raise ValueError(f"{folder} holds no file 文件夹为空")
    tags = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": _info(identifier, f"{size_bytes}.{len(digests)}"),
        MANIFEST: _manifest(digests),
    }
    tags[TAG_MANIFEST] = _manifest({name: _sha256(text) for name, text in tags.items()})
    for name, text in tags.items():
        (growing / name).write_bytes(text)
    growing.rename(target)
    return target


def check(bag: Path) -> list[str]:
    """What is wrong with the bag in the folder `bag`, in English and Chinese."""
    if not (bag / "bagit.txt").is_file():
        return ["bagit.txt is missing: this is no bag 缺少 bagit.txt，不是 BagIt 包"]
    try:
        present = {path.relative_to(bag).as_posix(): path for path in _files_below(bag)}
    except ValueError as error:
        return [str(error)]
    problems = list(_declaration_problems(bag))
    if MANIFEST not in present:
        return [*problems, f"{MANIFEST} is missing 缺少 {MANIFEST}"]
    try:
        payload, tags = _read_manifest(bag / MANIFEST), {}
        if TAG_MANIFEST in present:
            tags = _read_manifest(bag / TAG_MANIFEST)
        info = (bag / "bag-info.txt").read_text("utf-8") if "bag-info.txt" in present else ""
    except ValueError as error:
        return [*problems, str(error)]
    problems += _digest_problems(present, {**payload, **tags})
    for name in sorted(present):
        if name.startswith("data/") and name not in payload:
            problems.append(f"{name}: is in no manifest 不在清单中")
    problems += _info_problems(info, present)
    return problems


def verify(receipt: Path, key: Path, package: Path | None = None) -> int:
    """Check the signature by openssl; with `package`, also that it holds what was stored."""
    if receipt.suffix != ".json":
        print(f"{receipt.name}: only the JSON is signed 只有 JSON 文件有签名")
        return 2
    for needed in (receipt, Path(f"{receipt}.sig"), key):
        if not needed.is_file():
            print(f"{needed}: is missing 缺少文件")
            return 2
    openssl = shutil.which("openssl")
    if openssl is None:
        print("openssl (3.0 or later) is not on this machine 本机没有 openssl")
        return 3
    command = [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin"]
    command += ["-in", str(receipt), "-sigfile", f"{receipt}.sig"]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        print(f"{receipt.name}: does NOT hold, do not rely on it 签名无效，不可采信")
        return 1
    answer = json.loads(receipt.read_bytes())
    what_to_do = WHAT_TO_DO.get(answer["kind"], answer["kind"])
    print(f"{receipt.name}: signed by that key 签名有效. {what_to_do}")
    for reason in answer.get("reasons", []):
        where = f"{reason['path']}: " if reason["path"] else ""
        print(f"  [{reason['code']}] {where}{reason['message']} {reason['message_zh']}")
    if package is None:
        return 0
    return _say_problems(package, list(_differences(answer, package)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Pack, check, verify 打包、自查、核验回执")
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="make a bag of a folder 打包")
    packing.add_argument("folder", type=Path)
    packing.add_argument("--to", type=Path, required=True, help="the bag to make 目标")
    packing.add_argument("--identifier", required=True, help="what you call it 标识(电子文件号)")
    packing.add_argument("--marker", help="ending of the done-marker, e.g. .done 完成标记")
    checking = commands.add_parser("check", help="find what would be rejected 自查")
    checking.add_argument("bag", type=Path)
    verifying = commands.add_parser("verify", help="verify an answer 核验回执")
    verifying.add_argument("receipt", type=Path)
    verifying.add_argument("--key", type=Path, required=True, help="the archive's key 档案馆公钥")
    verifying.add_argument("--package", type=Path, help="compare with this folder 与原件比对")
    return parser.parse_args()


def _pack_command(given: argparse.Namespace) -> int:
    try:
        bag = pack(given.folder, given.to, given.identifier)
    except (ValueError, OSError) as error:
        print(f"not packed 未打包: {error}")
        return 1
    problems = check(bag)
    if not problems and given.marker:
        bag.with_name(bag.name + given.marker).touch()
    return _say_problems(bag, problems)


def _say_problems(folder: Path, problems: list[str]) -> int:
    for problem in problems:
        print(f"  {problem}")
    print(f"{folder}: " + (f"{len(problems)} problem(s) 个问题" if problems else "good 通过"))
    return 1 if problems else 0


def _files_below(folder: Path) -> Iterator[Path]:
    """Every file, in order. Raises ValueError for links and whatever else is no file."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(folders + names):
            path = Path(place) / name
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ValueError(f"{path}: a link or special file 链接或特殊文件")
            if path.is_file():
                yield path


def _copied(source: Path, target: Path) -> str:
    """Copy and return the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        for chunk in iter(lambda: reading.read(CHUNK_BYTES), b""):
            digest.update(chunk)
            writing.write(chunk)
    return digest.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as reading:
        for chunk in iter(lambda: reading.read(CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _info(identifier: str, oxum: str) -> bytes:
    today = date.today().isoformat()  # noqa: DTZ011  # the sender's own calendar
    return (
        f"External-Identifier: {identifier}\nPayload-Oxum: {oxum}\nBagging-Date: {today}\n"
    ).encode()


def _manifest(digests: dict[str, str]) -> bytes:
    lines = (f"{digest}  {_written(name)}\n" for name, digest in sorted(digests.items()))
    return "".join(lines).encode()


def _written(name: str) -> str:
    """RFC 8493 section 2.1.3."""
    return name.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def _read(name: str) -> str:
    name = re.sub("%0A", "\n", name, flags=re.IGNORECASE)
    return re.sub("%0D", "\r", name, flags=re.IGNORECASE).replace("%25", "%")


def _read_manifest(path: Path) -> dict[str, str]:
    """Digest by name. Raises ValueError."""
    digests = {}
    for line in path.read_text("utf-8").split("\n"):
        if not line.strip():
            continue
        parts = re.fullmatch(r"([0-9a-fA-F]{64})[ \t]+(.+?)\r?", line)
        if parts is None:
            raise ValueError(f"{path.name}: not a line of a manifest 清单行有误: {line[:80]!r}")
        digests[_read(parts[2])] = parts[1].lower()
    return digests


def _declaration_problems(bag: Path) -> Iterator[str]:
    if (bag / "bagit.txt").read_bytes().replace(b"\r\n", b"\n") != DECLARATION:
        yield "bagit.txt: is not the two lines of BagIt 1.0 and UTF-8 内容不符合 BagIt 1.0"
    if not (bag / "data").is_dir():
        yield "data/ is missing 缺少 data/"


def _digest_problems(present: dict[str, Path], digests: dict[str, str]) -> Iterator[str]:
    for name, digest in sorted(digests.items()):
        if name not in present:
            yield f"{name}: is missing 缺失"
        elif _sha256_of_file(present[name]) != digest:
            yield f"{name}: has another SHA-256 than the manifest says 摘要不符"


def _info_problems(info: str, present: dict[str, Path]) -> Iterator[str]:
    payload = [path for name, path in present.items() if name.startswith("data/")]
    oxum = f"{sum(path.stat().st_size for path in payload)}.{len(payload)}"
    stated = re.findall(r"^Payload-Oxum:[ \t]*(\S*)", info, re.MULTILINE)
    if stated and set(stated) != {oxum}:
        yield f"Payload-Oxum: {stated[0]}, and there are {oxum} 字节数或文件数不符"
    if not re.search(r"^External-Identifier:[ \t]*\S", info, re.MULTILINE):
        yield "bag-info.txt: has no External-Identifier 缺少 External-Identifier"


def _differences(answer: dict, package: Path) -> Iterator[str]:  # type: ignore[type-arg]  # JSON
    """Where `package` is not what a stored receipt lists."""
    if answer["kind"] != "stored":
        yield "not a stored receipt 不是入库回执"
        return
    stored = {re.sub("^received/", "", entry["path"]): entry["sha256"] for entry in answer["files"]}
    present = {path.relative_to(package).as_posix(): path for path in _files_below(package)}
    yield from _digest_problems(present, stored)
    for name in sorted(set(present) - set(stored)):
        yield f"{name}: is not in the receipt 不在回执中"


if __name__ == "__main__":
    sys.exit(main())
