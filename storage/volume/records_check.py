"""Whether a node's own records are whole: the journal's chain, and the index held against it.

docs/formats/journal.md, "Reading, tails and rot". Runs in a process of the sweep, reads segment
after segment from the medium, and holds one record at a time. Changes nothing.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from storage.sweep.model import Damage, DamageKind
from storage.volume import index_tree
from storage.volume.index_records import object_totals
from storage.volume.journal_records import FIRST_CHAIN, Bad, Record, read_records, record_at
from storage.volume.refusals import JournalRotten

_COPIES = frozenset({"committed", "mended"})
# What each record says of an object, in the order of the index's columns.
_ROW = (
    "SELECT head, inventory_sha256, file_count, content_bytes, segment, offset"
    " FROM objects WHERE object_id=?"
)


@dataclass(frozen=True, slots=True)
class RecordsCheck:
    """One check, up to where the journal ended when it was asked for."""

    journal: Path
    segment: int
    end_offset: int
    chain: bytes  # of the last record
    index: Path
    indexed_sequence: int  # the last record that the index had taken in by then

    def __call__(self, pace: Callable[[int], None]) -> list[Damage]:
        """Everything that is wrong; at most one damage for journal and index each."""
        found = list(self._check_database())
        try:
            with closing(sqlite3.connect(f"file:{self.index}?mode=ro", uri=True)) as database:
                found += self._follow(pace, None if found else database)
                if not found and (wrong := index_tree.disagreement(database)):
                    found.append(_index_damage(wrong))
        except sqlite3.Error as error:
            found = [_index_damage(str(error)), *self._follow(pace, None)]
        return found

    def _check_database(self) -> Iterator[Damage]:
        try:
            _drop_from_memory(self.index)
            with closing(sqlite3.connect(f"file:{self.index}?mode=ro", uri=True)) as database:
                (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
        except (sqlite3.Error, OSError) as error:
            answer = str(error)
        if answer != "ok":
            yield _index_damage(answer)

    def _follow(
        self, pace: Callable[[int], None], database: sqlite3.Connection | None
    ) -> Iterator[Damage]:
        """Walk the chain; with a `database`, hold each row against the record that made it."""
        chain = FIRST_CHAIN
        for number in range(1, self.segment + 1):
            path = self.journal / f"{number:08d}.log"
            try:
                for item in self._records(path, number, chain):
                    chain = item.chain
                    pace(item.end - item.offset)
                    if database is not None and (wrong := self._disagreement(database, item)):
                        yield _index_damage(wrong)
                        database = None
            except (JournalRotten, OSError) as error:
                yield Damage(DamageKind.JOURNAL_DAMAGED, f"journal/{path.name}", str(error))
                return
        yield from islice(self._judge_end(chain), 1)

    def _judge_end(self, chain: bytes) -> Iterator[Damage]:
        """What may be wrong with a journal whose every record is right."""
        kind = DamageKind.JOURNAL_DAMAGED
        # The next segment may have been begun since.
        expected = {f"{number:08d}.log" for number in range(1, self.segment + 2)}
        try:
            names = {path.name for path in self.journal.iterdir()}
        except OSError as error:
            yield Damage(kind, "journal", str(error))
            return
        for name in sorted(names - expected):
            yield Damage(kind, f"journal/{name}", "nothing of this name belongs here")
        if chain != self.chain:
            last = f"journal/{self.segment:08d}.log"
            yield Damage(kind, last, "the journal ends before its last record")

    def _records(self, path: Path, number: int, chain: bytes) -> Iterator[Record]:
        _drop_from_memory(path)
        for item in read_records(path, number, 0, chain):
            if isinstance(item, Bad):
                raise JournalRotten(f"the chain breaks at byte {item.offset}")
            yield item
            # What was appended since is not judged: it may be half written.
            if number == self.segment and item.end >= self.end_offset:
                return

    def _disagreement(self, database: sqlite3.Connection, record: Record) -> str | None:
        if record.kind not in _COPIES or record.sequence > self.indexed_sequence:
            return None
        members = record.members
        row = database.execute(_ROW, (members["object_id"],)).fetchone()
        if row is None:
            return f"{members['object_id']!r} of record {record.sequence} is not in the index"
        place = (row[4], row[5])
        if place != (record.segment, record.offset):
            return self._wrong_place(str(members["object_id"]), place, record)
        said = (members["version"], members["inventory_sha256"], *object_totals(record))
        if row[:4] != said:
            return f"{members['object_id']!r} is not as record {record.sequence} says"
        return None

    def _wrong_place(self, object_id: str, place: tuple[int, int], record: Record) -> str | None:
        """Right only if a later record took over: then that one is the object's."""
        try:
            later = record_at(self.journal / f"{place[0]:08d}.log", *place)
        except (JournalRotten, OSError) as error:
            return f"{object_id!r} points to no record: {error}"
        if later.sequence > record.sequence and later.members.get("object_id") == object_id:
            return None
        return f"{object_id!r} points to a record of something else"


def _index_damage(detail: str) -> Damage:
    return Damage(DamageKind.INDEX_DAMAGED, "index.sqlite", detail)


def _drop_from_memory(path: Path) -> None:
    """So that the disk is asked; pages in use stay, and are as good as the disk to a reader."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
