"""Judge fetch.txt, which is never followed: no address in a package is ever asked anything.

RFC 8493 section 2.2.3; attack catalogue A41, A42. A file named there is fine if it came along and
is in the manifests like any other; a file that is only named there is missing.
"""

import re
from collections.abc import Iterable, Iterator

from ingest_watch.findings import Finding, Severity
from ingest_watch.formats.bagit_declaration import Declaration
from ingest_watch.formats.bagit_manifests import PAYLOAD, Manifest
from ingest_watch.formats.bagit_paths import leaves_bag, readings, without_dots
from ingest_watch.formats.bagit_rules import (
    FETCH_LENGTH,
    FETCH_LINE,
    FETCH_NEEDED,
    FETCH_OUTSIDE,
    FETCH_UNLISTED,
    FETCH_UNUSED,
    PATH_TRAVERSAL,
)
from ingest_watch.listing import Listing

NAME = "fetch.txt"

# An absolute URI has a scheme (RFC 3986 section 4.3); a length is digits or a dash.
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:\S+)[ \t]+(-|\d{1,20})[ \t]+(.+)", re.DOTALL)
_TABLE = "CREATE TEMP TABLE fetched (written TEXT NOT NULL, length INTEGER)"


class FetchFile:
    """The lines of fetch.txt in a table, and what is wrong with them by themselves."""

    def __init__(self, listing: Listing, declaration: Declaration) -> None:
        self._listing = listing
        self._strict = declaration.is_strict
        self._findings: list[Finding] = []
        self._is_there = False

    def read(self, lines: Iterable[tuple[int, str]]) -> None:
        """Read numbered lines."""
        self._listing.query(_TABLE)
        self._is_there = True
        for number, line in lines:
            if not line.strip(" \t"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                severity = Severity.ERROR if self._strict else Severity.WARNING
                self._findings.append(FETCH_LINE.found(NAME, severity=severity, line=number))
                match = re.fullmatch(r"(\S+)[ \t]+(\S+)[ \t]+(.+)", line, re.DOTALL)
            if match is not None:
                self._keep(match[2], without_dots(match[3]))

    def _keep(self, length: str, written: str) -> None:
        if leaves_bag(written):
            self._findings.append(PATH_TRAVERSAL.found(written, manifest=NAME))
        elif not written.startswith(PAYLOAD):
            self._findings.append(FETCH_OUTSIDE.found(written))
        else:
            length_bytes = int(length) if length.isdigit() and len(length) < 19 else None
            self._listing.query("INSERT INTO fetched VALUES (?, ?)", written, length_bytes)

    def judge(self, payload_manifests: list[Manifest]) -> Iterator[Finding]:
        """Yield everything that is wrong with fetch.txt; a note if it is there for nothing."""
        yield from self._findings
        if not self._is_there:
            return
        flawed = bool(self._findings)
        rows = self._listing.query("SELECT written, length FROM fetched ORDER BY written")
        for written, length in rows:
            for finding in self._judge_line(written, length, payload_manifests):
                flawed = True
                yield finding
        if not flawed:
            yield FETCH_UNUSED.found(NAME)

    def is_named(self, written: str) -> bool:
        """Tell whether fetch.txt names this path."""
        return self._is_there and (
            self._listing.query("SELECT 1 FROM fetched WHERE written = ?", written).fetchone()
            is not None
        )

    def _judge_line(
        self, written: str, length: int | None, manifests: list[Manifest]
    ) -> Iterator[Finding]:
        lists = {
            manifest
            for (manifest,) in self._listing.query(
                "SELECT manifest FROM listed WHERE written = ?", written
            )
        }
        gaps = [manifest.name for manifest in manifests if manifest.name not in lists]
        if gaps and (self._strict or len(gaps) == len(manifests)):
            yield FETCH_UNLISTED.found(written, manifest=", ".join(gaps))
        size_bytes = self._size_of(written)
        if size_bytes is None:
            yield FETCH_NEEDED.found(written)
        elif length is not None and length != size_bytes:
            yield FETCH_LENGTH.found(written, stated=length, actual=size_bytes)

    def _size_of(self, written: str) -> int | None:
        row = self._listing.query(
            "SELECT size_bytes FROM file JOIN listed ON listed.file = file.path"
            " WHERE written = ? LIMIT 1",
            written,
        ).fetchone()
        for name in () if row else readings(written, is_strict=self._strict):
            row = (
                row
                or self._listing.query(
                    "SELECT size_bytes FROM file WHERE path = ?", name
                ).fetchone()
            )
        return None if row is None else int(row[0])
