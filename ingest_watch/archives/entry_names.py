"""Decide under which path, if any, an archive's entry may be written.

Attack catalogue A1, A2, A13, A14, A20, A21. A name is taken as it is or refused; it is never
repaired, because then the sender's manifest and our files would speak of different names.
"""

import re
from dataclasses import dataclass

from ingest_watch.findings import PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.listing import Listing
from ingest_watch.names import text_of_path
from ingest_watch.opening_rules import (
    DEPTH,
    DUPLICATE,
    NAME_COLLISION,
    NAME_TOO_LONG,
    PATH_ABSOLUTE,
    PATH_TRAVERSAL,
    PATH_UNCLEAR,
    TOO_LARGE,
    TOO_MANY_FILES,
)

_DRIVE = re.compile(r"[A-Za-z]:")
_SEPARATORS = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class EntryName:
    """The name of one entry: as text, and as the bytes the archive holds."""

    path: str  # no leading "./", no trailing slash
    raw_path: bytes  # the same components, undecoded
    is_folder: bool  # the name ends with a slash


def entry_name(raw: bytes, text: str | None, limits: IntakeLimits) -> EntryName | None:
    """Judge the name `raw`, whose decoded form is `text` (None: not decodable, so escaped).

    Returns None for the archive's own root. Raises PackageRejected for a name that is refused.
    """
    whole = text if text is not None else text_of_path(raw)
    if "\0" in whole:
        raise PackageRejected(PATH_UNCLEAR.found(whole))
    if whole.startswith(("/", "\\")) or _DRIVE.match(whole):
        raise PackageRejected(PATH_ABSOLUTE.found(whole[-limits.path_bytes_max :]))
    if ".." in _SEPARATORS.split(whole):
        raise PackageRejected(PATH_TRAVERSAL.found(whole[-limits.path_bytes_max :]))
    is_folder = whole.endswith("/")
    components = whole.removesuffix("/").split("/")
    raw_components = raw.removesuffix(b"/").split(b"/")
    while components and components[0] == ".":
        del components[0], raw_components[0]
    if not components:
        return None
    if any(component in {"", "."} for component in components):
        raise PackageRejected(PATH_UNCLEAR.found(whole[-limits.path_bytes_max :]))
    _refuse_size(components, limits)
    return EntryName("/".join(components), b"/".join(raw_components), is_folder)


def _refuse_size(components: list[str], limits: IntakeLimits) -> None:
    path = "/".join(components)
    if len(components) > limits.depth_max:
        raise PackageRejected(DEPTH.found(path[-200:], limit=limits.depth_max))
    longest = max(len(component.encode()) for component in components)
    if longest > limits.component_bytes_max or len(path.encode()) > limits.path_bytes_max:
        raise PackageRejected(
            NAME_TOO_LONG.found(
                path[-200:],
                component_limit=limits.component_bytes_max,
                path_limit=limits.path_bytes_max,
            )
        )


class EntryRegister:
    """Names every entry of an archive in the listing, before anything is written."""

    def __init__(self, listing: Listing, limits: IntakeLimits) -> None:
        self._listing = listing
        self._limits = limits
        self._files = 0
        self._folders = 0
        self._declared_bytes = 0
        self._last_parent = ""

    def add(self, name: EntryName, size_bytes: int, *, is_folder: bool) -> None:
        """Record one entry and the folders it implies; raises PackageRejected."""
        parent, _, _ = name.path.rpartition("/")
        if parent and parent != self._last_parent:
            self._add_folders(parent, name.raw_path.rpartition(b"/")[0])
            self._last_parent = parent
        if is_folder:
            self._add_folder(name.path, name.raw_path)
        else:
            self._add_file(name, size_bytes)
        if max(self._files, self._folders) > self._limits.files_max:
            raise PackageRejected(TOO_MANY_FILES.found(limit=self._limits.files_max))

    def _add_file(self, name: EntryName, size_bytes: int) -> None:
        self._files += 1
        self._declared_bytes += size_bytes
        if self._declared_bytes > self._limits.content_bytes_max:
            raise PackageRejected(TOO_LARGE.found(limit=self._limits.content_bytes_max))
        row = self._listing.query("SELECT raw FROM file WHERE path = ?", name.path).fetchone()
        if row is not None:
            same = row[0] == _raw_if_other(name.path, name.raw_path)
            raise PackageRejected((DUPLICATE if same else NAME_COLLISION).found(name.path))
        raw = _raw_if_other(name.path, name.raw_path)
        self._listing.add_file(name.path, raw, size_bytes, stamp="")

    def _add_folders(self, path: str, raw_path: bytes) -> None:
        components, raw_components = path.split("/"), raw_path.split(b"/")
        for depth in range(1, len(components) + 1):
            self._add_folder("/".join(components[:depth]), b"/".join(raw_components[:depth]))

    def _add_folder(self, path: str, raw_path: bytes) -> None:
        raw = _raw_if_other(path, raw_path)
        row = self._listing.query("SELECT raw FROM folder WHERE path = ?", path).fetchone()
        if row is None:
            self._folders += 1
            self._listing.add_folder(path, raw)
        elif row[0] != raw:
            raise PackageRejected(NAME_COLLISION.found(path))


def _raw_if_other(path: str, raw_path: bytes) -> bytes | None:
    return None if raw_path == path.encode() else raw_path
