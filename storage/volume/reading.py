"""Reading files of stored objects, raw: whoever asks verifies (DESIGN.md promise 3).

docs/wire/README.md, `read`. Paths are a stranger's: nothing above the object's folder is ever
reached, and no link is followed.
"""

import os
import stat
from pathlib import Path

from storage.ocfl.layout import object_folder
from storage.volume.foreground import ForegroundMeter
from storage.volume.index import Index
from storage.volume.refusals import FileUnknown, FileUnreadable, ObjectUnknown
from storage.whole_reads import read_range

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ObjectReader:
    """Thread-safe; keeps nothing open."""

    def __init__(self, root: Path, index: Index, foreground: ForegroundMeter) -> None:
        self._root = root
        self._index = index
        self._foreground = foreground

    def read(self, object_id: str, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer at the end of the file, none behind it."""
        descriptor = self._open(object_id, path)
        try:
            with self._foreground.reading():
                return read_range(descriptor, length, offset)
        except OSError as error:
            raise FileUnreadable(f"{path!r} of {object_id!r}: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def file_size(self, object_id: str, path: str) -> int:
        """In bytes."""
        descriptor = self._open(object_id, path)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _open(self, object_id: str, path: str) -> int:
        if self._index.stored_object(object_id) is None:
            raise ObjectUnknown(f"{object_id!r} is not kept here")
        components = path.split("/")
        if "\0" in path or not {"", ".", ".."}.isdisjoint(components):
            raise FileUnknown(f"{path!r} is not a path below an object's folder")
        folder = self._root / object_folder(object_id)
        try:
            # Folders on the way cannot be links either: `resolve` would have left the object.
            if (folder / path).parent.resolve() != folder.resolve() / Path(path).parent:
                raise FileUnknown(f"{path!r} of {object_id!r} leads through a link")
            descriptor = os.open(folder / path, _OPEN)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileUnknown(f"{object_id!r} has no file {path!r}") from error
        except OSError as error:
            raise FileUnreadable(f"{path!r} of {object_id!r}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileUnknown(f"{path!r} of {object_id!r} is not a file")
        return descriptor
