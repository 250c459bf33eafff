"""The file list of a package: written sorted, read line by line, and what its identity is.

docs/formats/package.md, "The file list" and "Object id, identifier, identity". Never held whole: a
package may have a million files. Lists come over the wire from others, so reading believes
nothing; writing is for lists of our own. Does not hash files.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from storage.errors import Refusal
from storage.model import BLOCK_BYTES, FileEntry

# docs/formats/package.md, "Limits".
PATH_BYTES_MAX = 1024
COMPONENT_BYTES_MAX = 255
DEPTH_MAX = 64
FILES_MAX = 1_010_100  # the sender's (a million of content), and Lantai's own records

RECEIVED_PREFIX = "received/"
CONTENT_PREFIX = "content/"

# A path of 1024 control characters takes six bytes for each in JSON; the rest is far below this.
_LINE_BYTES_MAX = 8192

_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class FileListInvalid(Refusal):
    """A file list breaks docs/formats/package.md."""

    code = "file-list-invalid"


@dataclass(frozen=True, slots=True)
class FileListSummary:
    """One file list as written: what `put` announces of it."""

    sha256: str  # of the list itself
    list_bytes: int
    file_count: int
    content_bytes: int  # sum over all files


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: _Digest
    block_root: _Digest | None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


def write_file_list(entries: Iterable[FileEntry], target: Path) -> FileListSummary:
    """Write `entries` to the new file `target`; they must come sorted by the bytes of their paths.

    Not synced: a list lives only as long as the operation it belongs to. Raises FileListInvalid
    where an entry may not stand in a list, FileExistsError if `target` is there.
    """
    digest = hashlib.sha256()
    list_bytes = file_count = content_bytes = 0
    with target.open("xb") as stream:
        for entry in _checked(entries):
            line = _encoder.encode(entry) + b"\n"
            digest.update(line)
            stream.write(line)
            list_bytes += len(line)
            file_count += 1
            content_bytes += entry.size_bytes
    return FileListSummary(digest.hexdigest(), list_bytes, file_count, content_bytes)


def read_file_list(path: Path) -> Iterator[FileEntry]:
    """Every entry in order. Raises FileListInvalid at the first line that breaks the format."""
    with path.open("rb") as stream:
        yield from _checked(_entries(stream))


def identity(entries: Iterable[FileEntry]) -> str:
    """What makes two packages the same; only entries below `received/` count."""
    digest = hashlib.sha256()
    for entry in entries:
        if entry.path.startswith(RECEIVED_PREFIX):
            name = entry.path.removeprefix(RECEIVED_PREFIX)
            digest.update(f"{entry.sha256} {entry.size_bytes} {name}\0".encode())
    return digest.hexdigest()


def path_flaw(path: str) -> str | None:
    """Why `path` may not be a logical path, or None."""
    try:
        path_bytes = len(path.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    if path_bytes > PATH_BYTES_MAX:
        return f"is longer than {PATH_BYTES_MAX} bytes"
    components = path.split("/")
    if len(components) > DEPTH_MAX:
        return f"is deeper than {DEPTH_MAX} folders"
    if "\0" in path:
        return "holds a NUL byte"
    for component in components:
        if component in {"", ".", ".."}:
            return "has an empty, '.' or '..' component"
        if len(component.encode()) > COMPONENT_BYTES_MAX:
            return f"has a component longer than {COMPONENT_BYTES_MAX} bytes"
    return None


def _entries(stream: BinaryIO) -> Iterator[FileEntry]:
    number = 0
    while raw := stream.readline(_LINE_BYTES_MAX):
        number += 1
        if not raw.endswith(b"\n"):
            raise FileListInvalid(f"line {number} is cut off or longer than {_LINE_BYTES_MAX}")
        try:
            line = _decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FileListInvalid(f"line {number}: {error}") from error
        yield FileEntry(line.path, line.size_bytes, line.sha256, line.block_root)


def _checked(entries: Iterable[FileEntry]) -> Iterator[FileEntry]:
    previous = b""
    for number, entry in enumerate(entries, start=1):
        if number > FILES_MAX:
            raise FileListInvalid(f"a package has at most {FILES_MAX} files")
        flaw = path_flaw(entry.path)
        if flaw is not None:
            raise FileListInvalid(f"line {number}: the path {entry.path!r} {flaw}")
        current = entry.path.encode()
        if current <= previous:
            raise FileListInvalid(f"line {number}: the path {entry.path!r} is out of order")
        if (entry.block_root is not None) != (entry.size_bytes > BLOCK_BYTES):
            raise FileListInvalid(f"line {number}: a block root belongs to files over 1 MiB alone")
        previous = current
        yield entry
