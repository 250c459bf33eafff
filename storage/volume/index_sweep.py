"""What the sweep asks the index, and what it has it remember.

storage.sweep.model, `SweptVolume`. Times of checking are kept here alone: losing them makes an
object look older than it is, so it is read again too early and never too late.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from heapq import merge
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any

from storage.model import StoredObject, source_of
from storage.sweep.model import (
    VOLUME_DAMAGE,
    PassKind,
    PassScope,
    Progress,
    Reason,
    Selection,
    SourceHolding,
    SweepCycle,
    Work,
    rfc3339,
)
from storage.volume.findings import Finding
from storage.volume.refusals import IndexUnwritable

# Damaged objects keep an old time of checking after they were looked at: they are passed over.
_OLDEST_LEFT = (
    "SELECT checked_at FROM objects WHERE source=? AND checked_at<? AND swept_at<?"
    " ORDER BY checked_at LIMIT 1"
)
_YOUNGEST_LEFT = (
    "SELECT checked_at FROM objects WHERE source=? AND checked_at<? AND swept_at<?"
    " ORDER BY checked_at DESC LIMIT 1"
)

_Row = tuple[str, int, str, int, int, str]


def _age(row: _Row) -> tuple[str, str]:
    return row[5], row[0]


def _set_back(text: str, now: str, step: timedelta) -> str:
    if text <= now:
        return text
    return min(now, rfc3339(_moment(text) - step))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _cycle(row: tuple[Any, ...]) -> SweepCycle:
    number, started_at, finished_at, checked_objects, read_bytes, damaged_objects, *words = row
    kind, scope, subject, reason = words
    return SweepCycle(
        number,
        started_at,
        finished_at,
        checked_objects,
        read_bytes,
        damaged_objects,
        PassKind(kind),
        PassScope(scope),
        subject,
        Reason(reason),
    )


class SweepIndex:
    """The part of an index that the sweep uses; shares its connection and its lock."""

    def __init__(self, database: sqlite3.Connection, lock: RLock, path: Path) -> None:
        self._database = database
        self._lock = lock
        self._path = path

    def use(self, database: sqlite3.Connection) -> None:
        """The index was made anew; called under its lock."""
        self._database = database

    def objects_to_sweep(self, selection: Selection, before: str, limit: int) -> list[StoredObject]:
        """Objects not looked at since `before`: known-bad first, then longest unchecked."""
        with self._lock:
            suspects = self._suspects(selection, before, limit)
            if selection.object_id is not None:
                oldest = self._one_object(selection.object_id, before)
            else:
                after = selection.after or ("", "")
                each = [
                    self._oldest(source, before, after, limit)
                    for source in self._sources(selection)
                ]
                oldest = list(islice(merge(*each, key=_age), limit))
        ordered = dict.fromkeys([*suspects, *oldest])
        return [StoredObject(*row) for row in list(ordered)[:limit]]

    def _suspects(self, selection: Selection, before: str, limit: int) -> list[_Row]:
        rows = self._database.execute(
            "SELECT object_id, head, inventory_sha256, file_count, content_bytes, checked_at"
            " FROM objects WHERE swept_at<? AND object_id IN"
            " (SELECT object_id FROM findings WHERE mended_at IS NULL)"
            " ORDER BY checked_at, object_id LIMIT ?",
            (before, limit),
        ).fetchall()
        if selection.object_id is not None:
            return [row for row in rows if row[0] == selection.object_id]
        wanted = selection.sources
        return [row for row in rows if wanted is None or source_of(row[0]) in wanted]

    def _one_object(self, object_id: str, before: str) -> list[_Row]:
        return self._database.execute(
            "SELECT object_id, head, inventory_sha256, file_count, content_bytes, checked_at"
            " FROM objects WHERE object_id=? AND swept_at<?",
            (object_id, before),
        ).fetchall()

    def _oldest(self, source: str, before: str, after: tuple[str, str], limit: int) -> list[_Row]:
        # Nothing is swept before it is checked, so `checked_at` bounds the scan.
        return self._database.execute(
            "SELECT object_id, head, inventory_sha256, file_count, content_bytes, checked_at"
            " FROM objects"
            " WHERE source=? AND checked_at<? AND swept_at<? AND (checked_at, object_id)>(?,?)"
            " ORDER BY checked_at, object_id LIMIT ?",
            (source, before, before, *after, limit),
        ).fetchall()

    def _sources(self, selection: Selection) -> list[str]:
        if selection.sources is not None:
            return list(selection.sources)
        return [row[0] for row in self._database.execute("SELECT source FROM sources")]

    def holdings(self) -> list[SourceHolding]:
        """What each source has here."""
        with self._lock:
            rows = self._database.execute(
                "SELECT source, objects, files, content_bytes FROM sources ORDER BY source"
            ).fetchall()
        return [SourceHolding(row[0], Work(*row[1:])) for row in rows]

    def checked_span(self, sources: Iterable[str], before: str) -> tuple[str, str] | None:
        """Oldest and youngest time of checking of what was not looked at since `before`."""
        spans: list[tuple[str, str]] = []
        with self._lock:
            for source in sources:
                oldest, youngest = (
                    self._database.execute(statement, (source, before, before)).fetchone()
                    for statement in (_OLDEST_LEFT, _YOUNGEST_LEFT)
                )
                if oldest is not None:
                    spans.append((oldest[0], youngest[0]))
        if not spans:
            return None
        return min(oldest for oldest, _ in spans), max(youngest for _, youngest in spans)

    def forget_future(self, now: str) -> timedelta:
        """Move times after `now`, from a clock that has been set back, to before it.

        All by the step that brings the latest of them to `now`, which is returned: so what was
        read long before the rest stays the older, and no pass takes it for its own reading.
        """
        with self._transaction():
            sources = self._sources(Selection())
            latest = max(map(self._latest, sources), default="")
            step = max(_moment(latest or now) - _moment(now), timedelta(0))
            self._database.create_function("set_back", 1, partial(_set_back, now=now, step=step))
            for source in sources if step else ():
                self._database.execute(
                    "UPDATE objects SET checked_at=set_back(checked_at),"
                    " swept_at=set_back(swept_at) WHERE source=? AND checked_at>?",
                    (source, now),
                )
            # Damaged ones keep an old time of checking; they are few, and found by their findings.
            self._database.execute(
                "UPDATE objects SET swept_at=set_back(swept_at) WHERE swept_at>? AND object_id IN"
                " (SELECT object_id FROM findings WHERE mended_at IS NULL)",
                (now,),
            )
        return step

    def _latest(self, source: str) -> str:
        query = "SELECT max(checked_at) FROM objects WHERE source=?"
        (latest,) = self._database.execute(query, (source,)).fetchone()
        return latest or ""

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
        return None if row is None else _cycle(row)

    def cycles(self, after: int, limit: int) -> list[SweepCycle]:
        """Full passes over a class or the node with a greater number, in their order."""
        with self._lock:
            rows = self._database.execute(
                "SELECT * FROM sweep_cycles WHERE number>? AND kind='full'"
                " AND scope IN ('class', 'node') ORDER BY number LIMIT ?",
                (after, limit),
            ).fetchall()
        return [_cycle(row) for row in rows]

    def current_passes(self) -> list[SweepCycle]:
        """Passes that run, and the last of each kind over a class or the node."""
        with self._lock:
            rows = self._database.execute(
                "SELECT * FROM sweep_cycles WHERE finished_at IS NULL OR number IN"
                " (SELECT max(number) FROM sweep_cycles WHERE finished_at IS NOT NULL"
                "  GROUP BY kind, scope, CASE WHEN scope='class' THEN subject END)"
                " ORDER BY number"
            ).fetchall()
        return [_cycle(row) for row in rows]

    def progress(self, number: int) -> Progress:
        """How far a pass is."""
        with self._lock:
            row = self._database.execute(
                "SELECT objects, files, content_bytes, cursor FROM sweep_progress WHERE number=?",
                (number,),
            ).fetchone()
        return Progress() if row is None else Progress(Work(*row[:3]), row[3])

    def keep_progress(self, number: int, progress: Progress) -> None:
        """Write down how far a pass is, and forget those that ended."""
        done = progress.done
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO sweep_progress VALUES (?,?,?,?,?)",
                (number, done.objects, done.files, done.content_bytes, progress.cursor),
            )
            self._database.execute(
                "DELETE FROM sweep_progress WHERE number IN"
                " (SELECT number FROM sweep_cycles WHERE finished_at IS NOT NULL)"
                " AND number<?",
                (number,),
            )

    def checked_counts(self, edges: Iterable[tuple[str, str]]) -> list[int]:
        """Objects that were swept, by when they were last found intact; two indexes answer.

        Millions of them take seconds: on a connection of its own, so that nobody waits for it.
        """
        counted = (
            "SELECT (SELECT total((SELECT count(*) FROM objects WHERE source=sources.source"
            " AND checked_at>=?1 AND checked_at<?2)) FROM sources)"
            " - (SELECT count(*) FROM objects INDEXED BY objects_never_swept"
            " WHERE sweeps=0 AND checked_at>=?1 AND checked_at<?2)"
        )
        with closing(self._second_reader()) as database:
            return [int(database.execute(counted, edge).fetchone()[0]) for edge in edges]

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
            row = self._database.execute(
                "SELECT min((SELECT min(checked_at) FROM objects"
                " WHERE objects.source=sources.source)) FROM sources"
            ).fetchone()
        return None if row is None else row[0]

    def _findings(self, statement: str, values: tuple[object, ...]) -> list[Finding]:
        with self._lock:
            rows = self._database.execute(statement, values).fetchall()
        return [Finding(*row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Raises IndexUnwritable where the disk takes no rows; a rotten page raises as it does."""
        try:
            with self._lock, self._database:
                self._database.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.OperationalError as error:
            raise IndexUnwritable(f"the index takes no rows: {error}") from error
