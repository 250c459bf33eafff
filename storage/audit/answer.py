"""Read one object from the medium and answer an audit about it.

docs/wire/audit.md. Reads past the page cache; trusts nothing in the object and judges nothing:
what cannot be read goes into the answer as such.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from storage.audit.framing import (
    FileFrame,
    ObjectFrame,
    Question,
    is_sampled,
    sampled_blocks,
    unreadable,
)
from storage.medium import MediumReader, StillCachedError
from storage.model import BLOCK_BYTES, VerifyMode
from storage.ocfl.inventory import INVENTORY_NAME, OBJECT_DECLARATION_NAME, SIDECAR_NAME
from storage.ocfl.inventory_stream import InventoryUnreadable, digests_and_paths

# Told how many bytes each read gave; may pause, or raise to end the reading.
Pace = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """What a holder answers."""

    digest: str
    file_count: int
    read_bytes: int
    unread_files: int  # the disk did not give them: the copy is damaged by its node's own word
    verify_mode: VerifyMode


def answer_audit(question: Question, folder: Path, reader: MediumReader, pace: Pace) -> AuditAnswer:
    """Raises StillCachedError where a file stays in the page cache, and what `pace` raises."""
    reading = _Reading(question, folder, reader, pace)
    frame = ObjectFrame(question)
    for path in reading.paths():
        frame.add(reading.file(path))
    return AuditAnswer(
        frame.finish(), frame.file_count, reading.read_bytes, reading.unread_files, reader.mode
    )


class _Reading:
    """One pass over one object; used once."""

    def __init__(self, question: Question, folder: Path, reader: MediumReader, pace: Pace) -> None:
        self._question = question
        self._folder = folder
        self._reader = reader
        self._pace = pace
        self.read_bytes = 0
        self.unread_files = 0

    def paths(self) -> Iterator[str]:
        """Every file of the object in the order of the answer."""
        yield OBJECT_DECLARATION_NAME
        for prefix in ("", *(f"v{number}/" for number in range(1, self._question.version + 1))):
            yield prefix + INVENTORY_NAME
            yield prefix + SIDECAR_NAME
        try:
            with open(self._folder / INVENTORY_NAME, "rb", opener=_open_file) as stream:
                for _, path in digests_and_paths(stream, "manifest"):
                    yield path
        except (OSError, InventoryUnreadable):
            self.unread_files += 1

    def file(self, path: str) -> bytes:
        """The file's part of the answer."""
        if not _is_within(path):
            self.unread_files += 1
            return unreadable(self._question, path)
        try:
            try:
                return self._read(self._reader, path)
            except StillCachedError:
                # Someone reads it at this moment; O_DIRECT goes past what they hold in memory.
                return self._read_direct(path)
        except OSError:
            self.unread_files += 1
            return unreadable(self._question, path)

    def _read_direct(self, path: str) -> bytes:
        try:
            return self._read(MediumReader(VerifyMode.DIRECT), path)
        except OSError as error:
            raise StillCachedError(f"{path!r} stays in memory: {error}") from error

    def _read(self, reader: MediumReader, path: str) -> bytes:
        file = self._folder / path
        size_bytes = file.lstat().st_size
        if is_sampled(self._question, size_bytes):
            return self._read_blocks(reader, path, size_bytes)
        frame = FileFrame(self._question, path)
        read_bytes = 0
        for chunk in reader.chunks(file):
            frame.update(chunk)
            read_bytes += len(chunk)
            self._count(len(chunk))
        return frame.finish(read_bytes)

    def _read_blocks(self, reader: MediumReader, path: str, size_bytes: int) -> bytes:
        frame = FileFrame(self._question, path, is_sampled=True)
        indices = sampled_blocks(self._question, path, size_bytes)
        offsets = [index * BLOCK_BYTES for index in indices]
        blocks = reader.blocks(self._folder / path, offsets)
        for index, block in zip(indices, blocks, strict=True):
            frame.block(index, block)
            self._count(len(block))
        return frame.finish(size_bytes)

    def _count(self, read_bytes: int) -> None:
        self.read_bytes += read_bytes
        self._pace(read_bytes)


def _open_file(path: str, flags: int) -> int:
    """Follows no link, and does not wait for a pipe that stands in a file's place."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_within(path: str) -> bool:
    """An inventory is a file like any other, and may be damaged: its paths are not trusted."""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\0" not in path
