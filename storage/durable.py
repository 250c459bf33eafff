"""Writing so that it is still there after the power was cut.

The order of calls is that of docs/formats/volume.md: bytes, fsync, rename, fsync of the folder. An
fsync that failed is never tried again: the kernel reports a lost write once and then forgets it,
so OSError always passes to the caller, who condemns what was written. Reading back is
storage.medium's affair.
"""

import ctypes
import hashlib
import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.crash_point import crash_point

_libc = ctypes.CDLL(None, use_errno=True)

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError: that names may be lost is fatal."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_ancestors(folder: Path) -> None:
    """Make `folder` and every folder on the way to it durable, as far as its file system reaches.

    Whoever made one of them may not have synced it. One that we may not read was not made by us.
    """
    device = folder.stat().st_dev
    for each in (folder, *folder.parents):
        if each.stat().st_dev != device:
            return
        with suppress(PermissionError):
            fsync_folder(each)


def fsync_file(path: Path) -> None:
    """Make the bytes of `path` durable; only for a file that this process has just written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole_file(
    target: Path, content: bytes, *, mode: int = 0o440, replace: bool = True
) -> None:
    """Put `content` under the name `target`, whole or not at all, and durably.

    With `replace=False` an existing file raises FileExistsError. After any error no temporary
    file is left, and what stood under the name before still does.
    """
    # Never made of the target's name: that may itself be as long as a name can be.
    temporary = target.with_name(f".{secrets.token_hex(16)}.tmp")
    try:
        _write_new_file(temporary, content, mode)
        if replace:
            temporary.replace(target)
        else:
            rename_noreplace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    fsync_folder(target.parent)


def write_whole_files(folder: Path, contents: Mapping[str, bytes], *, mode: int = 0o440) -> None:
    """`write_whole_file` for many names of one folder; returns when all of them are durable.

    The disk is set to work on every file before the first is waited for, so that one commit of
    its journal serves many. After an error some may stand under their names: write all again.
    A name has the same temporary one each time, so that what a crash left of it goes then.
    """
    temporaries: list[Path] = []
    try:
        with ExitStack() as stack:
            descriptors: list[int] = []
            for name, content in contents.items():
                temporaries.append(folder / _temporary_of(name))
                temporaries[-1].unlink(missing_ok=True)
                descriptors.append(os.open(temporaries[-1], _NEW_FILE, 0o600))
                stack.callback(os.close, descriptors[-1])
                write_all(descriptors[-1], content, 0)
                os.fchmod(descriptors[-1], mode)
                # What is dirty cannot be dropped: the kernel only begins to write it.
                os.posix_fadvise(descriptors[-1], 0, 0, os.POSIX_FADV_DONTNEED)
            for descriptor in descriptors:
                os.fsync(descriptor)
        crash_point("durable.written")
        for temporary, name in zip(temporaries, contents, strict=True):
            temporary.replace(folder / name)
            crash_point("durable.named")
    except BaseException:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)
        raise
    fsync_folder(folder)


def write_all(descriptor: int, content: bytes | bytearray | memoryview, offset: int) -> None:
    """Write every byte of `content` at `offset`: the kernel may take fewer at a time."""
    view = memoryview(content)
    while len(view) > 0:
        written_bytes = os.pwrite(descriptor, view, offset)
        view = view[written_bytes:]
        offset += written_bytes


def rename_noreplace(source: Path, target: Path) -> None:
    """Rename within one file system; raises FileExistsError if `target` is there.

    renameat2(2) with RENAME_NOREPLACE. The caller syncs both folders.
    """
    result = _libc.renameat2(
        _AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE
    )
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


class SyncFailedError(OSError):
    """syncfs reported that a write was lost: of no matter what error, never to be tried again."""


class SyncDescriptor:
    """One syncfs(2) on a descriptor that was opened before the writes it answers for.

    Every open descriptor hears of a write-back error once, and one opened later hears nothing. So
    it is opened before the first write, asked exactly once, shared with nobody, and closed.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._asked = False

    def ask(self) -> None:
        """Write back the whole file system and close.

        Raises SyncFailedError if any write since the opening was lost: then everything that was
        open on this file system is condemned.
        """
        assert not self._asked, "a sync descriptor answers once"
        assert self._descriptor >= 0, "the sync descriptor is closed"
        self._asked = True
        try:
            if _libc.syncfs(self._descriptor) != 0:
                number = ctypes.get_errno()
                raise SyncFailedError(number, f"syncfs: {os.strerror(number)}")
        finally:
            self.close()

    def close(self) -> None:
        """Give the descriptor back; may be called again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _temporary_of(name: str) -> str:
    """Never longer than a name can be, however long `name` is."""
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.tmp"


def _write_new_file(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, _NEW_FILE, 0o600)
    try:
        write_all(descriptor, content, 0)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
