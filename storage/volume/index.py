"""The index of a node: which objects lie here, as of which journal record.

docs/formats/volume.md: an index, rebuilt from the journal at any time, so nothing is kept here
alone but the times at which objects were last checked. The journal's fsync is the commit point;
a row that a crash took is written again when the index catches up.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from storage.chronicle.page import Position
from storage.crash_point import crash_point
from storage.hash_tree.branch import Subtree
from storage.hash_tree.leaf import Leaf, partition_of
from storage.model import StoredObject
from storage.ocfl.layout import object_folder
from storage.volume import index_tree
from storage.volume.boot_facts import BootFacts, LastOpening
from storage.volume.index_records import take_in
from storage.volume.index_schema import CHRONICLE, FROM_VERSION_2, SCHEMA, SCHEMA_VERSION
from storage.volume.index_sweep import SweepIndex
from storage.volume.journal_records import Record
from storage.volume.publish import decoded_folder_name
from storage.volume.refusals import IndexUnwritable, VolumeFull

# Everything that comes from the journal.
_TABLES = (
    "objects",
    "tree",
    "sources",
    "operations",
    "findings",
    "epochs",
    "sweep_cycles",
    "sweep_progress",
    "opening",
    "chronicle",
)

_BATCH_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the record of an operation or an object stands in the journal."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Operation:
    """A committed operation."""

    object_id: str
    version: int
    inventory_sha256: str
    file_list_sha256: str
    place: Place


@dataclass(frozen=True, slots=True)
class Reached:
    """The last journal record that the index has taken in, and the totals then."""

    sequence: int
    place: Place
    objects: int
    content_bytes: int


NOTHING_REACHED = Reached(0, Place(1, 0), 0, 0)


class Index:
    """Thread-safe: one connection, one lock, short statements."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._path = path
        self.failed = False  # it took no rows: its file is not believed until it is made anew
        self._database = _connect(path)
        try:
            self._prepare()
        except BaseException:
            # Whoever puts the file aside must know that nobody holds it: the last one to close a
            # database removes the write-ahead log that lies under its name then.
            self._database.close()
            raise
        self.sweep = SweepIndex(self._database, self._lock, path)

    def reached(self) -> Reached:
        """How far the index has come."""
        row = self._one("SELECT sequence, segment, offset, objects, content_bytes FROM reached")
        assert row is not None, "the index always says how far it has come"
        return Reached(row[0], Place(row[1], row[2]), row[3], row[4])

    def apply(self, records: Iterable[Record]) -> None:
        """Take in journal records, in order, in one transaction; seen ones are passed over.

        Raises IndexUnwritable; what was journalled counts, and the next opening catches up.
        """
        try:
            self._apply(records)
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise VolumeFull(f"the disk ran full: no room for the index: {error}") from error
            self.failed = True
            raise IndexUnwritable(f"the index takes no rows: {error}") from error

    def _apply(self, records: Iterable[Record]) -> None:
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            sequence = self.reached().sequence
            last: Record | None = None
            for record in records:
                if record.sequence <= sequence:
                    continue
                take_in(self._database, record)
                last = record
            if last is not None:
                self._database.execute(
                    "UPDATE reached SET sequence=?, segment=?, offset=?",
                    (last.sequence, last.segment, last.offset),
                )
                crash_point("index.taking-in")

    def renew(self, records: Iterable[Record]) -> None:
        """Put the database aside and make every row anew from `records`, the whole journal.

        Everybody else waits meanwhile. Raises JournalRotten, IndexUnwritable, VolumeFull.
        """
        with self._lock:
            self._database.close()
            set_database_aside(self._path)
            self._database = _connect(self._path)
            self._prepare()
            self.failed = False
            self.sweep.use(self._database)
            batch: list[Record] = []
            for record in records:
                batch.append(record)
                if len(batch) == _BATCH_RECORDS:
                    self.apply(batch)
                    batch.clear()
            self.apply(batch)

    def clear(self) -> None:
        """Forget everything, before the journal is read anew."""
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 (fixed names)
            self._database.execute(
                "UPDATE reached SET sequence=0, segment=1, offset=0, objects=0, content_bytes=0"
            )

    def stored_object(self, object_id: str) -> StoredObject | None:
        """One object, or None."""
        row = self._one(
            "SELECT object_id, head, inventory_sha256, file_count, content_bytes, checked_at"
            " FROM objects WHERE object_id=?",
            (object_id,),
        )
        return None if row is None else StoredObject(*row)

    def object_place(self, object_id: str) -> Place | None:
        """Where the record that committed this copy stands."""
        row = self._one("SELECT segment, offset FROM objects WHERE object_id=?", (object_id,))
        return None if row is None else Place(*row)

    def objects(self, after: str, limit: int) -> list[StoredObject]:
        """Up to `limit` objects whose id is greater than `after`, by id."""
        statement = (
            "SELECT object_id, head, inventory_sha256, file_count, content_bytes, checked_at"
            " FROM objects WHERE object_id>? ORDER BY object_id LIMIT ?"
        )
        return [StoredObject(*row) for row in self._all(statement, (after, limit))]

    def tree_branch(self, level: int, index: int) -> list[Subtree]:
        """The 16 children of one inner node of the hash tree."""
        with self._lock:
            return index_tree.branch(self._database, level, index)

    def leaves(self, partition: int, after: str, limit: int) -> list[Leaf]:
        """Up to `limit` leaves of a partition of the hash tree, by id from behind `after` on."""
        with self._lock:
            return index_tree.leaves(self._database, partition, after, limit)

    def objects_behind(self, segment: int, offset: int, limit: int) -> list[str]:
        """Ids of objects whose record stands at this place of the journal or behind it."""
        statement = (
            "SELECT object_id FROM objects WHERE segment>?1 OR (segment=?1 AND offset>=?2) LIMIT ?3"
        )
        return [row[0] for row in self._all(statement, (segment, offset, limit))]

    def owns_folder(self, folder: PurePosixPath) -> bool:
        """Whether the object of this folder, relative to the root, is kept."""
        if not str(folder).isascii():
            return False  # layout 0003 writes ASCII only; a stray may have any name
        object_id = decoded_folder_name(folder.name)
        if object_id is None:
            long_named = "SELECT 1 FROM objects WHERE folder=?"
            return self._one(long_named, (str(folder),)) is not None
        return object_folder(object_id) == folder and self.stored_object(object_id) is not None

    def operation(self, op_id: str) -> Operation | None:
        """A committed operation, or None."""
        row = self._one(
            "SELECT object_id, version, inventory_sha256, file_list_sha256, segment, offset"
            " FROM operations WHERE op_id=?",
            (op_id,),
        )
        if row is None:
            return None
        object_id, version, inventory_sha256, file_list_sha256, segment, offset = row
        place = Place(segment, offset)
        return Operation(object_id, version, inventory_sha256, file_list_sha256, place)

    def epoch(self, scope: str) -> int:
        """The highest epoch seen in this scope; 1 when none was recorded."""
        row = self._one("SELECT epoch FROM epochs WHERE scope=?", (scope,))
        return 1 if row is None else int(row[0])

    def told_position(self) -> Position:
        """How far this node has been told of the ledger."""
        row = self._one("SELECT event_sequence, answer_id, chain FROM chronicle")
        return Position() if row is None else Position(*row)

    def last_opening(self) -> LastOpening | None:
        """How the volume was opened last; None if it never was."""
        row = self._one("SELECT closed, kernel, device, software FROM opening")
        return None if row is None else LastOpening(bool(row[0]), BootFacts(*row[1:]))

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def _prepare(self) -> None:
        with self._lock:
            self._database.executescript(CHRONICLE)
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version == SCHEMA_VERSION:
                return
            if version == SCHEMA_VERSION - 1:
                self._bring_up()
                return
            if version != 0:
                raise sqlite3.DatabaseError(f"index of version {version}")
            self._database.executescript(SCHEMA)

    def _bring_up(self) -> None:
        """From the version before this one: what is kept here alone stays."""
        self._database.create_function("partition_of", 1, partition_of, deterministic=True)
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for statement in FROM_VERSION_2.split(";"):
                self._database.execute(statement)
            index_tree.count_all(self._database)

    def _one(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._database.execute(statement, values).fetchone()
        return row

    def _all(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def set_database_aside(path: Path) -> None:
    """Keep a damaged index under another name, for whoever wants to look at it."""
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(part.with_name(f"damaged-{part.name}"))


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("PRAGMA foreign_keys=ON")
    return database
