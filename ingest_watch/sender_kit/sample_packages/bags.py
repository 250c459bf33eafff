"""BagIt 信息包样例 · Samples of bags: folders with a manifest of digests.

RFC 8493 (BagIt 1.0). `lantai_sender.py pack` makes such bags of real folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sample_packages.files import (  # type: ignore[import-not-found]  # lies in the same folder
    Sample,
    below,
    changed,
    zipped,
)

_INFO, _MANIFEST, _TAGS = "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"
_DOCUMENTS = {
    "data/申请表.txt": "申请人：张三（样例）\n".encode(),
    "data/过程/审批流程.txt": "受理 → 审核 → 办结\n".encode(),
    "data/result.txt": b"approved\n",
}


def bagit() -> Iterable[Sample]:
    """Every sample."""
    yield Sample("plain", _bag("plain"))
    yield Sample("编号-0001", _bag("编号-0001"))
    yield Sample("packed.zip", zipped(below("packed", _bag("packed"))))
    bag = _bag("case-0001")
    for name, code, changes in (
        ("altered-file", "digest-mismatch", {"data/result.txt": b"refused!\n"}),
        ("missing-file", "payload-missing", {"data/result.txt": None}),
        ("surplus-file", "payload-unlisted", {"data/Thumbs.db": b""}),
        ("no-manifest", "manifest-missing", {_MANIFEST: None, _TAGS: None}),
        ("no-declaration", "bagit-declaration-missing", {"bagit.txt": None}),
        # Their tag manifest would give these away before.
        ("wrong-payload-oxum", "payload-oxum-mismatch", {_INFO: _info("case-0001", 1, 1)}),
        ("path-outside", "path-traversal", {_MANIFEST: bag[_MANIFEST] + _line("../outside.txt")}),
    ):
        files = changed(bag, changes)
        if _INFO in changes or _MANIFEST in changes:
            files.pop(_TAGS, None)
        yield Sample(name, files, code)


def _bag(identifier: str) -> dict[str, bytes]:
    size_bytes = sum(len(content) for content in _DOCUMENTS.values())
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        _INFO: _info(identifier, size_bytes, len(_DOCUMENTS)),
        _MANIFEST: _manifest(_DOCUMENTS),
    }
    return {**tags, _TAGS: _manifest(tags), **_DOCUMENTS}


def _info(identifier: str, size_bytes: int, files: int) -> bytes:
    return f"External-Identifier: {identifier}\nPayload-Oxum: {size_bytes}.{files}\n".encode()


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return b"".join(_line(path, content) for path, content in files.items())


def _line(path: str, content: bytes = b"") -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {path}\n".encode()
