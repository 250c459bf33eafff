"""One version of a stream on its way in: split, checked, and laid out as its folder will be.

docs/wire/put.md (`file list ‖ inventory ‖ content`); docs/formats/volume.md, steps 2 and 3;
docs/formats/package.md, "Versions". Whatever differs from what was announced is refused at once.
Which versions an operation brings is incoming.py's affair.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from storage.digests import sha256_of_file
from storage.durable import write_all
from storage.file_list import read_file_list
from storage.ocfl.inventory import (
    CONTENT_DIRECTORY,
    INVENTORY_NAME,
    SIDECAR_NAME,
    sidecar,
)
from storage.ocfl.inventory_compare import InventoryMismatch, compare_history, compare_inventory
from storage.sweep.model import Damage, DamageKind
from storage.volume.content import FILE_MODE, ContentWriter
from storage.volume.order import StoreOrder, VersionStream
from storage.volume.publish import FOLDER_MODE
from storage.volume.refusals import ContentRefused, PreviousDamaged

# docs/formats/package.md, "The object's tree".
_PREFIXES = ("received/", "content/", "lantai/")


@dataclass(frozen=True, slots=True)
class StagedOperation:
    """Where one operation lies in `staging/`."""

    folder: Path

    @property
    def order(self) -> Path:
        return self.folder / "order.json"

    @property
    def object(self) -> Path:
        return self.folder / "object"

    @property
    def blocks(self) -> Path:
        return self.folder / "blocks"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def file_list(self, order: StoreOrder, number: int) -> Path:
        """The list of one of the versions that the operation brings."""
        if number == order.version:
            return self.folder / "file-list.jsonl"
        return self.folder / f"file-list-v{number}.jsonl"

    def version(self, number: int) -> Path:
        return self.object / f"v{number}"

    def discard(self) -> None:
        """Remove everything of it; may be called again."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class PreviousVersion:
    """What the new version is built on, in the folder of an object that is here."""

    folder: Path
    number: int
    inventory_sha256: str

    @property
    def inventory(self) -> Path:
        """The version's own inventory; the root's is a second file with the same bytes."""
        return self.folder / f"v{self.number}" / INVENTORY_NAME

    def require_whole(self) -> None:
        """Raises PreviousDamaged unless both files have the signed digest."""
        for path in (INVENTORY_NAME, f"v{self.number}/{INVENTORY_NAME}"):
            flaw = self._flaw(path)
            if flaw is not None:
                raise PreviousDamaged(
                    f"{path}: {flaw}; a later version can be built on it once the copy has been "
                    "mended (docs/operations/repair.md)",
                    Damage(DamageKind.INVENTORY_DAMAGED, path, flaw),
                )

    def _flaw(self, path: str) -> str | None:
        try:
            found = sha256_of_file(self.folder / path)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return None if found == self.inventory_sha256 else "another SHA-256 than was signed"


class VersionReceiver:
    """Takes one version's bytes in pieces of any size. One thread at a time."""

    def __init__(
        self,
        staged: StagedOperation,
        order: StoreOrder,
        number: int,
        stream: VersionStream,
        previous: PreviousVersion | Path | None,
    ) -> None:
        """`previous` is what is kept here, or an inventory that this operation brought before."""
        self.missing_bytes = stream.total_bytes
        self._staged = staged
        self._order = order
        self._number = number
        self._stream = stream
        self._previous = previous
        self._file_list = staged.file_list(order, number)
        staged.version(number).mkdir(mode=FOLDER_MODE, parents=True)
        self._part: _Spool | ContentWriter = _Spool(
            self._file_list, stream.file_list_bytes, stream.file_list_sha256
        )

    @property
    def inventory(self) -> Path:
        """The version's own inventory, once it has come."""
        return self._staged.version(self._number) / INVENTORY_NAME

    def write(self, data: memoryview) -> int:
        """Take what belongs to the part that is open; how much that was."""
        part = self._part
        data = data[: part.missing_bytes if isinstance(part, _Spool) else self.missing_bytes]
        part.write(data)
        self.missing_bytes -= len(data)
        if isinstance(part, _Spool) and part.missing_bytes == 0:
            self._part = self._after(part)
        return len(data)

    def finish(self) -> None:
        """Everything has come: complete the version's folder."""
        assert isinstance(self._part, ContentWriter), "the content comes last"
        self._part.finish()
        folder = self._staged.version(self._number)
        write_new(folder / SIDECAR_NAME, sidecar(self._stream.inventory_sha256))

    def close(self) -> None:
        """Let go of what is open; may be called again."""
        self._part.close()

    def _after(self, spool: "_Spool") -> "_Spool | ContentWriter":
        spool.finish()
        if spool.path == self._file_list:
            self._check_file_list()
            stream = self._stream
            return _Spool(self.inventory, stream.inventory_bytes, stream.inventory_sha256)
        self._check_inventory()
        return ContentWriter(
            self._staged.version(self._number) / CONTENT_DIRECTORY,
            self._staged.blocks / f"v{self._number}" / CONTENT_DIRECTORY,
            read_file_list(self._file_list),
        )

    def _check_file_list(self) -> None:
        """Before the first byte of content: paths, order, and what `put` announced of it."""
        file_count = content_bytes = 0
        for entry in read_file_list(self._file_list):
            if not entry.path.startswith(_PREFIXES):
                raise ContentRefused(f"{entry.path!r} lies below none of {', '.join(_PREFIXES)}")
            file_count += 1
            content_bytes += entry.size_bytes
        if (file_count, content_bytes) != (self._stream.file_count, self._stream.content_bytes):
            raise ContentRefused(
                f"the file list names {file_count} files of {content_bytes} bytes; announced "
                f"were {self._stream.file_count} of {self._stream.content_bytes}"
            )

    def _check_inventory(self) -> None:
        self._staged.work.mkdir(mode=FOLDER_MODE)
        mismatch = self._mismatch()
        if mismatch is not None:
            raise ContentRefused(f"inventory: {mismatch.what}")
        self._staged.work.rmdir()

    def _mismatch(self) -> InventoryMismatch | None:
        files = read_file_list(self._file_list)
        object_id, number = self._order.object_id, self._number
        own = compare_inventory(self.inventory, object_id, number, files, self._staged.work)
        if own is not None or self._previous is None:
            return own
        if isinstance(self._previous, Path):
            return compare_history(self.inventory, self._previous, number)
        self._previous.require_whole()
        return compare_history(self.inventory, self._previous.inventory, number)


class _Spool:
    """File list or inventory on its way into one file, compared with its digest at the end."""

    def __init__(self, path: Path, length: int, sha256: str) -> None:
        self.path = path
        self.missing_bytes = length
        self._length = length
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o440)

    def write(self, data: memoryview) -> None:
        write_all(self._descriptor, data, self._length - self.missing_bytes)
        self._digest.update(data)
        self.missing_bytes -= len(data)

    def finish(self) -> None:
        self.close()
        if self._digest.hexdigest() != self._sha256:
            raise ContentRefused(f"{self.path.name} does not have the SHA-256 announced")

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def write_new(path: Path, content: bytes) -> None:
    """A small file of ours, where none is yet."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        write_all(descriptor, content, 0)
    finally:
        os.close(descriptor)
