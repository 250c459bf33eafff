"""Walk a sender's folder by descriptors, naming everything in it that may not be there.

Attack catalogue A3-A13, A36: links, devices, mounts, endless depth. Each folder is opened beneath
its parent, so a folder that is swapped for a link during the walk is refused and never followed.
Reads no file's content, and keeps only the open folders of one branch.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest_watch.findings import PackageChanged, PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.names import text_of
from ingest_watch.opening_rules import (
    DEPTH,
    LINK,
    MOUNT,
    NAME_TOO_LONG,
    SPECIAL,
    TOO_LARGE,
    TOO_MANY_FILES,
)
from ingest_watch.safe_open import FOLDER_FLAGS, open_beneath


@dataclass(frozen=True, slots=True)
class Found:
    """One file or folder, as the walk met it."""

    path: str  # relative to the package, escaped where it is not UTF-8
    raw_path: bytes | None  # only where `path` is escaped
    name: bytes
    is_folder: bool
    size_bytes: int
    stamp: str
    mode: int


Visit = Callable[[int, Found], None]


def stamp(status: os.stat_result) -> str:
    """Return what changes when a file changes: content, name, owner or identity (A32, A37)."""
    return (
        f"{status.st_ino}:{status.st_mode}:{status.st_size}"
        f":{status.st_mtime_ns}:{status.st_ctime_ns}"
    )


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """Open the package's own folder, which must not be a link."""
    try:
        descriptor = os.open(path, FOLDER_FLAGS)
    except NotADirectoryError:
        raise PackageRejected(LINK.found(path.name)) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class FolderWalk:
    """One walk over a folder. `visit` is called for each entry with its parent's descriptor.

    The parent comes before its children. Raises PackageRejected at the first entry that may not
    be there, and PackageChanged if an entry disappears between being named and being looked at.
    """

    def __init__(self, limits: IntakeLimits, visit: Visit) -> None:
        self._limits = limits
        self._visit = visit
        self._files = 0
        self._folders = 0
        self._content_bytes = 0

    def run(self, folder: int) -> None:
        """Walk everything below the open folder; its own descriptor stays the caller's."""
        # A descriptor of its own, because the position in a listing belongs to the open file.
        again = open_beneath(folder, b".", FOLDER_FLAGS)
        try:
            self._walk(again, "", b"", depth=1)
        finally:
            os.close(again)

    def _walk(self, folder: int, prefix: str, raw_prefix: bytes, depth: int) -> None:
        if depth > self._limits.depth_max:
            raise PackageRejected(
                DEPTH.found(prefix.rstrip("/")[-200:], limit=self._limits.depth_max)
            )
        with os.scandir(folder) as entries:
            for entry in entries:
                found = self._look_at(entry, prefix, raw_prefix)
                self._visit(folder, found)
                if found.is_folder:
                    self._enter(folder, found, raw_prefix + found.name + b"/", depth)

    def _enter(self, folder: int, found: Found, raw_prefix: bytes, depth: int) -> None:
        with reporting_swaps(found.path):
            child = open_beneath(folder, found.name, FOLDER_FLAGS)
        try:
            self._walk(child, found.path + "/", raw_prefix, depth + 1)
        finally:
            os.close(child)

    def _look_at(self, entry: os.DirEntry[str], prefix: str, raw_prefix: bytes) -> Found:
        name = os.fsencode(entry.name)
        path = prefix + text_of(name)
        raw_path = raw_prefix + name
        with reporting_swaps(path):
            status = entry.stat(follow_symlinks=False)
        self._refuse_kind(path, status.st_mode)
        self._count(path, status)
        return Found(
            path,
            raw_path if raw_path != path.encode() else None,
            name,
            stat.S_ISDIR(status.st_mode),
            status.st_size,
            stamp(status),
            status.st_mode,
        )

    def _refuse_kind(self, path: str, mode: int) -> None:
        if stat.S_ISLNK(mode):
            raise PackageRejected(LINK.found(path))
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise PackageRejected(SPECIAL.found(path))
        refuse_length(path, self._limits)

    def _count(self, path: str, status: os.stat_result) -> None:
        if stat.S_ISREG(status.st_mode):
            self._files += 1
            self._content_bytes += status.st_size
        else:
            self._folders += 1
        if max(self._files, self._folders) > self._limits.files_max:
            raise PackageRejected(TOO_MANY_FILES.found(limit=self._limits.files_max))
        if self._content_bytes > self._limits.content_bytes_max:
            raise PackageRejected(TOO_LARGE.found(path, limit=self._limits.content_bytes_max))


def refuse_length(path: str, limits: IntakeLimits) -> None:
    """Raise PackageRejected if the path or its last component is longer than what is kept."""
    component = path.rpartition("/")[2]
    if (
        len(component.encode()) > limits.component_bytes_max
        or len(path.encode()) > limits.path_bytes_max
    ):
        raise PackageRejected(
            NAME_TOO_LONG.found(
                path[-200:],
                component_limit=limits.component_bytes_max,
                path_limit=limits.path_bytes_max,
            )
        )


@contextmanager
def reporting_swaps(path: str) -> Iterator[None]:
    """Turn the errors of a name that was swapped under us into what they mean."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}:
            raise PackageChanged(f"{path} disappeared while the package was read") from error
        if error.errno == errno.ELOOP:
            raise PackageRejected(LINK.found(path)) from error
        if error.errno == errno.EXDEV:
            raise PackageRejected(MOUNT.found(path)) from error
        raise
