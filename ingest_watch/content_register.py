"""The content files of a package by path: size, format, and whether any metadata speaks of them.

A temporary table of the package's listing, so that a million files cost no memory. Filled by
checks/content_files.py, asked by the checks that compare metadata with content. Judges nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ingest_watch.listing import Listing

_TABLE = """
CREATE TEMP TABLE content_file (
    path TEXT PRIMARY KEY, size_bytes INTEGER, format TEXT, is_identified INTEGER DEFAULT 0,
    is_described INTEGER DEFAULT 0
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class RegisteredFile:
    """One content file as it really is."""

    path: str
    size_bytes: int
    format: str | None  # None: not known, or not asked for
    is_identified: bool  # whether it was asked for


class ContentRegister:
    """One package's. Single-threaded."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        listing.query(_TABLE)

    def add(self, path: str, size_bytes: int) -> None:
        """Note a content file."""
        self._listing.query(
            "INSERT INTO content_file (path, size_bytes) VALUES (?, ?)", path, size_bytes
        )

    def set_format(self, path: str, format_code: str | None) -> None:
        """Note which format it has."""
        self._listing.query(
            "UPDATE content_file SET format = ?, is_identified = 1 WHERE path = ?",
            format_code, path,
        )  # fmt: skip

    def find(self, path: str) -> RegisteredFile | None:
        """The content file of this path, if there is one."""
        row = self._listing.query(
            "SELECT path, size_bytes, format, is_identified FROM content_file WHERE path = ?", path
        ).fetchone()
        return None if row is None else RegisteredFile(row[0], row[1], row[2], bool(row[3]))

    def describe(self, path: str) -> None:
        """Note that metadata speaks of it."""
        self._listing.query("UPDATE content_file SET is_described = 1 WHERE path = ?", path)

    def undescribed(self) -> Iterator[str]:
        """Files that no metadata speaks of, sorted."""
        rows = self._listing.query(
            "SELECT path FROM content_file WHERE is_described = 0 ORDER BY path"
        )
        for (path,) in rows:
            yield str(path)
