"""The canaries: objects whose state is known beforehand, some sound and some damaged on purpose.

docs/formats/volume.md, "Canaries". Every byte comes from here, and so does what must be found: a
disk can spoil a canary, never the expectation. Values only; planting.py puts them on a disk. The
bytes are fixed for ever, because those on a disk are as old as its volume (a test pins them).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from storage.blocks import FileHasher
from storage.model import FileEntry
from storage.ocfl.inventory import (
    DIGEST_ALGORITHM,
    INVENTORY_NAME,
    INVENTORY_TYPE,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    SIDECAR_NAME,
    content_path,
    sidecar,
)
from storage.sweep.model import DamageKind

SMALL = content_path("received/small.txt")
LARGE = content_path("received/large.bin")  # over two blocks, the last one short
_FILE_LIST = content_path("lantai/files.jsonl")
# Which of them have a large file: enough to show that reading goes to the end.
_LARGE_ONES = frozenset({"sound-large", "last-bit-flipped", "cut-by-one-byte"})
_SMALL_BYTES = 4096
_LARGE_BYTES = 2 * 1024 * 1024 + 1

Found = frozenset[tuple[DamageKind, str]]
# What is done to a file's bytes; None takes the file away.
_Harm = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class Canary:
    """One object as it lies on the disk, and what a check of it must find: this, exactly."""

    object_id: str
    files: Mapping[str, bytes]  # path below the object's folder → bytes, planted damage included
    inventory_sha256: str  # of the inventory before anything was damaged
    expected: Found


@cache
def flock() -> tuple[Canary, ...]:
    """All canaries. A few MiB, made once."""
    return (
        _canary("sound", {}),
        _canary("sound-large", {}),
        _canary("bit-flipped", {SMALL: _flip_middle}, (DamageKind.ALTERED, SMALL)),
        _canary("last-bit-flipped", {LARGE: _flip_last}, (DamageKind.ALTERED, LARGE)),
        _canary("cut-by-one-byte", {LARGE: _cut}, (DamageKind.TRUNCATED, LARGE)),
        _canary("file-missing", {SMALL: _remove}, (DamageKind.MISSING, SMALL)),
        _canary("stray-file", {f"{SMALL}.bak": _plant}, (DamageKind.STRAY, f"{SMALL}.bak")),
        _canary(
            "sidecar-wrong",
            {SIDECAR_NAME: _flip_middle},
            (DamageKind.SIDECAR_DAMAGED, SIDECAR_NAME),
        ),
        _canary(
            "inventory-wrong",
            {INVENTORY_NAME: _flip_middle},
            (DamageKind.INVENTORY_DAMAGED, INVENTORY_NAME),
        ),
    )


def _canary(name: str, harm: Mapping[str, _Harm], *expected: tuple[DamageKind, str]) -> Canary:
    object_id = f"lantai-canary:{name}"
    files = _sound_object(object_id, is_large=name in _LARGE_ONES)
    inventory_sha256 = hashlib.sha256(files[INVENTORY_NAME]).hexdigest()
    for path, harmed in harm.items():
        content = harmed(files.pop(path, b""))
        if content is not None:
            files[path] = content
    return Canary(object_id, files, inventory_sha256, frozenset(expected))


def _sound_object(object_id: str, *, is_large: bool) -> dict[str, bytes]:
    """A whole OCFL object of one version, every byte a function of its id."""
    content = {
        SMALL: _bytes_of(object_id, "small", _SMALL_BYTES),
    }
    if is_large:
        content[LARGE] = _bytes_of(object_id, "large", _LARGE_BYTES)
    content[_FILE_LIST] = "".join(
        _line(_entry(path, content[path])) for path in sorted(content)
    ).encode()
    inventory = _inventory(object_id, content)
    signed = sidecar(hashlib.sha256(inventory).hexdigest())
    return content | {
        OBJECT_DECLARATION_NAME: OBJECT_DECLARATION,
        INVENTORY_NAME: inventory,
        SIDECAR_NAME: signed,
        f"v1/{INVENTORY_NAME}": inventory,
        f"v1/{SIDECAR_NAME}": signed,
    }


def _inventory(object_id: str, content: Mapping[str, bytes]) -> bytes:
    prefix = content_path("")
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in content.items()}
    document = {
        "id": object_id,
        "type": INVENTORY_TYPE,
        "digestAlgorithm": DIGEST_ALGORITHM,
        "head": "v1",
        "manifest": {digest: [path] for path, digest in sorted(digests.items())},
        "versions": {
            "v1": {
                "created": "2026-11-22T00:00:00Z",
                "message": "A canary: it proves the sweep, and holds no record.",
                "user": {"name": "lantai", "address": "urn:lantai:canary"},
                "state": {
                    digest: [path.removeprefix(prefix)] for path, digest in sorted(digests.items())
                },
            }
        },
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _entry(path: str, data: bytes) -> FileEntry:
    hasher = FileHasher()
    hasher.update(data)
    digest = hasher.finish()
    logical = path.removeprefix(content_path(""))
    return FileEntry(logical, digest.size_bytes, digest.sha256, digest.block_root)


def _line(entry: FileEntry) -> str:
    """As docs/formats/package.md has it."""
    root = "null" if entry.block_root is None else f'"{entry.block_root}"'
    return (
        f'{{"path":"{entry.path}","size_bytes":{entry.size_bytes},'
        f'"sha256":"{entry.sha256}","block_root":{root}}}\n'
    )


def _bytes_of(object_id: str, name: str, length: int) -> bytes:
    return hashlib.shake_256(f"{object_id}/{name}".encode()).digest(length)


def _flip_middle(content: bytes) -> bytes:
    return _flip(content, len(content) // 2)


def _flip_last(content: bytes) -> bytes:
    return _flip(content, len(content) - 1)


def _flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :]


def _cut(content: bytes) -> bytes:
    return content[:-1]


def _remove(_content: bytes) -> None:
    return None


def _plant(_content: bytes) -> bytes:
    return b"nobody named this file\n"
