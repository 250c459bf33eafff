"""Good and bad samples of each format, to try a platform against its rehearsal folder.

生成各格式的合格与不合格样例，供联调使用：

    python make_samples.py FOLDER [FORMAT …]

Writes `FOLDER/<format>/good/…`, `FOLDER/<format>/bad/…` and `FOLDER/<format>/expected.json`: for
each bad sample a code that its rejection must have. A further format is one function of its own,
and one line in FORMATS.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import lantai_sender  # type: ignore[import-not-found]  # lies beside it

DOCUMENTS = {
    "申请表.txt": "申请人：张三（样例）\n",
    "过程/审批流程.txt": "受理 → 审核 → 办结\n",
    "result.txt": "approved\n",
}


def bagit(folder: Path) -> dict[str, str]:
    """BagIt bags as folders (RFC 8493). Returns, by the path of each bad one, its code."""
    source = folder / ".source"
    for name, text in DOCUMENTS.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for name in ("good/plain", "good/编号-0001", *(f"bad/{name}" for name in _BAD_BAGS)):
        lantai_sender.pack(source, _made(folder / name), Path(name).name)
    expected = {}
    for name, (code, spoil) in _BAD_BAGS.items():
        spoil(folder / "bad" / name)
        expected[f"bad/{name}"] = code
    shutil.rmtree(source)
    return expected


FORMATS: dict[str, Callable[[Path], dict[str, str]]] = {"bagit": bagit}


def make(folder: Path, formats: list[str]) -> None:
    """Write the samples of `formats`; each into a folder of its own, which must not exist."""
    for name in formats:
        target = folder / name
        target.mkdir(parents=True)
        expected = FORMATS[name](target)
        text = json.dumps(expected, ensure_ascii=False, indent=2) + "\n"
        (target / "expected.json").write_bytes(text.encode())


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _altered(bag: Path) -> None:
    (bag / "data" / "result.txt").write_bytes(b"refused!\n")


def _missing(bag: Path) -> None:
    (bag / "data" / "result.txt").unlink()


def _surplus(bag: Path) -> None:
    (bag / "data" / "Thumbs.db").write_bytes(b"")


def _wrong_oxum(bag: Path) -> None:
    info = bag / "bag-info.txt"
    lines = info.read_text("utf-8").splitlines()
    changed = ["Payload-Oxum: 1.1" if line.startswith("Payload-Oxum") else line for line in lines]
    info.write_bytes(("\n".join(changed) + "\n").encode())
    # Its tag manifest would give it away before.
    (bag / lantai_sender.TAG_MANIFEST).unlink()


def _no_manifest(bag: Path) -> None:
    (bag / lantai_sender.MANIFEST).unlink()
    (bag / lantai_sender.TAG_MANIFEST).unlink()


def _no_declaration(bag: Path) -> None:
    (bag / "bagit.txt").unlink()


def _outside(bag: Path) -> None:
    manifest = bag / lantai_sender.MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b"0" * 64 + b"  ../outside.txt\n")
    (bag / lantai_sender.TAG_MANIFEST).unlink()


_BAD_BAGS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "altered-file": ("digest-mismatch", _altered),
    "missing-file": ("payload-missing", _missing),
    "surplus-file": ("payload-unlisted", _surplus),
    "wrong-payload-oxum": ("payload-oxum-mismatch", _wrong_oxum),
    "no-manifest": ("manifest-missing", _no_manifest),
    "no-declaration": ("format-unknown", _no_declaration),
    "path-outside": ("path-traversal", _outside),
}


def main() -> int:
    """Run the command line and return its exit code."""
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(FORMATS):
        print(f"usage 用法: make_samples.py FOLDER [{' | '.join(FORMATS)}]")
        return 2
    make(Path(sys.argv[1]), sys.argv[2:] or list(FORMATS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
