"""Copies of receipts in the `logs/` of the objects that they are about, for people.

OCFL 1.1 section 3.1 (`logs`); docs/formats/chronicle.md, "Receipts". The journal holds the same
bytes and is what counts: a copy that is missing or damaged here harms nothing. The caller syncs.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from monitoring.log import get_log
from storage.chronicle.bytes_told import read_bytes
from storage.chronicle.page import SLICES, Row, Value
from storage.digests import sha256_of_file
from storage.durable import write_all
from storage.volume.content import FILE_MODE
from storage.volume.index import Index
from storage.volume.publish import FOLDER_MODE, LOGS, Publisher
from storage.volume.receiving import write_new

log = get_log(__name__)

_STORED = "stored"


class ReceiptCopies:
    """Writes receipts beside the versions of objects that are kept here. One thread at a time."""

    def __init__(self, publisher: Publisher, index: Index, gathering: Path) -> None:
        self._publisher = publisher
        self._index = index
        self._gathering = gathering  # where long receipts grow from their slices

    def take(self, rows: Sequence[Row]) -> None:
        """Write what these rows bring of receipts. Idempotent. Raises OSError."""
        objects = {
            row.values["id"]: row.values["object_id"] for row in rows if row.table == "transfers"
        }
        for row in rows:
            if row.table == SLICES:
                self._gather(row.values)
            elif row.table == "answers":
                self._finish(row.values, objects.get(row.values["transfer_id"]))

    def _gather(self, values: Mapping[str, Value]) -> None:
        answer_id, offset = values["answer_id"], values["offset"]
        assert isinstance(answer_id, int)
        assert isinstance(offset, int)
        self._gathering.mkdir(mode=FOLDER_MODE, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._gathering / str(answer_id), flags, 0o640)
        try:
            write_all(descriptor, read_bytes(values["body"]), offset)
        finally:
            os.close(descriptor)

    def _finish(self, values: Mapping[str, Value], object_id: Value) -> None:
        gathered = self._gathering / str(values["id"])
        home = self._home(object_id) if values["kind"] == _STORED else None
        if home is not None:
            folder = home / LOGS
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            name = f"{values['transfer_id']}.{_STORED}.json"
            if values["body"] is not None:
                _write_once(folder / name, read_bytes(values["body"]))
            elif _has_digest(gathered, str(values["body_sha256"])):
                gathered.chmod(FILE_MODE)
                gathered.replace(folder / name)
            else:
                log.warning("volume.receipt.incomplete", object_id=object_id)
                return
            _write_once(folder / f"{name}.sig", read_bytes(values["signature"]))
        gathered.unlink(missing_ok=True)

    def _home(self, object_id: Value) -> Path | None:
        """The folder of an object that is kept here; one that went away is the sweep's affair."""
        if not isinstance(object_id, str) or self._index.stored_object(object_id) is None:
            return None
        folder = self._publisher.folder_of(object_id)
        return folder if folder.is_dir() else None


def _write_once(target: Path, content: bytes) -> None:
    """A page may come twice."""
    with suppress(FileExistsError):
        write_new(target, content)


def _has_digest(path: Path, sha256: str) -> bool:
    try:
        return sha256_of_file(path) == sha256
    except FileNotFoundError:
        return False
