"""Hold the fileset of a case against the files that are there.

docs/formats/case.md; DA/T 70-2018 items 1-10, 2-11 and 4-3. The table stands beside the listing on
disk. Names of files may be personal data: they stand in findings as the path in question only.
"""

import re
from collections.abc import Iterator

from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.case_base_info import LETTERS, CaseFile
from ingest_watch.formats.case_rules import (
    FILE_CODE,
    FILE_MISSING,
    FILE_OTHER_NAME,
    FILE_OUTSIDE,
    FILE_SIMILAR,
    FILE_SIZE,
    FILE_TWICE,
    FILE_UNNAMED,
    SIZE_UNCLEAR,
    SURPLUS,
)
from ingest_watch.formats.kept_findings import KeptFindings
from ingest_watch.listing import Listing
from ingest_watch.names import composed, folded, peculiarities
from ingest_watch.records import StatedFile

_TABLE = """
CREATE TEMP TABLE stated (
    number INTEGER PRIMARY KEY,  -- of the <file>
    place TEXT NOT NULL,
    stated TEXT NOT NULL,        -- folder title and name, as sent
    path TEXT,                   -- the file it means; NULL when there is none
    size TEXT, format TEXT,      -- as sent
    is_told INTEGER NOT NULL     -- why there is none was told already
)
"""
_DRIVE = re.compile(r"[A-Za-z]:")
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)


class CaseFiles:
    """The files of one case, as listed and as found."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self.codes = KeptFindings()  # 1-12
        self._remarks = KeptFindings()  # 2-11
        listing.query(_TABLE)

    def add(self, file: CaseFile) -> None:
        """Find what one <file> means."""
        letter = LETTERS.get(file.title)
        if letter is not None and not file.fields.get("file_code", "").startswith(letter):
            self.codes.add(FILE_CODE.found(place=file.place, letter=letter))
        names = [file.fields.get(key, "") for key in ("file_actual_name", "computer_file_name")]
        names = list(dict.fromkeys(name for name in names if name))
        stated = f"{file.title}/{names[0]}" if names else ""
        flaw = _flaw(file, names)
        if flaw is not None:
            self._remarks.add(flaw)
        path = None if flaw is not None else self._found(file, names)
        self._listing.query(
            "INSERT INTO stated VALUES (?, ?, ?, ?, ?, ?, ?)",
            file.number, file.place, stated, path, file.fields.get("computer_file_size"),
            file.fields.get("format_information"), flaw is not None,
        )  # fmt: skip

    def index(self) -> None:
        """To be called once everything was added."""
        self._listing.query("CREATE INDEX temp.stated_path ON stated (path)")

    def _found(self, file: CaseFile, names: list[str]) -> str | None:
        """Return the file that the first name, or else the second, means."""
        for name in names:
            written = f"{file.title}/{name}"
            path = self._as_written(written) or self._same_when_composed(written)
            if path is None:
                continue
            if name != names[0]:
                self._remarks.add(FILE_OTHER_NAME.found(path, place=file.place))
            if path != written:
                self._remarks.add(FILE_SIMILAR.found(path, place=file.place))
            return path
        return None

    def _as_written(self, path: str) -> str | None:
        row = self._listing.query("SELECT path FROM file WHERE path = ?", path).fetchone()
        return None if row is None else path

    def _same_when_composed(self, path: str) -> str | None:
        rows = self._listing.query("SELECT path FROM file WHERE folded = ?", folded(path))
        return next((other for (other,) in rows if composed(other) == composed(path)), None)

    def judge(self) -> Iterator[Finding]:
        """Yield what is missing, doubled, or of another size."""
        yield from self._remarks.findings
        rows = self._listing.query(
            "SELECT place, stated FROM stated WHERE path IS NULL AND NOT is_told ORDER BY number"
        )
        for place, stated in rows:
            yield FILE_MISSING.found(stated, place=place)
        rows = self._listing.query(
            "SELECT path, count(*) FROM stated WHERE path IS NOT NULL GROUP BY path"
            " HAVING count(*) > 1 ORDER BY path"
        )
        for path, count in rows:
            yield FILE_TWICE.found(path, count=count)
        rows = self._listing.query(
            "SELECT place, path, size, size_bytes FROM stated JOIN file USING (path)"
            " ORDER BY number"
        )
        for place, path, size, size_bytes in rows:
            if size is None or _WHOLE.fullmatch(size) is None:
                yield SIZE_UNCLEAR.found(path, place=place)
            elif int(size) != size_bytes:
                yield FILE_SIZE.found(path, stated=size, actual=size_bytes)

    def surplus(self, documents: frozenset[str]) -> Iterator[Finding]:
        """Yield every file that is not listed, but for the `documents`."""
        rows = self._listing.query(
            "SELECT path FROM file WHERE NOT EXISTS"
            " (SELECT 1 FROM stated WHERE stated.path = file.path) ORDER BY path"
        )
        for (path,) in rows:
            if path not in documents:
                is_systems = "system-file" in peculiarities(path)
                severity = Severity.WARNING if is_systems else Severity.ERROR
                yield SURPLUS.found(path, severity=severity)

    def stated_files(self) -> Iterator[StatedFile]:
        """Yield every <file>."""
        rows = self._listing.query(
            "SELECT place, path, stated, size, format FROM stated ORDER BY number"
        )
        for place, path, stated, size, content_format in rows:
            yield StatedFile(place, path, stated, size, content_format)


def _flaw(file: CaseFile, names: list[str]) -> Finding | None:
    if not names:
        return FILE_UNNAMED.found(place=file.place)
    for name in (file.title, *names):
        if name.startswith("/") or ".." in re.split(r"[/\\]", name) or _DRIVE.match(name):
            return FILE_OUTSIDE.found(place=file.place)
    return None
