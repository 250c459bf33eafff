"""Reading a whole copy back from the medium and comparing it with what was announced.

docs/formats/volume.md, step 5. Every file that an operation brought: content against the file
lists, inventories and sidecars against the announced digests. Top-level functions of plain values,
so that worker processes can run them: small files cost the interpreter, not the disk.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from storage.file_list import FileListInvalid, read_file_list
from storage.medium import StillCachedError
from storage.model import VerifyMode
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    SIDECAR_NAME,
    content_path,
    sidecar,
)
from storage.volume.order import StoreOrder
from storage.volume.receiving import StagedOperation
from storage.volume.refusals import SHORT_OF
from storage.volume.windowed_reading import WINDOW_FILES, WindowedReader


@dataclass(frozen=True, slots=True)
class CopyToRead:
    """What one operation brought, staged or published."""

    object_folder: Path
    versions: tuple["VersionToRead", ...]  # the last is the newest, whose inventory is the root's
    with_declaration: bool  # not where the object was here before


@dataclass(frozen=True, slots=True)
class VersionToRead:
    """One version of it, as announced."""

    name: str  # "v1"
    file_list: Path
    file_count: int
    inventory_sha256: str


def copy_to_read(object_folder: Path, staged: StagedOperation, order: StoreOrder) -> CopyToRead:
    """The copy that `order` brought to `object_folder`."""
    versions = (
        VersionToRead(
            f"v{number}",
            staged.file_list(order, number),
            stream.file_count,
            stream.inventory_sha256,
        )
        for number, stream in order.streams
    )
    return CopyToRead(object_folder, tuple(versions), with_declaration=not order.adds_version)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a copy does not count as read back."""

    what: str
    medium_suspect: bool  # False when only the cache could not be emptied: that says nothing


def read_back(copy: CopyToRead, mode: VerifyMode) -> Flaw | None:
    """What is wrong with the copy as it lies on the medium; None when every file is right."""
    return read_back_all([copy], mode)[0]


def read_back_all(copies: list[CopyToRead], mode: VerifyMode) -> list[Flaw | None]:
    """`read_back` for each, in order."""
    reader = WindowedReader(mode)
    return [_read_back(copy, reader) for copy in copies]


@dataclass(frozen=True, slots=True)
class _Expected:
    path: str  # relative to the object's folder
    sha256: str
    size_bytes: int | None  # None where only the digest was announced


def _read_back(copy: CopyToRead, reader: WindowedReader) -> Flaw | None:
    try:
        what = _difference(copy, reader)
    except StillCachedError as error:
        return Flaw(f"somebody else reads it at this moment: {error}", medium_suspect=False)
    except (OSError, FileListInvalid) as error:
        medium_suspect = getattr(error, "errno", None) not in SHORT_OF
        return Flaw(f"cannot be read back: {error}", medium_suspect=medium_suspect)
    return None if what is None else Flaw(what, medium_suspect=True)


def _difference(copy: CopyToRead, reader: WindowedReader) -> str | None:
    folder = os.fspath(copy.object_folder)
    expected = chain(_own_files(copy), chain.from_iterable(map(_content, copy.versions)))
    listed = 0
    while window := list(islice(expected, WINDOW_FILES)):
        digests = reader.digests([f"{folder}/{file.path}" for file in window])
        for file, (size_bytes, sha256) in zip(window, digests, strict=True):
            if sha256 != file.sha256 or file.size_bytes not in {None, size_bytes}:
                return f"{file.path!r} is not what was written"
            listed += file.size_bytes is not None
    announced = sum(version.file_count for version in copy.versions)
    if listed != announced:
        return f"the file lists name {listed} of {announced} files"
    return None


def _own_files(copy: CopyToRead) -> Iterator[_Expected]:
    """Declaration, inventories, sidecars."""
    if copy.with_declaration:
        declaration_sha256 = hashlib.sha256(OBJECT_DECLARATION).hexdigest()
        yield _Expected(OBJECT_DECLARATION_NAME, declaration_sha256, None)
    newest = copy.versions[-1].inventory_sha256
    signed = [("", newest), *((f"{each.name}/", each.inventory_sha256) for each in copy.versions)]
    for folder, inventory_sha256 in signed:
        sidecar_sha256 = hashlib.sha256(sidecar(inventory_sha256)).hexdigest()
        yield _Expected(f"{folder}{INVENTORY_NAME}", inventory_sha256, None)
        yield _Expected(f"{folder}{SIDECAR_NAME}", sidecar_sha256, None)


def _content(version: VersionToRead) -> Iterator[_Expected]:
    for entry in read_file_list(version.file_list):
        path = content_path(entry.path, version.name)
        yield _Expected(path, entry.sha256, entry.size_bytes)
