"""Name the entries of a tar, then hand on their contents: two passes with one reader.

docs/formats/package.md (names); attack catalogue A29, A30. Names in a tar are file system bytes,
so they are kept as a folder's would be.
"""

from collections.abc import Iterator

from ingest_watch.archives.content import Content
from ingest_watch.archives.entry_names import EntryName, EntryRegister, entry_name
from ingest_watch.archives.tar_headers import TarEntry, TarHeaders
from ingest_watch.archives.tar_streams import TarStream, tar_stream
from ingest_watch.findings import Finding, PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.mode_remarks import ModeRemarks
from ingest_watch.opening_rules import ARCHIVE_DAMAGED, PATH_UNCLEAR

_PIECE_BYTES = 1024 * 1024


def read_tar(
    archive: int, register: EntryRegister, limits: IntakeLimits, *, compressed: bool
) -> tuple[Finding, ...]:
    """Name every entry in `register`. Returns remarks on modes. Raises PackageRejected."""
    modes = ModeRemarks()
    stream = tar_stream(archive, limits, compressed=compressed)
    for entry in TarHeaders(stream).entries():
        name = _name(entry, limits)
        if name is not None:
            register.add(name, entry.size_bytes, is_folder=entry.is_folder)
            if not entry.is_folder:
                modes.see(name.path, entry.mode)
        stream.skip(entry.size_bytes)
    return modes.remarks()


def tar_contents(archive: int, limits: IntakeLimits, *, compressed: bool) -> Iterator[Content]:
    """Yield every file's content in the order of the archive. Raises PackageRejected."""
    stream = tar_stream(archive, limits, compressed=compressed)
    for entry in TarHeaders(stream).entries():
        name = _name(entry, limits)
        if name is not None and not entry.is_folder:
            yield Content(name.path, entry.size_bytes, _pieces(stream, name.path, entry))


def _name(entry: TarEntry, limits: IntakeLimits) -> EntryName | None:
    try:
        text: str | None = entry.raw_name.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    name = entry_name(entry.raw_name, text, limits)
    if name is None and not entry.is_folder:
        raise PackageRejected(PATH_UNCLEAR.found(text))
    return name


def _pieces(stream: TarStream, path: str, entry: TarEntry) -> Iterator[memoryview]:
    left = entry.size_bytes
    while left > 0:
        piece = stream.read(min(left, _PIECE_BYTES))
        if not piece:
            raise PackageRejected(ARCHIVE_DAMAGED.found(path, detail="it ends in the middle"))
        left -= len(piece)
        yield memoryview(piece)
