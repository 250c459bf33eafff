"""What the sweep asks the index, and what it has it remember.

storage.sweep.model, `SweptVolume`. Times of checking are kept here alone: losing them makes an
object look older than it is, so it is read again too early and never too late.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock

from storage.model import StoredObject
from storage.volume.findings import Finding


class SweepIndex:
    """The part of an index that the sweep uses; shares its connection and its lock."""

    def __init__(self, database: sqlite3.Connection, lock: RLock) -> None:
        self._database = database
        self._lock = lock

    def objects_to_sweep(self, before: str, limit: int) -> list[StoredObject]:
        """Objects not looked at since `before`: known-bad first, then longest unchecked."""
        with self._lock:
            suspects = self._database.execute(
                "SELECT object_id, head, inventory_sha256, file_count, content_bytes, checked_at"
                " FROM objects WHERE swept_at<? AND object_id IN"
                " (SELECT object_id FROM findings WHERE mended_at IS NULL)"
                " ORDER BY checked_at, object_id LIMIT ?",
                (before, limit),
            ).fetchall()
            # Nothing is swept before it is checked, so `checked_at` bounds the scan.
            oldest = self._database.execute(
                "SELECT object_id, head, inventory_sha256, file_count, content_bytes, checked_at"
                " FROM objects WHERE checked_at<? AND swept_at<?"
                " ORDER BY checked_at, object_id LIMIT ?",
                (before, before, limit),
            ).fetchall()
        ordered = dict.fromkeys([*suspects, *oldest])
        return [StoredObject(*row) for row in list(ordered)[:limit]]

    def mark_swept(self, looked_at: Iterable[tuple[str, str, bool]], at: str) -> None:
        """`(object_id, inventory_sha256, intact)` for each; other inventories change nothing."""
        with self._transaction():
            for object_id, inventory_sha256, intact in looked_at:
                self._database.execute(
                    "UPDATE objects SET swept_at=?1, checked_at=iif(?2, ?1, checked_at)"
                    " WHERE object_id=?3 AND inventory_sha256=?4",
                    (at, intact, object_id, inventory_sha256),
                )

    def findings(self, after: int, limit: int) -> list[Finding]:
        """Findings with a greater sequence than `after`, mended ones included."""
        return self._findings(
            "SELECT sequence, found_at, object_id, kind, path, detail, evidence, mended_at"
            " FROM findings WHERE sequence>? ORDER BY sequence LIMIT ?",
            (after, limit),
        )

    def open_findings(self, object_id: str, limit: int = 1000) -> list[Finding]:
        """What is known to be wrong with this object and not mended yet."""
        return self._findings(
            "SELECT sequence, found_at, object_id, kind, path, detail, evidence, mended_at"
            " FROM findings WHERE object_id=? AND mended_at IS NULL ORDER BY sequence LIMIT ?",
            (object_id, limit),
        )

    def open_count(self) -> int:
        """How many findings nothing has become of yet."""
        with self._lock:
            query = "SELECT count(*) FROM findings WHERE mended_at IS NULL"
            count: int = self._database.execute(query).fetchone()[0]
            return count

    def has_open_finding(self, object_id: str, kind: str, path: str) -> bool:
        """Whether exactly this is on record and not mended."""
        with self._lock:
            row = self._database.execute(
                "SELECT 1 FROM findings WHERE object_id=? AND kind=? AND path=?"
                " AND mended_at IS NULL",
                (object_id, kind, path),
            ).fetchone()
        return row is not None

    def last_cycle(self) -> tuple[int, str, str | None] | None:
        """Number, beginning and end of the last sweep cycle."""
        with self._lock:
            row: tuple[int, str, str | None] | None = self._database.execute(
                "SELECT number, started_at, finished_at FROM sweep_cycles"
                " ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return row

    def oldest_checked_at(self) -> str | None:
        """The smallest `checked_at`; None when nothing is kept."""
        with self._lock:
            row = self._database.execute("SELECT min(checked_at) FROM objects").fetchone()
        return None if row is None else row[0]

    def _findings(self, statement: str, values: tuple[object, ...]) -> list[Finding]:
        with self._lock:
            rows = self._database.execute(statement, values).fetchall()
        return [Finding(*row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield
