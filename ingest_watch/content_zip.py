"""Look into a zip that is a content file (an OFD, a DOCX), within limits.

APPNOTE.TXT 6.3. A package that is a zip is archives/'s affair and read far more strictly: what lies
in a content file is never unpacked, only looked at. The directory's size is limited before the
standard library reads it.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

_END = b"PK\x05\x06"
_END_BYTES = 22
_TAIL_BYTES = _END_BYTES + 65535
_DIRECTORY_BYTES_MAX = 8 * 1024 * 1024
ENTRY_BYTES_MAX = 64 * 1024 * 1024
FLAG_ENCRYPTED = 0x0001
# Stored, deflate: what any program opens. Others are compression that is not common property.
COMMON_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class ContentZipFlaw(Exception):
    """The file does not open as a zip; says why."""


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at `path`. Raises ContentZipFlaw, also for what is wrong while it is read."""
    try:
        with path.open("rb") as stream:
            _expect_small_directory(stream)
            with zipfile.ZipFile(stream) as archive:
                yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, KeyError) as error:
        raise ContentZipFlaw(str(error) or type(error).__name__) from error
    except (struct.error, UnicodeDecodeError, ValueError, RuntimeError) as error:
        raise ContentZipFlaw(f"a damaged directory ({type(error).__name__})") from error


def read_entry(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    """One small entry, to be read as a stream. Raises ContentZipFlaw, KeyError."""
    entry = archive.getinfo(name)
    if entry.file_size > ENTRY_BYTES_MAX:
        raise ContentZipFlaw(f"an entry of {entry.file_size} bytes where a small one belongs")
    return cast("BinaryIO", archive.open(entry))


def _expect_small_directory(stream: BinaryIO) -> None:
    size_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size_bytes - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES)
    start = tail.rfind(_END)
    if start < 0 or len(tail) - start < _END_BYTES:
        raise ContentZipFlaw("no end of a zip directory")
    directory_bytes = struct.unpack_from("<L", tail, start + 12)[0]
    if directory_bytes > _DIRECTORY_BYTES_MAX:
        raise ContentZipFlaw(f"a directory of more than {_DIRECTORY_BYTES_MAX} bytes")
    stream.seek(0)
