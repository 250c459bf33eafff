"""Reading a whole copy back from the medium and comparing it with what was announced.

docs/formats/volume.md, step 5. Every file of the object: content against the file list,
inventories and sidecars against the announced digest. Top-level functions of plain values, so
that worker processes can run them: small files cost the interpreter, not the disk.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from storage.digests import sha256_of
from storage.file_list import FileListInvalid, read_file_list
from storage.medium import MediumReader, StillCachedError
from storage.model import VerifyMode
from storage.ocfl.inventory import (
    INVENTORY_NAME,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_NAME,
    SIDECAR_NAME,
    content_path,
    sidecar,
)


@dataclass(frozen=True, slots=True)
class CopyToRead:
    """One copy, staged or published."""

    object_folder: Path
    file_list: Path
    file_count: int
    inventory_sha256: str
    version: str  # "v1"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a copy does not count as read back."""

    what: str
    medium_suspect: bool  # False when only the cache could not be emptied: that says nothing


def read_back(copy: CopyToRead, mode: VerifyMode) -> Flaw | None:
    """What is wrong with the copy as it lies on the medium; None when every file is right."""
    reader = MediumReader(mode)
    try:
        what = _own_files_flaw(copy, reader) or _content_flaw(copy, reader)
    except StillCachedError as error:
        return Flaw(f"somebody else reads it at this moment: {error}", medium_suspect=False)
    except (OSError, FileListInvalid) as error:
        return Flaw(f"cannot be read back: {error}", medium_suspect=True)
    return None if what is None else Flaw(what, medium_suspect=True)


def read_back_all(copies: list[CopyToRead], mode: VerifyMode) -> list[Flaw | None]:
    """`read_back` for each, in order."""
    return [read_back(copy, mode) for copy in copies]


def _own_files_flaw(copy: CopyToRead, reader: MediumReader) -> str | None:
    """Declaration, both inventories, both sidecars."""
    sidecar_sha256 = hashlib.sha256(sidecar(copy.inventory_sha256)).hexdigest()
    expected = {
        OBJECT_DECLARATION_NAME: hashlib.sha256(OBJECT_DECLARATION).hexdigest(),
        INVENTORY_NAME: copy.inventory_sha256,
        SIDECAR_NAME: sidecar_sha256,
        f"{copy.version}/{INVENTORY_NAME}": copy.inventory_sha256,
        f"{copy.version}/{SIDECAR_NAME}": sidecar_sha256,
    }
    for name, sha256 in expected.items():
        if sha256_of(reader.chunks(copy.object_folder / name)) != sha256:
            return f"{name} is not what was written"
    return None


def _content_flaw(copy: CopyToRead, reader: MediumReader) -> str | None:
    folder = os.fspath(copy.object_folder)
    file_count = 0
    for entry in read_file_list(copy.file_list):
        file_count += 1
        digest = hashlib.sha256()
        size_bytes = 0
        for chunk in reader.chunks(Path(f"{folder}/{content_path(entry.path, copy.version)}")):
            digest.update(chunk)
            size_bytes += len(chunk)
        if (size_bytes, digest.hexdigest()) != (entry.size_bytes, entry.sha256):
            return f"{entry.path!r} is not what was written"
    if file_count != copy.file_count:
        return f"the file list names {file_count} of {copy.file_count} files"
    return None
