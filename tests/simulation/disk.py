"""A disk under a write-back cache: what processes see, and what a power cut leaves of it.

knowledge §0, M1 to M5: a write is in memory until a sync; names become durable apart from bytes; a
write-back error is told once and the pages are clean from then on, and lost. Rot, misdirected and
lost writes change the medium alone. Directories are there while anything is in them.
"""

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from types import TracebackType
from typing import Self


class Trouble(StrEnum):
    """What a disk is going to do at one of its next acts."""

    KILL = "the process is killed"
    POWER_CUT = "the power is cut"
    WRITE_ERROR = "a write fails (EIO)"
    FULL = "no space is left (ENOSPC)"
    WRITE_BACK_ERROR = "a write-back fails; the pages are clean and lost"
    LOST_WRITE = "a write is acknowledged and lost"
    MISDIRECTED = "a write goes to another place"


@dataclass(slots=True, eq=False)
class File:
    """One inode."""

    number: int
    cached: bytes | None = b""  # None: not in memory
    medium: bytes = b""
    is_dirty: bool = False

    @property
    def seen(self) -> bytes:
        """What a reader gets who does not care about the cache."""
        return self.medium if self.cached is None else self.cached


@dataclass(frozen=True, slots=True)
class Change:
    """One change of names that no sync has made durable."""

    kind: str  # create, rename, exchange, remove
    source: str
    target: str = ""
    file: File | None = None

    def apply(self, names: dict[str, File]) -> None:
        """Where what it needs is not there, it changes nothing."""
        match self.kind:
            case "create":
                assert self.file is not None
                names[self.source] = self.file
            case "rename":
                if next(_below(names, self.target), None) is None:
                    _put(names, self.target, _take(names, self.source))
            case "exchange":
                if not all(any(_below(names, each)) for each in (self.source, self.target)):
                    return
                one, other = _take(names, self.source), _take(names, self.target)
                _put(names, self.source, other)
                _put(names, self.target, one)
            case "remove":
                _take(names, self.source)


class StillCached(Exception):
    """A page that was not written back cannot be dropped (M4)."""


@dataclass(slots=True)
class Disk:
    """One disk; it outlives every process that uses it."""

    name: str
    chance: Random
    on_trouble: Callable[[Trouble], None]  # told of kills and power cuts; raises
    keeps: float = 0.5  # of what was not synced, a power cut keeps each with this chance
    names: dict[str, File] = field(default_factory=dict)
    durable: dict[str, File] = field(default_factory=dict)
    errors: int = 0  # write-back errors so far
    free_bytes: int = 1 << 40
    trouble: Trouble | None = None
    acts_left: int = 0
    is_fenced: bool = False  # the process that uses it is dead
    may_hit: Callable[[File], bool] = lambda _file: False  # of a misdirected write
    hit: Callable[[File], None] = lambda _file: None  # told of what one hit
    removed: Callable[[File], None] = lambda _file: None
    _pending: list[Change] = field(default_factory=list)
    _dirty: dict[int, File] = field(default_factory=dict)
    _number: int = 0

    # What processes do.

    def create(self, path: str, content: bytes) -> None:
        """A new file. Raises OSError."""
        self._act()
        if path in self.names:
            raise FileExistsError(errno.EEXIST, "exists", path)
        self._number += 1
        file = File(self._number)
        self._change(Change("create", path, file=file))
        self._write(file, content)

    def append(self, path: str, content: bytes) -> None:
        self._act()
        file = self.names[path]
        self._write(file, file.seen + content)

    def cut(self, path: str, length: int) -> None:
        """Truncate a file."""
        self._act()
        self._write(self.names[path], self.names[path].seen[:length])

    def rename(self, source: str, target: str) -> None:
        """renameat2 with RENAME_NOREPLACE."""
        self._act()
        if self.exists(target):
            raise FileExistsError(errno.EEXIST, "exists", target)
        if not self.exists(source):
            raise FileNotFoundError(errno.ENOENT, "is not there", source)
        self._change(Change("rename", source, target))

    def exchange(self, one: str, other: str) -> None:
        """renameat2 with RENAME_EXCHANGE."""
        self._act()
        self._change(Change("exchange", one, other))

    def remove(self, path: str) -> None:
        """A file, or a folder with everything in it."""
        if not self.exists(path):
            return
        self._act(writes=False)
        for name in list(self.below(path)):
            self.removed(self.names[name])
        self._change(Change("remove", path))

    def read(self, path: str) -> bytes:
        return self.names[path].seen

    def read_medium(self, path: str) -> bytes:
        """With the cache out of the way. Raises StillCached, OSError."""
        self._act(writes=False)
        file = self.names.get(path)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, "is not there", path)
        if file.is_dirty:
            raise StillCached(path)
        file.cached = None
        return file.medium

    def forget_clean(self, path: str) -> None:
        """Drop what is in memory and not waiting to be written."""
        if not self.names[path].is_dirty:
            self.names[path].cached = None

    def fsync(self, path: str) -> None:
        """Raises OSError once for what was lost; asked again it says that all is well."""
        self._act(writes=False)
        file = self.names[path]
        if self._is_due(Trouble.WRITE_BACK_ERROR) and file.is_dirty:
            self._lose(file)
            self.errors += 1
            raise OSError(errno.EIO, "fsync", path)
        self._write_back(file)

    def sync(self) -> None:
        """syncfs(2), as far as the disk has a part in it; errors are SyncDescriptor's to tell."""
        self._act(writes=False)
        dirty = list(self._dirty.values())
        if dirty and self._is_due(Trouble.WRITE_BACK_ERROR):
            self._write_back_fails(dirty)
        if dirty and self._is_due(Trouble.LOST_WRITE):
            self._lose(self.chance.choice(dirty))
        if dirty and self._is_due(Trouble.MISDIRECTED):
            self._misdirect(self.chance.choice(dirty))
        for file in list(self._dirty.values()):
            self._write_back(file)
        for change in self._pending:
            change.apply(self.durable)
        self._pending.clear()

    # What becomes of it.

    def exists(self, path: str) -> bool:
        return path in self.names or next(self.below(path), None) is not None

    def below(self, path: str) -> Iterator[str]:
        """The file of this name, or all files in the folder."""
        return _below(self.names, path)

    def prepare(self, trouble: Trouble, acts: int) -> None:
        """Have something happen at the n-th act from now."""
        self.trouble, self.acts_left = trouble, acts

    def cut_power(self) -> None:
        """Forget the cache; of what was not synced an arbitrary part is there."""
        for change in self._pending:
            if self.chance.random() < self.keeps:
                change.apply(self.durable)
        for file in self._dirty.values():
            if self.chance.random() < self.keeps:
                file.medium = self._torn(file)
        for file in [*self.names.values(), *self.durable.values()]:
            file.cached, file.is_dirty = None, False
        self._pending.clear()
        self._dirty.clear()
        self.names = dict(self.durable)
        self.trouble = None

    def _torn(self, file: File) -> bytes:
        """What was being written, sometimes a part of it; what was there before stays."""
        whole = file.seen
        before = len(file.medium) if whole.startswith(file.medium) else 0
        torn = self.chance.random() < 0.2
        return whole[: self.chance.randint(before, len(whole))] if torn else whole

    def rot(self, file: File) -> None:
        """Change a byte of the medium, or lose it all."""
        content = bytearray(file.medium)
        if content and self.chance.random() < 0.7:
            content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
        else:
            del content[self.chance.randrange(len(content) + 1) :]
        file.medium = bytes(content) if bytes(content) != file.medium else file.medium + b"\0"
        file.cached = None

    def wipe(self) -> None:
        """Another disk, empty, in the place of this one."""
        self.names, self.durable = {}, {}
        self._pending.clear()
        self._dirty.clear()
        self.trouble = None

    def _act(self, *, writes: bool = True) -> None:
        if self.is_fenced:
            self.on_trouble(Trouble.KILL)
        if self.trouble is None:
            return
        self.acts_left -= 1
        if self.acts_left > 0:
            return
        trouble = self.trouble
        if trouble in (Trouble.KILL, Trouble.POWER_CUT):
            self.trouble = None
            self.on_trouble(trouble)
        if writes and trouble is Trouble.WRITE_ERROR:
            self.trouble = None
            raise OSError(errno.EIO, "the disk failed")
        if writes and trouble is Trouble.FULL:
            self.trouble = None
            raise OSError(errno.ENOSPC, "no space left")

    def _is_due(self, trouble: Trouble) -> bool:
        due = self.trouble is trouble and self.acts_left <= 0
        if due:
            self.trouble = None
        return due

    def _change(self, change: Change) -> None:
        change.apply(self.names)
        self._pending.append(change)

    def _write(self, file: File, content: bytes) -> None:
        file.cached, file.is_dirty = content, True
        self._dirty[file.number] = file

    def _write_back(self, file: File) -> None:
        if file.is_dirty:
            file.medium = file.seen
            self._lose(file)

    def _lose(self, file: File) -> None:
        """Its pages are clean, whatever the medium has."""
        file.is_dirty = False
        self._dirty.pop(file.number, None)

    def _write_back_fails(self, dirty: list[File]) -> None:
        """Of bytes. Where names fail, a file system turns read-only, which nobody overlooks."""
        self.errors += 1
        for file in dirty:
            if self.chance.random() < 0.5:
                self._lose(file)

    def _misdirect(self, file: File) -> None:
        candidates = {each.number: each for each in self.durable.values() if self.may_hit(each)}
        self._lose(file)
        if candidates:
            victim = candidates[self.chance.choice(sorted(candidates))]
            self.hit(victim)
            victim.medium, victim.cached = file.seen, None


class SimulatedSync:
    """One syncfs(2) on a descriptor opened before the writes it answers for."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._errors = disk.errors

    def ask(self) -> None:
        """Raises OSError if a write since the opening was lost."""
        self._disk.sync()
        if self._disk.errors > self._errors:
            self._errors = self._disk.errors
            raise OSError(errno.EIO, "syncfs")

    def close(self) -> None:
        """There is nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class DiskPath:
    """As much of pathlib.Path as the volume's deciding parts ask of a path."""

    __slots__ = ("disk", "text")

    def __init__(self, disk: Disk, text: str) -> None:
        self.disk = disk
        self.text = text

    def __truediv__(self, name: str) -> "DiskPath":
        return DiskPath(self.disk, f"{self.text}/{name}" if self.text else name)

    def __str__(self) -> str:
        return self.text

    def __lt__(self, other: "DiskPath") -> bool:
        return self.text < other.text

    @property
    def parent(self) -> "DiskPath":
        return DiskPath(self.disk, self.text.rpartition("/")[0])

    @property
    def name(self) -> str:
        return self.text.rpartition("/")[2]

    def exists(self) -> bool:
        return self.disk.exists(self.text)

    def is_dir(self) -> bool:
        return self.text not in self.disk.names and self.exists()

    def is_file(self) -> bool:
        return self.text in self.disk.names

    def is_symlink(self) -> bool:
        return False

    def iterdir(self) -> Iterator["DiskPath"]:
        start = len(self.text) + 1
        names = {name[start:].partition("/")[0] for name in self.disk.below(self.text)}
        return (self / name for name in sorted(names))

    def read_bytes(self) -> bytes:
        if not self.is_file():
            raise FileNotFoundError(errno.ENOENT, "is not there", self.text)
        return self.disk.read(self.text)

    def unlink(self, *, missing_ok: bool = False) -> None:
        if missing_ok or self.is_file():
            self.disk.remove(self.text)

    def mkdir(self, **_how: object) -> None:
        """Folders are there while anything is in them."""

    def relative_to(self, other: "DiskPath") -> str:
        assert self.text.startswith(f"{other.text}/") or not other.text
        return self.text[len(other.text) :].lstrip("/")


def _below(names: dict[str, File], path: str) -> Iterator[str]:
    folder = f"{path}/"
    return (name for name in names if name == path or name.startswith(folder))


def _take(names: dict[str, File], path: str) -> dict[str, File]:
    """Everything under the path, by what follows it."""
    return {name[len(path) :]: names.pop(name) for name in list(_below(names, path))}


def _put(names: dict[str, File], path: str, files: dict[str, File]) -> None:
    for rest, file in files.items():
        names[path + rest] = file
