"""What the sweep asks the index, and what it has it remember.

storage.sweep.model, `SweptVolume`. Times of checking are kept here alone: losing them makes an
object look older than it is, so it is read again too early and never too late.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock

from storage.model import StoredObject
from storage.sweep.model import VOLUME_DAMAGE, SweepCycle
from storage.volume.findings import Finding


class SweepIndex:
    """The part of an index that the sweep uses; shares its connection and its lock."""

    def __init__(self, database: sqlite3.Connection, lock: RLock, path: Path) -> None:
        self._database = database
        self._lock = lock
        self._path = path

    def use(self, database: sqlite3.Connection) -> None:
        """The index was made anew; called under its lock."""
        self._database = database

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
                    "UPDATE objects SET swept_at=?1, checked_at=iif(?2, ?1, checked_at),"
                    " sweeps=sweeps+?2"
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

    def volume_findings(self) -> list[Finding]:
        """What is wrong with the volume's own records, or with too much in its root."""
        kinds = ",".join(f"'{kind}'" for kind in sorted(VOLUME_DAMAGE))
        return self._findings(
            "SELECT sequence, found_at, object_id, kind, path, detail, evidence, mended_at"  # noqa: S608 (fixed words)
            f" FROM findings WHERE object_id='' AND mended_at IS NULL AND kind IN ({kinds})"
            " ORDER BY sequence LIMIT ?",
            (10,),
        )

    def has_open_kind(self, kind: str) -> bool:
        """Whether any finding of this kind about the volume itself is open."""
        with self._lock:
            row = self._database.execute(
                "SELECT 1 FROM findings WHERE object_id='' AND kind=? AND mended_at IS NULL",
                (kind,),
            ).fetchone()
        return row is not None

    def has_open_finding(self, object_id: str, kind: str, path: str) -> bool:
        """Whether exactly this is on record and not mended."""
        with self._lock:
            row = self._database.execute(
                "SELECT 1 FROM findings WHERE object_id=? AND kind=? AND path=?"
                " AND mended_at IS NULL",
                (object_id, kind, path),
            ).fetchone()
        return row is not None

    def last_cycle(self) -> SweepCycle | None:
        """The sweep cycle that was begun last."""
        with self._lock:
            row = self._database.execute(
                "SELECT * FROM sweep_cycles ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return None if row is None else SweepCycle(*row)

    def cycles(self, after: int, limit: int) -> list[SweepCycle]:
        """Sweep cycles with a greater number, in their order."""
        with self._lock:
            rows = self._database.execute(
                "SELECT * FROM sweep_cycles WHERE number>? ORDER BY number LIMIT ?", (after, limit)
            ).fetchall()
        return [SweepCycle(*row) for row in rows]

    def checked_counts(self, edges: Iterable[tuple[str, str]]) -> list[int]:
        """Objects that were swept, by when they were last found intact; two indexes answer.

        Millions of them take seconds: on a connection of its own, so that nobody waits for it.
        """
        counted = (
            "SELECT (SELECT count(*) FROM objects WHERE checked_at>=?1 AND checked_at<?2)"
            " - (SELECT count(*) FROM objects INDEXED BY objects_never_swept"
            " WHERE sweeps=0 AND checked_at>=?1 AND checked_at<?2)"
        )
        with closing(self._second_reader()) as database:
            return [database.execute(counted, edge).fetchone()[0] for edge in edges]

    def never_swept_count(self) -> int:
        """Objects that no sweep has found intact since they were committed."""
        with closing(self._second_reader()) as database:
            count: int = database.execute(
                "SELECT count(*) FROM objects INDEXED BY objects_never_swept WHERE sweeps=0"
            ).fetchone()[0]
        return count

    def _second_reader(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)

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
