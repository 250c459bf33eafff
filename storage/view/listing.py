"""A version's file list as a tree of folders, without ever holding the list in memory.

docs/formats/package.md ("The file list", "Names"). The list is sorted by the bytes of its paths, so
a folder is a range of lines and a look-up is a binary search over the text itself: a mapped file
of a million lines costs no more memory than one of eight. A line's byte offset never changes, so it
serves as inode number and folder cookie. Reads no file: the caller brings bytes that are verified.
"""

import base64
import binascii
import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from storage.errors import VerificationFailed
from storage.file_list import path_flaw
from storage.model import FileEntry

Buffer = bytes | mmap.mmap

# "0" follows "/" in ASCII: `path + AFTER_FOLDER` sorts after everything below the folder `path`.
AFTER_FOLDER = b"0"


class _FileLine(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    size_bytes: int
    sha256: str
    block_root: str | None


class _NameLine(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    raw_base64: str
    encoding: str | None = None


class _PathOnly(msgspec.Struct):
    path: str


_file_line = msgspec.json.Decoder(_FileLine)
_name_line = msgspec.json.Decoder(_NameLine)
_path_only = msgspec.json.Decoder(_PathOnly)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file, and the offset of its line."""

    entry: FileEntry
    offset: int

    @property
    def path(self) -> str:
        return self.entry.path


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """A folder, and the offset of the first line below it."""

    path: str
    offset: int


Listed = ListedFile | ListedFolder


@dataclass(frozen=True, slots=True)
class Child:
    """One entry of a folder. `cookie` (> 0) is where the listing goes on after it."""

    listed: Listed
    cookie: int

    @property
    def name(self) -> str:
        return self.listed.path.rpartition("/")[2]


class _SortedLines:
    """JSON Lines, each with a `path`, sorted by its UTF-8 bytes. Offsets are of line starts."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._size_bytes = len(buffer)

    @property
    def empty(self) -> bool:
        return self._size_bytes == 0

    @property
    def buffer(self) -> Buffer:
        """The bytes themselves."""
        return self._buffer

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def check(self) -> None:
        """Read every line once. Raises VerificationFailed if the list is not sorted or not a list.

        A list that is not sorted would make files that are there look absent.
        """
        previous = b""
        offset = 0
        while offset < self._size_bytes:
            line, following = self._line(offset)
            path = self._path(line)
            if path <= previous:
                raise VerificationFailed(
                    f"the file list is not sorted at byte {offset}; the object was written wrongly"
                )
            self._check_line(line)
            previous, offset = path, following

    def _check_line(self, line: bytes) -> None:
        """Raises VerificationFailed if `line` is not what this list is made of."""

    def _line(self, offset: int) -> tuple[bytes, int]:
        """The line at `offset` without its end, and the offset of the next."""
        end = self._buffer.find(b"\n", offset)
        if end < 0:
            raise VerificationFailed("the file list ends within a line")
        return self._buffer[offset:end], end + 1

    def _path(self, line: bytes) -> bytes:
        try:
            return _path_only.decode(line).path.encode()
        except msgspec.MsgspecError as error:
            raise VerificationFailed(f"a line of the file list cannot be read: {error}") from error

    def _first_at_or_after(self, path: bytes, low: int = 0) -> int:
        """Offset of the first line whose path is not less than `path`; the size if there is none.

        `low` is a line start at or before the answer.
        """
        high = self._size_bytes
        while low < high:
            middle = (low + high) // 2
            start = max(self._buffer.rfind(b"\n", low, middle) + 1, low)
            line, following = self._line(start)
            if self._path(line) < path:
                low = following
            else:
                high = start
        return low


def _decode_entry(line: bytes) -> FileEntry:
    try:
        decoded = _file_line.decode(line)
    except msgspec.MsgspecError as error:
        raise VerificationFailed(f"a line of the file list cannot be read: {error}") from error
    return FileEntry(decoded.path, decoded.size_bytes, decoded.sha256, decoded.block_root)


class FileListing(_SortedLines):
    """The files of one version. Folders are not in the list: they are what the paths imply."""

    def at(self, offset: int, depth: int) -> Listed:
        """What the first `depth` names of the path at `offset` lead to."""
        entry, _ = self._entry(offset)
        names = entry.path.split("/")
        if len(names) == depth:
            return ListedFile(entry, offset)
        return ListedFolder("/".join(names[:depth]), offset)

    def find(self, path: str) -> Listed | None:
        """The file or folder of exactly this path."""
        wanted = path.encode()
        offset = self._first_at_or_after(wanted)
        if offset < self._size_bytes:
            entry, _ = self._entry(offset)
            if entry.path == path:
                return ListedFile(entry, offset)
        offset = self._first_at_or_after(wanted + b"/", offset)
        if offset < self._size_bytes and self._entry(offset)[0].path.startswith(path + "/"):
            return ListedFolder(path, offset)
        return None

    def children(self, folder: str, start: int = 0) -> Iterator[Child]:
        """The entries of `folder` in order, from the cookie `start` on; 0 is the beginning.

        Lazy: a folder of a million files costs what is taken from it. A cookie that is no line
        start of this folder raises VerificationFailed or ends the listing.
        """
        below = folder + "/"
        offset = start or self._first_at_or_after(below.encode())
        while offset < self._size_bytes:
            entry, following = self._entry(offset)
            if not entry.path.startswith(below):
                return
            name, slash, _ = entry.path[len(below) :].partition("/")
            listed: Listed = ListedFile(entry, offset)
            if slash:
                path = below + name
                listed = ListedFolder(path, offset)
                following = self._first_at_or_after(path.encode() + AFTER_FOLDER, following)
            yield Child(listed, following)
            offset = following

    def entries_after(self, path: str) -> Iterator[FileEntry]:
        """Every file whose path is greater than `path`, in order. Lazy."""
        offset = self._first_at_or_after(path.encode() + b"\0")
        while offset < self._size_bytes:
            entry, offset = self._entry(offset)
            yield entry

    def _check_line(self, line: bytes) -> None:
        entry = _decode_entry(line)
        flaw = path_flaw(entry.path)
        if flaw is not None:
            raise VerificationFailed(f"in the file list, the path {entry.path!r} {flaw}")

    def _entry(self, offset: int) -> tuple[FileEntry, int]:
        line, following = self._line(offset)
        return _decode_entry(line), following


class NameListing(_SortedLines):
    """`lantai/names.jsonl`: which stored paths stand for names that are not UTF-8."""

    def raw_name(self, path: str) -> bytes:
        """The sender's bytes for the last name of `path`, a file's or a folder's."""
        as_stored = path.rpartition("/")[2].encode()
        if self.empty:
            return as_stored
        line = self._line_of(path) or self._line_of(path, below=True)
        if line is None:
            return as_stored
        try:
            name = _name_line.decode(line)
            if name.encoding is not None:
                return as_stored  # read as text when it came, and so shown
            raw = base64.b64decode(name.raw_base64, validate=True)
            return raw.split(b"/")[path.count("/")]
        except (msgspec.MsgspecError, binascii.Error, IndexError) as error:
            raise VerificationFailed(f"a line of names.jsonl cannot be read: {error}") from error

    def _line_of(self, path: str, *, below: bool = False) -> bytes | None:
        wanted = path.encode() + (b"/" if below else b"")
        offset = self._first_at_or_after(wanted)
        if offset == self._size_bytes:
            return None
        line, _ = self._line(offset)
        found = self._path(line)
        return line if (found.startswith(wanted) if below else found == wanted) else None
