"""The listing of one package on disk: every file with its size and digests, every folder.

docs/formats/package.md (names). A private SQLite file, so that a package of a million files needs
no more memory than one of eight, whatever order its files come in. It lives as long as the
judgement: written by staging.py, read by formats/, thrown away afterwards. Decides nothing.
"""

import errno
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ingest_watch.algorithms import KNOWN
from ingest_watch.findings import PackageRejected
from ingest_watch.names import folded
from ingest_watch.opening_rules import CONFLICT, NAME_COLLISION
from storage.model import FileEntry

_DIGESTS = tuple(sorted(set(KNOWN) | {"sha256"}))
_COLUMNS = ", ".join(_DIGESTS)
# A package with more files than this one folder down is not a batch of others side by side.
_NAMES_ONE_DOWN_MAX = 10_000

# Paths are UTF-8 text, so SQLite's binary collation sorts them as docs/formats/package.md asks.
_SCHEMA = f"""
CREATE TABLE file (
    path TEXT PRIMARY KEY,      -- as kept: UTF-8, or percent-escaped
    folded TEXT NOT NULL,       -- what it clashes with where case and normalisation do not count
    raw BLOB,                   -- the sender's bytes; NULL when they are the path's UTF-8
    size_bytes INTEGER NOT NULL,
    stamp TEXT,                 -- state of the sender's file when it was first seen
    block_root TEXT,
    {", ".join(f"{name} TEXT" for name in _DIGESTS)}
) WITHOUT ROWID;
CREATE TABLE folder (path TEXT PRIMARY KEY, raw BLOB, stamp TEXT) WITHOUT ROWID;
CREATE TABLE attribute (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One file of a staged package, with everything that one pass over its bytes told."""

    path: str  # relative to the package; escaped when the name is not UTF-8
    size_bytes: int
    digests: dict[str, str]  # normalised algorithm → hexadecimal; "sha256" is always there
    block_root: str | None
    raw_path: bytes | None = field(default=None)  # the sender's bytes, when `path` is not they

    def entry(self, folder: str = "received/") -> FileEntry:
        """Return the line of the object's file list, `folder` standing before the path."""
        return FileEntry(
            folder + self.path, self.size_bytes, self.digests["sha256"], self.block_root
        )


class Listing:
    """One open listing. Single-threaded; every writer commits before it closes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, target: Path) -> Self:
        """Start an empty listing at `target`, which must not exist."""
        connection = sqlite3.connect(target, isolation_level=None)
        # Thrown away after a crash, so nothing needs to be durable or to be rolled back.
        connection.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
            f"PRAGMA temp_store=FILE; PRAGMA cache_size=-8192; BEGIN; {_SCHEMA}"
        )
        connection.create_function("folded", 1, folded, deterministic=True)
        return cls(connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a listing that staging has finished; what a format adds is temporary."""
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA temp_store=FILE")
        connection.create_function("folded", 1, folded, deterministic=True)
        return cls(connection)

    def close(self) -> None:
        """Keep what was written and let go of the file."""
        if self._connection.in_transaction:
            self._connection.commit()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def query(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run one statement over the tables above and those that a format has added.

        Raises OSError if the disk fails or is full.
        """
        try:
            return self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            # The disk under the listing, or nobody could say so at build time.
            raise OSError(errno.EIO, f"the listing failed: {error}") from error

    def add_folder(self, path: str, raw: bytes | None, stamp: str | None = None) -> None:
        """Record a folder; a second one of that name is a collision."""
        try:
            self.query("INSERT INTO folder VALUES (?, ?, ?)", path, raw, stamp)
        except sqlite3.IntegrityError:
            raise PackageRejected(NAME_COLLISION.found(path)) from None

    def add_file(self, path: str, raw: bytes | None, size_bytes: int, stamp: str) -> None:
        """Record a file that was seen and not yet read."""
        try:
            self.query(
                "INSERT INTO file (path, folded, raw, size_bytes, stamp) VALUES (?, ?, ?, ?, ?)",
                path, folded(path), raw, size_bytes, stamp,
            )  # fmt: skip
        except sqlite3.IntegrityError:
            raise PackageRejected(NAME_COLLISION.found(path)) from None

    def set_digests(self, file: StagedFile) -> None:
        """Record what reading a file told, which `add_file` or nobody recorded before."""
        self.query(
            f"INSERT INTO file (path, folded, raw, size_bytes, block_root, {_COLUMNS})"  # noqa: S608 - constant names
            f" VALUES (?, ?, ?, ?, ?{', ?' * len(_DIGESTS)}) ON CONFLICT (path) DO UPDATE SET"
            f" size_bytes = excluded.size_bytes, block_root = excluded.block_root,"
            f" {', '.join(f'{name} = excluded.{name}' for name in _DIGESTS)}",
            file.path, folded(file.path), file.raw_path, file.size_bytes, file.block_root,
            *(file.digests.get(name) for name in _DIGESTS),
        )  # fmt: skip

    def stamp_of(self, path: str) -> str | None:
        """Return the stamp `path` was recorded with, file or folder; None if it was not."""
        row = self.query(
            "SELECT stamp FROM file WHERE path = ?1 UNION SELECT stamp FROM folder WHERE path = ?1",
            path,
        ).fetchone()
        return None if row is None else str(row[0])

    def has_folder(self, path: str) -> bool:
        """Tell whether there is a folder of this path."""
        return self.query("SELECT 1 FROM folder WHERE path = ?", path).fetchone() is not None

    def totals_below(self, prefix: str) -> str:
        """Return "bytes.files" of what lies below `prefix`, as Payload-Oxum writes it."""
        size_bytes, files = self.query(
            "SELECT coalesce(sum(size_bytes), 0), count(*) FROM file"
            " WHERE substr(path, 1, ?) = ?",
            len(prefix), prefix,
        ).fetchone()  # fmt: skip
        return f"{size_bytes}.{files}"

    def count(self) -> tuple[int, int]:
        """Return how many files and folders were recorded."""
        files, folders = self.query(
            "SELECT (SELECT count(*) FROM file), (SELECT count(*) FROM folder)"
        ).fetchone()
        return int(files), int(folders)

    def content_bytes(self) -> int:
        """Return the sum of all file sizes."""
        return int(self.query("SELECT coalesce(sum(size_bytes), 0) FROM file").fetchone()[0])

    def check_names(self) -> None:
        """Raise PackageRejected if some name is both a file and a folder."""
        row = self.query("SELECT path FROM file JOIN folder USING (path) LIMIT 1").fetchone()
        if row is not None:
            raise PackageRejected(CONFLICT.found(row[0]))

    def top_folder(self) -> str | None:
        """Return the one folder that holds everything else, if there is one."""
        rows = self.query(
            "SELECT path, 1 FROM folder WHERE instr(path, '/') = 0"
            " UNION ALL SELECT path, 0 FROM file WHERE instr(path, '/') = 0 LIMIT 2"
        ).fetchall()
        return str(rows[0][0]) if len(rows) == 1 and rows[0][1] else None

    def names_in(self, folder: str) -> frozenset[str]:
        """Return the names of the files that lie directly in `folder`; "" is the package."""
        start = f"{folder}/" if folder else ""
        rows = self.query(
            "SELECT substr(path, ?1) FROM file"
            " WHERE substr(path, 1, ?1 - 1) = ?2 AND instr(substr(path, ?1), '/') = 0",
            len(start) + 1, start,
        )  # fmt: skip
        return frozenset(row[0] for row in rows)

    def names_one_down(self) -> frozenset[str]:
        """Return the names of the files one folder down, as `folder/name`; of very many, some."""
        rows = self.query(
            "SELECT path FROM file WHERE instr(path, '/') > 0"
            " AND instr(substr(path, instr(path, '/') + 1), '/') = 0 ORDER BY path LIMIT ?",
            _NAMES_ONE_DOWN_MAX,
        )
        return frozenset(row[0] for row in rows)

    def unread(self) -> str | None:
        """Return some file that was named and never read, if there is one."""
        row = self.query("SELECT path FROM file WHERE sha256 IS NULL LIMIT 1").fetchone()
        return None if row is None else str(row[0])

    def files(self) -> Iterator[StagedFile]:
        """Yield every file, sorted by the UTF-8 bytes of its path."""
        rows = self.query(
            f"SELECT path, size_bytes, block_root, raw, {_COLUMNS} FROM file ORDER BY path"  # noqa: S608 - constant names
        )
        for path, size_bytes, block_root, raw, *digests in rows:
            known = {
                name: value
                for name, value in zip(_DIGESTS, digests, strict=True)
                if value is not None
            }
            yield StagedFile(path, size_bytes, known, block_root, raw)

    def move_up(self, folder: str) -> None:
        """Make `folder`, which holds everything, the package: its name leaves every path."""
        start = len(folder) + 2
        raw_folder = self.query("SELECT raw FROM folder WHERE path = ?", folder).fetchone()[0]
        raw_start = len(raw_folder if raw_folder is not None else folder.encode()) + 2
        self.query("DELETE FROM folder WHERE path = ?", folder)
        self.query("UPDATE folder SET path = substr(path, ?), raw = substr(raw, ?)",
                   start, raw_start)  # fmt: skip
        # A name that only stood in the folder's own escaping is plain text again.
        self.query("UPDATE file SET path = substr(path, ?), raw = substr(raw, ?)",
                   start, raw_start)  # fmt: skip
        self.query("UPDATE file SET raw = NULL WHERE raw = CAST(path AS BLOB)")
        self.query("UPDATE folder SET raw = NULL WHERE raw = CAST(path AS BLOB)")
        self.query("UPDATE file SET folded = folded(path)")
