"""The append-only, hash-chained journal of one node.

docs/formats/journal.md. Appending is one write and one fsync for a whole group; an fsync that
failed is final for the file: the journal goes on in a copy of what the medium holds. Cuts a torn
tail, never a rotten record. Does not know what the events mean.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from storage.crash_point import crash_point
from storage.durable import fsync_folder, write_all, write_whole_file
from storage.medium import forget_memory_of
from storage.model import VerifyMode
from storage.volume.events import Event, Member, timestamp
from storage.volume.journal_records import (
    FIRST_CHAIN,
    Bad,
    Record,
    chain_after,
    encode_line,
    read_records,
    record_at,
)
from storage.volume.refusals import (
    FULL_ERRORS,
    JournalRotten,
    SegmentUnknown,
    VolumeFull,
    WriteLost,
    refusal_of,
)

SEGMENT_BYTES_MAX = 64 * 1024 * 1024

Compose = Callable[[int, str], Sequence[Event]]


class Journal:
    """Open for appending by one process. Thread-safe.

    `torn_bytes` is what the opening cut off; `rot` is set when appending is refused for ever
    because of what the opening found.
    """

    def __init__(
        self,
        folder: Path,
        quarantine: Path,
        mode: VerifyMode = VerifyMode.UNPROVEN,
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        """`mode` says how this file system is read past its memory; it was synced just now."""
        self._mode = mode
        self._segment_bytes_max = segment_bytes_max
        self._folder = folder
        self._quarantine = quarantine
        self._lock = threading.Lock()
        self._descriptor = -1
        self._failed: str | None = None
        self._is_condemned = False  # the last segment's file, by a write that failed
        self.torn_bytes = 0
        self.rot: str | None = None
        self._segment = 0
        self._end = 0
        self._sequence = 0
        self._chain = FIRST_CHAIN
        self._open_last_segment()

    @property
    def sequence(self) -> int:
        """Of the last good record; 0 when there is none."""
        return self._sequence

    @property
    def end(self) -> tuple[int, int]:
        """Segment and offset behind the last good record."""
        with self._lock:
            return self._segment, self._end

    def mark(self) -> tuple[int, int, bytes]:
        """Segment, offset behind, and chain hash of the last good record."""
        with self._lock:
            return self._segment, self._end, self._chain

    @property
    def takes_records(self) -> bool:
        """False once a write failed, or what was found at opening forbids another record."""
        return self.rot is None and self._failed is None

    def refuse(self, reason: str) -> None:
        """Take no more records: this is not the whole record of what lies beside it."""
        with self._lock:
            self.rot = self.rot or reason

    def append(self, compose: Compose) -> list[Record]:
        """Write down what `compose(first sequence, time)` returns; durable when this returns.

        Raises WriteLost if the medium did not take it: then nothing that was to be recorded may
        be acknowledged, and the journal refuses everything after. Raises VolumeFull if there was
        no room, and then it is as before.
        """
        with self._lock:
            self._refuse_if_unusable()
            try:
                if self._descriptor < 0 or self._end >= self._segment_bytes_max:
                    self._begin_segment()
                at = timestamp(datetime.now(UTC))
                return self._write(compose(self._sequence + 1, at), at)
            except OSError as error:
                self._failed = f"the journal could not be written: {error}"
                raise WriteLost(self._failed) from error

    def record(self, segment: int, offset: int) -> Record:
        """The record that begins there. Raises JournalRotten if none does."""
        return record_at(self._folder / _segment_name(segment), segment, offset)

    def records(self, segment: int = 1, offset: int = 0) -> Iterator[Record]:
        """All records from there on, the chain checked between them. Raises JournalRotten.

        From the start of a segment the chain to the segment before is checked as well.
        """
        chain: bytes | None = FIRST_CHAIN if segment == 1 and offset == 0 else None
        for number in range(segment, self._segment + 1):
            path = self._folder / _segment_name(number)
            for item in read_records(path, number, offset, chain):
                if isinstance(item, Bad):
                    raise JournalRotten(f"{path} is damaged at byte {item.offset}")
                chain = item.chain
                yield item
            offset = 0

    def part(self, segment: int, offset: int, length: int) -> tuple[bytes, bool]:
        """Raw bytes of a segment from `offset` on, whole records or not; True with its last ones.

        Nothing is given that an fsync has not made durable. Raises SegmentUnknown.
        """
        last, end = self.end
        if not 1 <= segment <= last:
            raise SegmentUnknown(f"the journal has segments 1 to {last}, not {segment}")
        path = self._folder / _segment_name(segment)
        size = end if segment == last else path.stat().st_size
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(max(0, min(length, size - offset)))
        return data, offset + len(data) >= size

    def reopen(self) -> None:
        """After a failed write: go on in a copy of what the medium holds of the last segment.

        The file system was synced since. The file that failed is never written or synced again:
        the kernel would forget what it lost. Raises OSError, StillCachedError.
        """
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self._is_condemned, self._failed, self.rot = self._failed is not None, None, None
            self.torn_bytes = self._segment = self._end = self._sequence = 0
            self._chain = FIRST_CHAIN
            self._open_last_segment()

    def close(self) -> None:
        """Give the descriptor back; every record appended is durable already."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            self._failed = self._failed or "the journal is closed"
            if descriptor >= 0:
                os.close(descriptor)

    def _refuse_if_unusable(self) -> None:
        if self.rot is not None:
            raise JournalRotten(self.rot)
        if self._failed is not None:
            raise WriteLost(self._failed)

    def _write(self, events: Sequence[Event], at: str) -> list[Record]:
        lines: list[bytes] = []
        records: list[Record] = []
        chain, sequence, offset = self._chain, self._sequence, self._end
        for event in events:
            sequence += 1
            members: dict[str, Member] = {"sequence": sequence, "at": at, "kind": event.kind}
            payload = msgspec.json.encode(members | event.members)
            chain = chain_after(chain, payload)
            line = encode_line(chain, payload)
            records.append(
                Record(sequence, at, event.kind, event.members, self._segment, offset, chain)
            )
            lines.append(line)
            offset += len(line)
        self._put(b"".join(lines))
        crash_point("journal.written")
        os.fsync(self._descriptor)
        crash_point("journal.synced")
        self._chain, self._sequence, self._end = chain, sequence, offset
        return records

    def _put(self, lines: bytes) -> None:
        try:
            write_all(self._descriptor, lines, self._end)
        except OSError as error:
            if error.errno not in FULL_ERRORS:
                raise
            # What is there of them must not lie behind a shorter record some day.
            os.ftruncate(self._descriptor, self._end)
            raise VolumeFull(f"the disk ran full: no room for the journal: {error}") from error

    def _begin_segment(self) -> None:
        number = self._segment + 1
        path = self._folder / _segment_name(number)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o640)
        except OSError as error:
            raise refusal_of(error, "no new journal segment") from error
        crash_point("journal.segment-made")
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._segment, self._end = descriptor, number, 0
        opening = Event("segment", {"segment": number, "previous_chain": self._chain.hex()})
        try:
            self._write([opening], timestamp(datetime.now(UTC)))
        except VolumeFull:
            os.close(descriptor)
            path.unlink()
            self._descriptor, self._segment = -1, number - 1
            raise
        fsync_folder(self._folder)

    def _open_last_segment(self) -> None:
        numbers = sorted(int(path.stem) for path in self._folder.glob("[0-9]*.log"))
        if numbers != list(range(1, len(numbers) + 1)):
            self.rot = f"segments are missing from {self._folder}"
        for left in self._folder.glob(".*.tmp"):
            left.unlink()  # a copy that a crash cut off
        while numbers and self.rot is None:
            number = numbers.pop()
            self._segment = number
            path = self._folder / _segment_name(number)
            # A write that failed in an earlier process may be here in memory alone.
            forget_memory_of(path, self._mode)
            if self._read_to_the_end(number):
                if self._is_condemned and self.rot is None:
                    self._go_on_in_a_copy(path)
                self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                return
            self._remove_barren_segment(number)

    def _read_to_the_end(self, number: int) -> bool:
        """Whether the segment holds a good record; cuts a torn tail, or sets `rot`."""
        path = self._folder / _segment_name(number)
        previous = FIRST_CHAIN if number == 1 else None
        found = False
        for item in read_records(path, number, 0, previous):
            if isinstance(item, Bad):
                self._judge_bad(path, item)
                break
            found = True
            self._sequence, self._chain, self._end = item.sequence, item.chain, item.end
        return found or self.rot is not None

    def _judge_bad(self, path: Path, bad: Bad) -> None:
        if bad.is_rot:
            self.rot = f"{path} is damaged at byte {bad.offset}, and good records follow"
            return
        tail = path.read_bytes()[bad.offset :]
        moment = timestamp(datetime.now(UTC)).replace(":", "")
        write_whole_file(self._quarantine / f"{moment}-journal-tail", tail)
        crash_point("journal.tail-kept")
        self._go_on_in_a_copy(path)
        self.torn_bytes += len(tail)

    def _go_on_in_a_copy(self, path: Path) -> None:
        """Put the good records into a file of their own, in the place of the one at `path`."""
        self._is_condemned = False
        with path.open("rb") as stream:
            good = stream.read(self._end)
        write_whole_file(path, good, mode=0o640)

    def _remove_barren_segment(self, number: int) -> None:
        """A segment whose first record never became durable."""
        (self._folder / _segment_name(number)).unlink()
        fsync_folder(self._folder)
        self._segment, self._end, self._sequence, self._chain = number - 1, 0, 0, FIRST_CHAIN


def _segment_name(number: int) -> str:
    return f"{number:08d}.log"
