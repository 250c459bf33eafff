"""Verify an OCFL storage root, or one object, with nothing but Python 3.9 or newer.

只需 Python 3.9 或更新版本，即可核验 OCFL 存储根目录或其中一个对象。

    python3 verify.py [FOLDER]     default: where this file lies    默认：本文件所在目录

Reads every file of every object and compares its digest with the inventory, every inventory with
its sidecar, and names what no inventory lists (OCFL 1.1 section 3). Changes nothing; knows nothing
of Lantai. Exit status 0: all intact, 1: damage, 2: nothing to check.
逐一读取文件，核对摘要，列出清单之外的文件；不作任何改动。
退出码：0 完好，1 有损坏，2 无可核验内容。
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path


def digest_of(file: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with file.open("rb") as stream:
        for piece in iter(lambda: stream.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def object_folders(folder: Path) -> Iterator[Path]:
    inside = sorted(folder.iterdir())
    if any(path.name.startswith(("0=ocfl_object_", "inventory.json")) for path in inside):
        yield folder
    else:
        for path in inside:
            if path.is_dir() and not path.is_symlink():
                yield from object_folders(path)


def flaws_of_object(folder: Path) -> Iterator[str]:
    inventory = json.loads((folder / "inventory.json").read_bytes())
    algorithm, versions = inventory["digestAlgorithm"], inventory["versions"]
    sidecar = f"inventory.json.{algorithm}"
    expected = {path: digest for digest, paths in inventory["manifest"].items() for path in paths}
    for place in ("", *(f"{version}/" for version in versions)):
        if not place or (folder / place / sidecar).exists():  # optional in versions (section 3.7)
            signed = (folder / place / sidecar).read_text("ascii").split()[0]
            expected[place + "inventory.json"] = signed
    for path, digest in sorted(expected.items()):
        try:
            if digest_of(folder / path, algorithm) != digest.lower():
                yield f"{path}: ALTERED 内容已改变"
        except OSError as error:
            yield f"{path}: UNREADABLE OR MISSING 缺失或无法读取 ({error.strerror})"
    if not list(folder.glob("0=ocfl_object_*")):
        yield "0=ocfl_object_…: MISSING 缺失"
    own = {f"{version}/{name}" for version in versions for name in ("inventory.json", sidecar)}
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        known = path in expected or path in own or path == sidecar or path.startswith("logs/")
        if not (known or path.startswith("0=ocfl_object_") or is_folder(file)):
            yield f"{path}: NOT IN THE INVENTORY 不在清单中"


def is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def main(root: Path) -> int:
    objects = damaged = 0
    for folder in object_folders(root):
        objects += 1
        try:
            flaws = list(flaws_of_object(folder))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            flaws = [f"the inventory cannot be used 清单无法使用 ({error!r})"]
        damaged += bool(flaws)
        for flaw in flaws:
            line = f"{folder.relative_to(root)}/{flaw}"
            print("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line))
    print(
        f"{objects} objects checked, {damaged} damaged. 已核验 {objects} 个对象，{damaged} 个损坏。"
    )
    return 2 if objects == 0 else int(damaged > 0)


if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
