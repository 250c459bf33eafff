"""The mount itself: what the kernel asks, answered from the tree. The only importer of pyfuse3.

FUSE's low-level operations (libfuse 3, pyfuse3 in asyncio mode), read-only. Every failure becomes
an error number here, and damage is EIO, never "no such file". Whatever a handler raises must end in
a reply: one that the kernel never gets leaves the reader hanging for ever. Where and with which
options to mount is mount.py's affair.
"""

import asyncio
import contextlib
import errno
import functools
import os
import stat
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NoReturn, ParamSpec, TypeVar

import pyfuse3
import pyfuse3.asyncio

from monitoring.log import get_log
from storage.errors import LantaiError, VerificationFailed
from storage.view.names import NAME_BYTES_MAX
from storage.view.reader import CopiesUnreachable, ViewFile
from storage.view.tree import InodesExhausted, InodeTable, StaleInode
from storage.view.walk import Entry, Walker

log = get_log(__name__)

# What a path names never changes, except that more packages and versions come, and those are new
# names. Long, but bounded, so that a rebuilt catalogue shows without a new mount.
_KERNEL_CACHE_S = 300
_FOLDER_MODE = stat.S_IFDIR | 0o555
_FILE_MODE = stat.S_IFREG | 0o444
_BLOCK_BYTES = 4096
# Requests answered at once; each costs a buffer of up to 1 MiB.
_REQUESTS_MAX = 64

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _tell(error: Exception, operation: str) -> int:
    """Write down why `operation` fails, and say what the reader's system call fails with."""
    match error:
        case VerificationFailed():
            log.error("view.read.damaged", operation=operation, message=str(error))
        case CopiesUnreachable():
            log.warning("view.read.unreachable", operation=operation, message=str(error))
        case StaleInode():
            return errno.ESTALE
        case LantaiError() | OSError():
            log.error("view.read.failed", operation=operation, message=str(error))
        case _:
            log.error("view.read.bug", operation=operation, exc_info=error)
    return errno.ENFILE if isinstance(error, InodesExhausted) else errno.EIO


def _answered(
    handler: Callable[_P, Coroutine[Any, Any, _R]],
) -> Callable[_P, Coroutine[Any, Any, _R]]:
    """Turn whatever `handler` raises into an error number."""

    @functools.wraps(handler)
    async def answer(*arguments: _P.args, **options: _P.kwargs) -> _R:
        try:
            return await handler(*arguments, **options)
        except pyfuse3.FUSEError:
            raise
        except Exception as error:  # top of this part: whatever it is, the kernel gets a reply
            raise pyfuse3.FUSEError(_tell(error, handler.__name__)) from error

    return answer


async def _refuse_to_write(*_arguments: object) -> NoReturn:
    raise pyfuse3.FUSEError(errno.EROFS)


@dataclass(slots=True)
class _OpenFolder:
    """A folder being listed. The kernel mostly goes on where it stopped: then so does `entries`."""

    inode: int
    entries: AsyncIterator[Entry] | None = None
    pending: Entry | None = None  # taken from `entries`, but did not fit the last reply
    cookie: int = 0  # of the last entry that was given out
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ReadOnlyTree(pyfuse3.Operations):
    """The operations of the mount over a `Walker`."""

    def __init__(self, walker: Walker, started_ns: int) -> None:
        """`started_ns` is the date of folders that have none of their own."""
        super().__init__()
        self._walker = walker
        self._started_ns = started_ns
        self._inodes = InodeTable()
        self._handles = count(1)
        self._folders: dict[int, _OpenFolder] = {}
        self._files: dict[int, ViewFile] = {}
        self._owner = (os.getuid(), os.getgid())

    # The kernel refuses most of these itself, since the mount is `ro`; a remount could lift that.
    # They take what each of the operations takes, which no one type says.
    mknod = mkdir = symlink = link = create = _refuse_to_write  # type: ignore[assignment]
    unlink = rmdir = rename = setattr = _refuse_to_write  # type: ignore[assignment]
    write = setxattr = removexattr = _refuse_to_write  # type: ignore[assignment]

    @_answered
    async def lookup(
        self, parent_inode: int, name: bytes, _ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        entry = await self._walker.lookup(self._inodes.position(parent_inode), name)
        if entry is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        attributes = self._attributes(entry)
        self._inodes.remember(entry.position)
        return attributes

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        for inode, lookups in inode_list:
            self._inodes.forget(inode, lookups)

    @_answered
    async def getattr(self, inode: int, _ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._attributes(await self._walker.entry(self._inodes.position(inode)))

    @_answered
    async def opendir(self, inode: int, _ctx: pyfuse3.RequestContext) -> int:
        handle = next(self._handles)
        self._folders[handle] = _OpenFolder(inode)
        return handle

    @_answered
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        folder = self._folders[fh]
        async with folder.lock:
            entries, folder.entries = folder.entries, None
            if entries is None or folder.cookie != start_id:
                entries = self._walker.entries(self._inodes.position(folder.inode), start_id)
                folder.pending = None
            told = await self._tell_entries(folder, entries, token)
            # Only now: after an error the kernel has seen none of them, and nothing goes on.
            for entry in told:
                self._inodes.remember(entry.position)
            folder.cookie = told[-1].cookie if told else start_id
            folder.entries = entries

    async def _tell_entries(
        self, folder: _OpenFolder, entries: AsyncIterator[Entry], token: pyfuse3.ReaddirToken
    ) -> list[Entry]:
        """As many entries as fit this reply; the one that did not is left in `folder.pending`."""
        told: list[Entry] = []
        while (entry := folder.pending or await anext(entries, None)) is not None:
            folder.pending = None
            if not pyfuse3.readdir_reply(token, entry.name, self._attributes(entry), entry.cookie):
                folder.pending = entry
                break
            told.append(entry)
        return told

    @_answered
    async def releasedir(self, fh: int) -> None:
        del self._folders[fh]

    @_answered
    async def open(self, inode: int, flags: int, _ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            raise pyfuse3.FUSEError(errno.EROFS)
        file = await self._walker.file(self._inodes.position(inode))
        if file is None:
            raise pyfuse3.FUSEError(errno.EISDIR)
        handle = next(self._handles)
        self._files[handle] = file
        # The bytes behind an inode never change, so what the kernel has cached stays right.
        return pyfuse3.FileInfo(fh=handle, keep_cache=True)

    @_answered
    async def read(self, fh: int, off: int, size: int) -> bytes:
        file = self._files[fh]
        length = min(size, file.entry.size_bytes - off)
        if length <= 0:
            return b""
        return await self._walker.read(file, off, length)

    @_answered
    async def release(self, fh: int) -> None:
        del self._files[fh]

    async def flush(self, fh: int) -> None:
        """Nothing was written, so nothing is to be flushed."""

    @_answered
    async def statfs(self, _ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        totals = await self._walker.totals()
        data = pyfuse3.StatvfsData()
        data.f_bsize = data.f_frsize = _BLOCK_BYTES
        data.f_blocks = -(-totals.content_bytes // _BLOCK_BYTES)
        data.f_bfree = data.f_bavail = 0
        data.f_files = totals.packages
        data.f_ffree = data.f_favail = 0
        data.f_namemax = NAME_BYTES_MAX
        return data

    def _attributes(self, entry: Entry) -> pyfuse3.EntryAttributes:
        attributes = pyfuse3.EntryAttributes()
        attributes.st_ino = self._inodes.number(entry.position)
        attributes.entry_timeout = attributes.attr_timeout = _KERNEL_CACHE_S
        attributes.st_uid, attributes.st_gid = self._owner
        # One link for folders says "not counted" to find(1); two would say "no folders in it".
        attributes.st_nlink = 1
        attributes.st_mode = _FOLDER_MODE if entry.file is None else _FILE_MODE
        attributes.st_size = 0 if entry.file is None else entry.file.size_bytes
        attributes.st_blksize = _BLOCK_BYTES
        attributes.st_blocks = -(-attributes.st_size // 512)
        date_ns = self._started_ns if entry.modified_ns is None else entry.modified_ns
        attributes.st_atime_ns = attributes.st_mtime_ns = attributes.st_ctime_ns = date_ns
        return attributes


@dataclass(frozen=True, slots=True)
class Session:
    """Where to mount and how."""

    target: str  # a folder, or `/dev/fd/N` for a descriptor that is mounted already
    options: frozenset[str]
    unmount: bool  # at the end; False if that is somebody else's task


async def serve(
    tree: ReadOnlyTree, session: Session, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Mount `tree`, call `ready`, and answer until `stop` is set or somebody unmounts.

    One at a time in a process: pyfuse3 keeps its session in module globals. Requests under way are
    answered before it returns, also if it is cancelled. Raises RuntimeError if libfuse refuses.
    """
    pyfuse3.asyncio.enable()
    pyfuse3.init(tree, session.target, set(session.options))
    answering = asyncio.create_task(pyfuse3.main(max_tasks=_REQUESTS_MAX), name="fuse-session")
    ending = asyncio.create_task(_end_when(stop), name="fuse-stop")
    try:
        ready()
        # Its workers must never outlive the session: they would read what close() has freed.
        await asyncio.shield(answering)
    except asyncio.CancelledError:
        stop.set()
        await answering
        raise
    finally:
        ending.cancel()
        pyfuse3.close(unmount=session.unmount)


async def _end_when(stop: asyncio.Event) -> None:
    """Make the session end as soon as `stop` is set."""
    await stop.wait()
    while True:
        # terminate() wakes the task that waits for the kernel, and fails if that is just awake.
        with contextlib.suppress(asyncio.InvalidStateError):
            return pyfuse3.terminate()
        await asyncio.sleep(0)
