"""Hold the directories of a 移交目录 against the zips that are there.

docs/formats/case-batch.md; DA/T 70-2018 items 2-1, 2-11 and 4-3. The tables stand beside the
listing on disk. Opens no zip, and believes no path of the sender's machine.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest_watch.findings import Finding
from ingest_watch.formats.case_batch_listing import BYTES, DIGEST, NUMBER, PATH
from ingest_watch.formats.case_batch_rules import (
    NUMBER_TWICE,
    ZIP_AMBIGUOUS,
    ZIP_MISSING,
    ZIP_OTHER_NAME,
    ZIP_TWICE,
)
from ingest_watch.formats.kept_findings import KeptFindings
from ingest_watch.listing import Listing
from ingest_watch.records import Record

_TABLES = (
    """
CREATE TEMP TABLE zip (path TEXT PRIMARY KEY, stem TEXT NOT NULL) WITHOUT ROWID""",
    """
CREATE TEMP TABLE directory (
    place TEXT NOT NULL, number TEXT NOT NULL, digest TEXT NOT NULL,
    stated_bytes TEXT NOT NULL,  -- as sent, as is everything before it; "" where nothing is
    zip TEXT,                    -- the zip it means; NULL when there is none
    is_told INTEGER NOT NULL     -- why there is none was told already
)""",
)
_SUFFIX = ".zip"


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory, and the zip that it means."""

    place: str
    number: str
    digest: str
    stated_bytes: str
    zip: str | None
    size_bytes: int  # of the zip


class BatchZips:
    """The directories of one batch, and its zips."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._remarks = KeptFindings()  # 2-11
        for statement in _TABLES:
            listing.query(statement)
        for (path,) in listing.query("SELECT path FROM file").fetchall():
            if path.lower().endswith(_SUFFIX):
                stem = path.rpartition("/")[2][: -len(_SUFFIX)]
                listing.query("INSERT INTO zip VALUES (?, ?)", path, stem)
        listing.query("CREATE INDEX temp.zip_stem ON zip (stem)")

    def add(self, record: Record) -> None:
        """Find the zip of one directory."""
        number, digest, path, stated_bytes = (
            next(iter(record.values(name)), "") for name in (NUMBER, DIGEST, PATH, BYTES)
        )
        found = self._called(number)
        if not found:
            stem = _stem_of(path)
            found = self._called(stem)
            if found:
                self._remarks.add(ZIP_OTHER_NAME.found(found[0], place=record.place))
        is_ambiguous = len(found) > 1
        if is_ambiguous:
            self._remarks.add(ZIP_AMBIGUOUS.found(found[0], place=record.place))
        self._listing.query(
            "INSERT INTO directory VALUES (?, ?, ?, ?, ?, ?)",
            record.place, number, digest, stated_bytes,
            found[0] if len(found) == 1 else None, is_ambiguous,
        )  # fmt: skip

    def _called(self, stem: str) -> list[str]:
        """Return the zips of this name; one at the top goes before any below."""
        if not stem:
            return []
        rows = self._listing.query("SELECT path FROM zip WHERE stem = ? LIMIT 3", stem).fetchall()
        found = [row[0] for row in rows]
        return [path for path in found if "/" not in path] or found

    def index(self) -> None:
        """To be called once everything was added."""
        self._listing.query("CREATE INDEX temp.directory_zip ON directory (zip)")

    def directories(self) -> Iterator[Directory]:
        """Yield every directory, in the listing's order."""
        rows = self._listing.query(
            "SELECT place, number, digest, stated_bytes, zip, coalesce(size_bytes, 0)"
            " FROM directory LEFT JOIN file ON file.path = zip ORDER BY directory.rowid"
        )
        return (Directory(*row) for row in rows)

    def numbers_twice(self, path: str) -> Iterator[Finding]:
        """Yield every number that several directories have."""
        rows = self._listing.query(
            "SELECT number, count(*) FROM directory WHERE number != '' GROUP BY number"
            " HAVING count(*) > 1 ORDER BY number"
        )
        for number, count in rows:
            yield NUMBER_TWICE.found(path, number=number, count=count)

    def judge(self) -> Iterator[Finding]:
        """Yield directories without a zip, and zips that several directories mean."""
        yield from self._remarks.findings
        rows = self._listing.query(
            "SELECT place, number FROM directory WHERE zip IS NULL AND NOT is_told ORDER BY rowid"
        )
        for place, number in rows:
            yield ZIP_MISSING.found(f"{number}{_SUFFIX}" if number else None, place=place)
        rows = self._listing.query(
            "SELECT zip, count(*) FROM directory WHERE zip IS NOT NULL GROUP BY zip"
            " HAVING count(*) > 1 ORDER BY zip"
        )
        for path, count in rows:
            yield ZIP_TWICE.found(path, count=count)

    def surplus(self) -> Iterator[str]:
        """Yield every zip that no directory means."""
        rows = self._listing.query(
            "SELECT path FROM zip WHERE NOT EXISTS"
            " (SELECT 1 FROM directory WHERE directory.zip = zip.path) ORDER BY path"
        )
        return (row[0] for row in rows)

    def others(self) -> Iterator[str]:
        """Yield every file that is no zip."""
        rows = self._listing.query(
            "SELECT path FROM file WHERE path NOT IN (SELECT path FROM zip) ORDER BY path"
        )
        return (row[0] for row in rows)

    def count(self) -> int:
        """Return how many zips there are."""
        return int(self._listing.query("SELECT count(*) FROM zip").fetchone()[0])

    def size_bytes(self) -> int:
        """Return how many bytes all zips have."""
        row = self._listing.query(
            "SELECT coalesce(sum(size_bytes), 0) FROM file JOIN zip USING (path)"
        ).fetchone()
        return int(row[0])

    def state_bytes(self) -> bool:
        """Tell whether any directory states how many bytes its zip has."""
        row = self._listing.query("SELECT 1 FROM directory WHERE stated_bytes != '' LIMIT 1")
        return row.fetchone() is not None


def _stem_of(path: str) -> str:
    """Return what a zip at a path of the sender's machine is called."""
    name = re.split(r"[/\\]", path)[-1]
    return name[: -len(_SUFFIX)] if name.lower().endswith(_SUFFIX) else ""
