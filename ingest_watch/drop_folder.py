"""Look at a whole drop folder, and move originals out of it once they are stored.

DESIGN.md §4 (settle); attack catalogue A32–A36. A scan reads names and attributes, never content;
it opens every folder beneath the one above, follows no link and crosses no mount. Memory is flat:
an entry with a million files leaves one digest. Deciding is settle.py's affair.
"""

import errno
import os
import stat
from collections.abc import Container, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from ingest_watch.folder_identity import first_seen_identity, identity_of
from ingest_watch.safe_open import FOLDER_FLAGS, open_beneath
from ingest_watch.settle import Observation, Scan, SettleRule, Unavailable
from ingest_watch.temporary_names import is_being_written, is_never_a_package
from storage.crash_point import crash_point
from storage.durable import fsync_folder, rename_noreplace

# More than the largest package that is accepted: what is beyond is rejected after staging anyway.
_ENTRIES_MAX = 1_200_000
_DEPTH_MAX = 128
_CLASHES_MAX = 10_000

# A folder or file that went away while being looked at: the entry is still changing.
_VANISHED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class FolderAway(OSError):
    """The drop folder is not there, or another one is in its place. Says nothing of its entries."""


class DropFolder:
    """One source's drop folder, with the identity it had when it was first seen."""

    def __init__(self, folder: Path, state_file: Path, rule: SettleRule) -> None:
        self.folder = folder
        self.rule = rule
        self.state_file = state_file

    def scan(self, skip: Container[bytes] = ()) -> Scan | Unavailable:
        """Look at every entry but those to `skip`, which are only named. Blocks; call in a thread.

        Unavailable if the folder is not there, cannot be read, or is not the one first seen.
        """
        try:
            with self._opened() as descriptor:
                return self._scan(descriptor, skip)
        except FolderAway as away:
            return Unavailable(str(away))
        except OSError as error:
            return Unavailable(f"{self.folder} cannot be read: {error.strerror}")

    def fingerprint(self, name: bytes) -> str | None:
        """The fingerprint that a scan would give the entry now; None when it is not there.

        An entry that changes meanwhile has one that no scan ever gave. Raises OSError, FolderAway
        among them: what is missing from a folder that is away has not gone.
        """
        with self._opened() as descriptor:
            return _present_fingerprint(descriptor, name)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder, open, and known to be the right one."""
        try:
            descriptor = os.open(self.folder, FOLDER_FLAGS)
        except OSError as error:
            raise FolderAway(f"{self.folder} cannot be opened: {error.strerror}") from error
        try:
            self._expect_known(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _expect_known(self, descriptor: int) -> None:
        present = identity_of(descriptor)
        try:
            known = first_seen_identity(self.state_file, present)
        except ValueError as error:
            raise FolderAway(
                f"{error}; restore it, or delete it if {self.folder} is right"
            ) from error
        if not known.is_same(present):
            raise FolderAway(
                f"{self.folder} is not the folder that it was: is its share mounted? "
                f"If it was replaced on purpose, delete {self.state_file}"
            )

    def _scan(self, descriptor: int, skip: Container[bytes]) -> Scan:
        with os.scandir(descriptor) as entries:
            names = {os.fsencode(entry.name) for entry in entries}
        observations: dict[bytes, Observation] = {}
        skipped: set[bytes] = set()
        for name in sorted(names - self._markers(names)):
            if is_never_a_package(name):
                continue
            if name in skip:
                skipped.add(name)
                continue
            seen = self._observe(descriptor, name, names)
            if seen is not None:
                observations[name] = seen
        return Scan(observations, frozenset(skipped))

    def _markers(self, names: set[bytes]) -> set[bytes]:
        """Done-markers beside packages, and those whose package is not there (yet, or any more)."""
        suffix = self.rule.marker_beside(b"")
        if suffix is None:
            return set()
        return {name for name in names if name.endswith(suffix) and name != suffix}

    def _observe(self, folder: int, name: bytes, names: set[bytes]) -> Observation | None:
        try:
            walk = _EntryWalk(self.rule.marker)
            walk.run(folder, name)
        except OSError as error:
            return _unobserved(folder, name, error)
        marker = self.rule.marker_beside(name)
        return Observation(
            name,
            walk.is_folder,
            walk.fingerprint(),
            walk.file_count,
            walk.content_bytes,
            has_marker=walk.has_marker if marker is None else marker in names,
            has_unfinished_files=walk.has_unfinished_files,
        )


def _unobserved(folder: int, name: bytes, error: OSError) -> Observation | None:
    """What to say of an entry that could not be looked at; None when it is not there any more."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if error.errno not in _VANISHED | {errno.EACCES, errno.EPERM}:
        raise error  # the share itself is in trouble, so nothing can be said of any entry
    trouble = "" if error.errno in _VANISHED else error.strerror or "unreadable"
    return Observation(name, stat.S_ISDIR(status.st_mode), None, trouble=trouble)


class _EntryWalk:
    """Names, kinds, sizes, times and inodes of one entry, folded into one number.

    Not the device's own number: a share that was mounted anew has another (stat(2)), and what was
    answered would pass for something new.

    The order of a folder's listing is nobody's promise, so the digests of all entries are added
    up (mod 2^256); only one branch of open folders is kept.
    """

    def __init__(self, marker: bytes) -> None:
        self._marker = marker
        self._sum = 0
        self._entries = 0
        self._device = 0
        self.is_folder = False
        self.file_count = 0
        self.content_bytes = 0
        self.has_marker = False
        self.has_unfinished_files = False

    def run(self, folder: int, name: bytes) -> None:
        """Look at the entry `name` of the open `folder`. Raises OSError."""
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        self._device = status.st_dev
        self.is_folder = stat.S_ISDIR(status.st_mode)
        self._fold(name, status)
        if self.is_folder:
            self._enter(folder, name, name, 1)

    def fingerprint(self) -> str:
        """Different whenever anything in the entry is."""
        sums = f"{self._entries}:{self.file_count}:{self.content_bytes}:{self._sum}"
        return blake2b(sums.encode(), digest_size=32).hexdigest()

    def _enter(self, parent: int, name: bytes, path: bytes, depth: int) -> None:
        try:
            folder = open_beneath(parent, name, FOLDER_FLAGS)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return  # another file system: staging refuses the package
            raise
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._look_at(folder, entry, path, depth)
        finally:
            os.close(folder)

    def _look_at(self, folder: int, entry: os.DirEntry[str], prefix: bytes, depth: int) -> None:
        if self._entries >= _ENTRIES_MAX:
            return
        name = os.fsencode(entry.name)
        status = entry.stat(follow_symlinks=False)
        path = prefix + b"/" + name
        self._fold(path, status)
        self.has_unfinished_files |= is_being_written(name)
        self.has_marker |= depth == 1 and name == self._marker and stat.S_ISREG(status.st_mode)
        if stat.S_ISDIR(status.st_mode) and depth < _DEPTH_MAX:
            self._enter(folder, name, path, depth + 1)

    def _fold(self, path: bytes, status: os.stat_result) -> None:
        attributes = (
            f"\0{status.st_mode}:{status.st_size}:{status.st_mtime_ns}"
            f":{status.st_ctime_ns}:{status.st_ino}:{status.st_dev == self._device}"
        )
        digest = blake2b(path + attributes.encode(), digest_size=32).digest()
        self._sum = (self._sum + int.from_bytes(digest)) % (1 << 256)
        self._entries += 1
        if not stat.S_ISDIR(status.st_mode):
            self.file_count += 1
            self.content_bytes += status.st_size


def _present_fingerprint(folder: int, name: bytes) -> str | None:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    walk = _EntryWalk(b"")
    try:
        walk.run(folder, name)
    except OSError as error:
        if error.errno not in _VANISHED:
            raise
        return "changing"
    return walk.fingerprint()


def move_aside(folder: Path, name: bytes, target: Path, marker: bytes | None = None) -> Path | None:
    """Move the entry `name` of a drop folder into `target` by rename; return where it lies now.

    Call only after the final answer lies in the return folder. Idempotent: None if it has gone.
    The done-marker goes first, or it would declare the next entry of this name whole. A name that
    is taken in `target` gets `.2`, `.3`, …: nothing is ever overwritten. Raises OSError (EXDEV if
    `target` is on another file system: then the original stays where it is).
    """
    if marker is not None:
        _rename_into(folder, marker, target)
        crash_point("delivery.marker-moved")
    moved = _rename_into(folder, name, target)
    fsync_folder(target)
    fsync_folder(folder)
    return moved


def _rename_into(folder: Path, name: bytes, target: Path) -> Path | None:
    source = folder / os.fsdecode(name)
    for number in range(1, _CLASHES_MAX):
        free = target / os.fsdecode(name if number == 1 else name + b".%d" % number)
        try:
            _rename_without_overwriting(source, free)
        except FileExistsError:
            continue
        except FileNotFoundError:
            if not target.is_dir():
                raise
            return None
        return free
    raise FileExistsError(errno.EEXIST, f"{_CLASHES_MAX} originals of one name", os.fspath(target))


def _rename_without_overwriting(source: Path, target: Path) -> None:
    try:
        rename_noreplace(source, target)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # NFS and SMB know no such flag. Only this process writes into `target`.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        source.rename(target)
