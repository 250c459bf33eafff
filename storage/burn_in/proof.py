"""Write a disk full of blocks that tell where they belong, and read them back past every memory.

docs/operations/burn-in.md. Two generations over the same files: the first by eviction, the second,
written over it in another order, both by O_DIRECT and by eviction. While it reads and syncs it
counts what reached the device. Leaves nothing behind; judges nothing but bytes and counts.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.burn_in.device import Counters, Device
from storage.burn_in.pattern import BLOCK_BYTES, PIECE_BYTES, Pattern
from storage.durable import SyncDescriptor, fsync_folder, write_all
from storage.medium import MediumReader, StillCachedError
from storage.model import VerifyMode

_FILE_BYTES = 64 * 1024 * 1024
_PASSES = 5  # two writings, three readings


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the disk did not do as it must."""

    what: str


@dataclass(frozen=True, slots=True)
class Reached:
    """What reached the device meanwhile; None where it counts nothing."""

    passed_bytes: int  # by us
    counted: Counters | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What one trial of `tested_bytes` showed."""

    tested_bytes: int
    differences: tuple[Finding, ...]  # bytes that came back as others, lost or misplaced
    not_evicted: str  # why memory could not be emptied; empty when it was, and proven
    no_direct: str  # why O_DIRECT could not be used; empty when it was
    errors: tuple[Finding, ...]  # that the kernel reported
    written: Reached
    read: Reached


class Trial:
    """One burn-in of a folder's disk. `progress` is told bytes done and bytes in all."""

    def __init__(
        self, folder: Path, size_bytes: int, device: Device, progress: Callable[[int, int], None]
    ) -> None:
        self._folder = folder / f"burn-in-{secrets.token_hex(8)}"
        self._pieces = max(1, size_bytes // PIECE_BYTES)
        self._device = device
        self._progress = progress
        self._pattern = Pattern()
        self._differences: list[Finding] = []
        self._errors: list[Finding] = []
        self._evicted = self._direct = ""
        self._done = 0

    def run(self) -> Proof:
        """Carry it out, or stop at the first error. Raises OSError if it cannot begin."""
        self._folder.mkdir(mode=0o700)
        try:
            before = self._device.counters()
            self._write(1, reverse=False)
            written = self._since(before, 1)
            before = self._device.counters()
            self._read(1, VerifyMode.EVICTED)
            if not self._errors:
                self._write(2, reverse=True)
            self._read(2, VerifyMode.DIRECT)
            self._read(2, VerifyMode.EVICTED)
            read = self._since(before, 3)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        return Proof(
            self._size_bytes,
            tuple(self._differences),
            self._evicted,
            self._direct,
            tuple(self._errors),
            written,
            read,
        )

    @property
    def _size_bytes(self) -> int:
        return self._pieces * PIECE_BYTES

    def _since(self, before: Counters | None, passes: int) -> Reached:
        now = self._device.counters()
        passed_bytes = passes * self._size_bytes
        if before is None or now is None:
            return Reached(passed_bytes, None)
        flushes = None
        if before.flushes is not None and now.flushes is not None:
            flushes = now.flushes - before.flushes
        read_bytes = now.read_bytes - before.read_bytes
        return Reached(
            passed_bytes, Counters(read_bytes, now.written_bytes - before.written_bytes, flushes)
        )

    def _files(self) -> Iterator[tuple[Path, range]]:
        pieces_per_file = _FILE_BYTES // PIECE_BYTES
        for number, start in enumerate(range(0, self._pieces, pieces_per_file)):
            end = min(start + pieces_per_file, self._pieces)
            yield self._folder / f"{number:06d}", range(start, end)

    def _write(self, generation: int, *, reverse: bool) -> None:
        files = sorted(self._files(), reverse=reverse)
        try:
            with SyncDescriptor(self._folder) as sync:
                for path, pieces in files:
                    self._write_file(path, pieces, generation)
                fsync_folder(self._folder)
                sync.ask()
        except OSError as error:
            # Not tried again: what was lost is told once.
            self._errors.append(Finding(f"writing failed: {error}"))

    def _write_file(self, path: Path, pieces: range, generation: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for piece in pieces:
                content = self._pattern.piece(_block(piece), generation)
                write_all(descriptor, content, (piece - pieces.start) * PIECE_BYTES)
                self._step()
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _read(self, generation: int, mode: VerifyMode) -> None:
        if self._errors:
            return
        reader = MediumReader(mode, buffer_bytes=PIECE_BYTES)
        for path, pieces in self._files():
            try:
                self._read_file(reader, path, pieces, generation)
            except StillCachedError as error:
                self._evicted = self._evicted or str(error)
            except OSError as error:
                if mode is VerifyMode.DIRECT and _is_refused(path):
                    self._direct = self._direct or str(error)
                else:
                    self._errors.append(Finding(f"a read failed: {error}"))

    def _read_file(self, reader: MediumReader, path: Path, pieces: range, generation: int) -> None:
        expected = iter(pieces)
        for chunk in reader.chunks(path):
            piece = next(expected, None)
            if piece is None:
                self._differences.append(Finding(f"{path.name} is longer than was written"))
                return
            what = self._pattern.difference(bytes(chunk), _block(piece), generation)
            if what is not None:
                self._differences.append(Finding(f"read {reader.mode.value}: {what}"))
            self._step()
        if next(expected, None) is not None:
            self._differences.append(Finding(f"{path.name} is shorter than was written"))

    def _step(self) -> None:
        self._done += PIECE_BYTES
        self._progress(min(self._done, _PASSES * self._size_bytes), _PASSES * self._size_bytes)


def _block(piece: int) -> int:
    return piece * (PIECE_BYTES // BLOCK_BYTES)


def _is_refused(path: Path) -> bool:
    """Whether this file system does not offer O_DIRECT at all."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC))
    except OSError:
        return True
    return False
