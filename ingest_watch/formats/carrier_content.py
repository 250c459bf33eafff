"""Find the content that the records of carriers name, and what no record names.

档发〔2012〕7号 annex 2; DA/T 70-2018 items 1-11, 2-11, 4-3; docs/formats/carrier.md. The tables
stand beside the listing on disk, so a million records need no memory. Reads no file.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest_watch.findings import Finding
from ingest_watch.formats.carrier_layout import RECORDS, Layout
from ingest_watch.formats.carrier_rules import (
    CONTENT_AMBIGUOUS,
    CONTENT_BACKSLASH,
    CONTENT_MISSING,
    CONTENT_NO_EXTENSION,
    CONTENT_OUTSIDE,
    CONTENT_SHARED,
    CONTENT_SIMILAR,
    NAMES_SEVERAL,
)
from ingest_watch.listing import Listing
from ingest_watch.names import folded
from ingest_watch.records import StatedFile

_TABLES = (
    """
CREATE TEMP TABLE candidate (   -- every file and folder below 电子档案/
    carrier TEXT NOT NULL,      -- prefix of the carrier
    path TEXT NOT NULL,         -- relative to the package, as is everything here
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    folded TEXT NOT NULL,       -- of the name
    stem TEXT NOT NULL,         -- the name without its extension
    is_folder INTEGER NOT NULL
)""",
    """
CREATE TEMP TABLE named (       -- what a record names
    carrier TEXT NOT NULL,
    catalogue TEXT NOT NULL,    -- path of the 目录
    place TEXT NOT NULL,
    stated TEXT NOT NULL,       -- as sent
    target TEXT,                -- the file or folder it means; NULL when there is none
    is_folder INTEGER NOT NULL,
    target_stem TEXT,           -- the file's path without its extension
    is_told INTEGER NOT NULL    -- why there is none was told already
)""",
)
_INDEXES = (
    "CREATE INDEX temp.candidate_name ON candidate (carrier, name)",
    "CREATE INDEX temp.candidate_folded ON candidate (carrier, folded)",
    "CREATE INDEX temp.candidate_stem ON candidate (carrier, stem)",
    "CREATE INDEX temp.named_target ON named (target, is_folder)",
    "CREATE INDEX temp.named_stem ON named (target_stem)",
)
# In one 电子档案名称; a longer one is taken for a single name.
_NAMES_MAX = 1000
_SEPARATORS = re.compile(r"[;；\n]")
_DRIVE = re.compile(r"[A-Za-z]:")
_METADATA_NAMED = re.compile(r"[-_. ]?(?:元数据|metadata)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Naming:
    """One 电子档案名称 of one record."""

    catalogue: str
    place: str
    stated: str
    below: str | None  # what a column 路径 says


@dataclass(frozen=True, slots=True)
class _Target:
    path: str
    is_folder: bool


class _Told(Exception):
    """The name means nothing that may be taken, and why was told."""


class CarrierContents:
    """What the records of all carriers of one package name."""

    def __init__(self, listing: Listing, tell: Callable[[Finding], None]) -> None:
        self._listing = listing
        self._tell = tell
        for statement in (*_TABLES, *_INDEXES):
            listing.query(statement)

    def add_carrier(self, layout: Layout) -> None:
        """Learn what lies below the carrier's 电子档案/."""
        for table, is_folder in (("file", 0), ("folder", 1)):
            rows = self._listing.query(
                f"SELECT path FROM {table} WHERE path >= ? AND path < ?",  # noqa: S608 - constant
                layout.records,
                layout.records[:-1] + "0",
            )
            for (path,) in rows:
                folder, _, name = path.rpartition("/")
                self._listing.query(
                    "INSERT INTO candidate VALUES (?, ?, ?, ?, ?, ?, ?)",
                    layout.prefix, path, folder, name, folded(name), _stem(name), is_folder,
                )  # fmt: skip

    def add(self, layout: Layout, naming: Naming) -> None:
        """Find what a record means by one name, or by several in one."""
        try:
            target = self._find(layout, naming, naming.stated)
        except _Told:
            self._keep(layout, naming, None, is_told=True)
            return
        names = [name.strip() for name in _SEPARATORS.split(naming.stated) if name.strip()]
        if target is not None or not 1 < len(names) <= _NAMES_MAX:
            self._keep(layout, naming, target)
            return
        self._tell(NAMES_SEVERAL.found(naming.catalogue, place=naming.place))
        for name in names:
            self.add(layout, Naming(naming.catalogue, naming.place, name, naming.below))

    def _keep(
        self, layout: Layout, naming: Naming, target: _Target | None, *, is_told: bool = False
    ) -> None:
        path = None if target is None else target.path
        is_folder = target is not None and target.is_folder
        self._listing.query(
            "INSERT INTO named VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            layout.prefix, naming.catalogue, naming.place, naming.stated, path, is_folder,
            None if path is None or is_folder else _path_stem(path), is_told,
        )  # fmt: skip

    def _find(self, layout: Layout, naming: Naming, stated: str) -> _Target | None:
        """Return what a name means. Raises _Told if it may not be taken for what it is."""
        name = stated
        if "\\" in stated:
            name = stated.replace("\\", "/")
            self._tell(CONTENT_BACKSLASH.found(naming.catalogue, place=naming.place))
        if name.startswith("/") or ".." in name.split("/") or _DRIVE.match(name):
            self._tell(CONTENT_OUTSIDE.found(stated, place=naming.place))
            raise _Told
        name = name.removeprefix("./").strip("/")
        if not name:
            return None
        paths = list(_readings(layout, name, naming.below))
        return (
            self._exact(paths)
            or self._anywhere(layout, naming, name)
            or self._similar(layout, naming, (name, paths))
            or self._without_extension(layout, naming, (name, paths))
        )

    def _exact(self, paths: list[str]) -> _Target | None:
        for path in paths:
            if self._listing.query("SELECT 1 FROM file WHERE path = ?", path).fetchone():
                return _Target(path, is_folder=False)
            if self._holds_files(path):
                return _Target(path, is_folder=True)
        return None

    def _anywhere(self, layout: Layout, naming: Naming, name: str) -> _Target | None:
        """A plain name may be that of a file, or else of a folder, anywhere."""
        if "/" in name:
            return None
        for is_folder in (0, 1):
            found = self._candidates("name", layout, name, is_folder)
            if len(found) > 1:
                self._tell(CONTENT_AMBIGUOUS.found(name, place=naming.place, count=len(found)))
                raise _Told
            if found and (not is_folder or self._holds_files(found[0])):
                return _Target(found[0], bool(is_folder))
        return None

    def _similar(
        self, layout: Layout, naming: Naming, wanted: tuple[str, list[str]]
    ) -> _Target | None:
        """The one file whose name differs in case or Unicode form only."""
        name, paths = wanted
        last = name.rpartition("/")[2]
        similar = {folded(path) for path in paths}
        found = self._candidates("folded", layout, folded(last), 0)
        if "/" in name:
            found = [path for path in found if folded(path) in similar]
        if len(found) != 1:
            return None
        self._tell(CONTENT_SIMILAR.found(name, place=naming.place, file=found[0]))
        return _Target(found[0], is_folder=False)

    def _without_extension(
        self, layout: Layout, naming: Naming, wanted: tuple[str, list[str]]
    ) -> _Target | None:
        """The one file that has the name before its extension; its metadata does not count."""
        name, paths = wanted
        found = self._candidates("stem", layout, name.rpartition("/")[2], 0)
        if "/" in name:
            found = [path for path in found if _path_stem(path) in paths]
        found = [path for path in found if not _is_xml(path)] or found
        if len(found) != 1:
            return None
        self._tell(CONTENT_NO_EXTENSION.found(name, place=naming.place))
        return _Target(found[0], is_folder=False)

    def _candidates(self, column: str, layout: Layout, value: str, is_folder: int) -> list[str]:
        """A few paths of the carrier; nobody needs to know more than that they are several."""
        rows = self._listing.query(
            f"SELECT path FROM candidate WHERE carrier = ? AND {column} = ?"  # noqa: S608 - constant
            " AND is_folder = ? LIMIT 100",
            layout.prefix, value, is_folder,
        )  # fmt: skip
        return [row[0] for row in rows]

    def _holds_files(self, folder: str) -> bool:
        return self._files_below(folder).fetchone() is not None

    def _files_below(self, folder: str) -> sqlite3.Cursor:
        return self._listing.query(
            "SELECT path FROM file WHERE path > ? AND path < ? ORDER BY path",
            f"{folder}/", f"{folder}0",
        )  # fmt: skip

    def missing(self) -> Iterator[Finding]:
        """Yield every name that means nothing, and files that several records name."""
        rows = self._listing.query(
            "SELECT carrier, place, stated FROM named WHERE target IS NULL AND NOT is_told"
            " ORDER BY rowid"
        )
        for carrier, place, stated in rows:
            yield CONTENT_MISSING.found(f"{carrier}{stated}", place=place)
        rows = self._listing.query(
            "SELECT catalogue, target, count(*) FROM named WHERE target IS NOT NULL"
            " AND NOT is_folder GROUP BY catalogue, target HAVING count(*) > 1"
        )
        for catalogue, target, count in rows:
            yield CONTENT_SHARED.found(target, catalogue=catalogue, count=count)

    def stated_files(self) -> Iterator[StatedFile]:
        """Yield every file that a record names; of a folder, all that is in it, once."""
        told: set[str] = set()
        rows = self._listing.query(
            "SELECT place, stated, target, is_folder FROM named ORDER BY rowid"
        )
        for place, stated, target, is_folder in rows:
            if not is_folder:
                yield StatedFile(place, target, stated)
            elif target not in told:
                told.add(target)
                for (path,) in self._files_below(target):
                    yield StatedFile(place, path, stated)

    def is_meant(self, path: str) -> bool:
        """Tell whether a record names the file, or a folder that it is in."""
        folders = [path[: match.start()] for match in re.finditer("/", path)]
        return any(self._is_named(name) for name in ((path, 0), *((each, 1) for each in folders)))

    def _is_named(self, target: tuple[str, int]) -> bool:
        row = self._listing.query(
            "SELECT 1 FROM named WHERE target = ? AND is_folder = ?", *target
        ).fetchone()
        return row is not None

    def is_metadata(self, path: str) -> bool:
        """Tell whether the file is the metadata beside one that a record names."""
        if not _is_xml(path):
            return False
        stem = _METADATA_NAMED.sub("", path[: -len(".xml")])
        if stem.endswith("/"):
            return self._names_file_in(stem)
        row = self._listing.query(
            "SELECT 1 FROM named WHERE target_stem = ?1 OR (target = ?1 AND NOT is_folder)", stem
        ).fetchone()
        return row is not None

    def _names_file_in(self, folder: str) -> bool:
        """Tell whether a record names a file that lies in the folder itself."""
        rows = self._listing.query(
            "SELECT target FROM named WHERE target > ? AND target < ? AND NOT is_folder",
            folder, f"{folder[:-1]}0",
        )  # fmt: skip
        return any("/" not in target[len(folder) :] for (target,) in rows)


def _readings(layout: Layout, name: str, below: str | None) -> Iterator[str]:
    """Yield the paths that a name may mean, the plainest first; all are below 电子档案/."""
    folders = ["", f"{RECORDS}/"]
    if below:
        below = below.replace("\\", "/").removeprefix("./").strip("/")
        folders += [f"{below}/", f"{RECORDS}/{below}/"]
    written = [f"{folder}{name}" for folder in folders]
    if below and below.endswith(f"/{name}"):
        written += [below, f"{RECORDS}/{below}"]
    for path in written:
        whole = layout.prefix + path
        if whole.startswith(layout.records):
            yield whole


def _stem(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


def _path_stem(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{_stem(name)}"


def _is_xml(path: str) -> bool:
    return path.lower().endswith(".xml")
