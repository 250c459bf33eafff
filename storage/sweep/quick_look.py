"""What a quick look sees of an object's content: whether the files are there, and their sizes.

DESIGN.md, promise 4. Sizes come from each version's file list, which is read and proven first;
content is not read, so a quick look finds what is lost or cut, and never says that bytes are right.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from storage.file_list import FileListInvalid, read_file_list
from storage.sweep.model import Damage, DamageKind

FILE_LIST = "lantai/files.jsonl"


def is_file_list(path: str) -> bool:
    """Whether a path of the manifest is the list of a version's files."""
    return path.endswith(f"/content/{FILE_LIST}") and path.count("/") == 3


def absent(folder: Path, path: str) -> Damage | None:
    """The damage, if no file is there."""
    try:
        status = (folder / path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return Damage(DamageKind.MISSING, path, "the inventory names it, the disk has no such file")
    except OSError as error:
        return Damage(DamageKind.UNREADABLE, path, error.strerror or str(error))
    if status.st_mode & 0o170000 != 0o100000:
        return Damage(DamageKind.MISSING, path, "something that is no file stands in its place")
    return None


def wrong_sizes(folder: Path, listed: str, pace: Callable[[int], None]) -> Iterator[Damage]:
    """Files that are not as large as the proven list at `listed` says."""
    prefix = listed.removesuffix(FILE_LIST)
    try:
        for entry in read_file_list(folder / listed):
            pace(0)
            path = prefix + entry.path
            try:
                size_bytes = (folder / path).lstat().st_size
            except OSError:
                continue  # `absent` says so
            if size_bytes != entry.size_bytes:
                cut = size_bytes < entry.size_bytes
                kind = DamageKind.TRUNCATED if cut else DamageKind.ALTERED
                yield Damage(kind, path, f"{size_bytes} of {entry.size_bytes} bytes")
    except (OSError, FileListInvalid) as error:
        yield Damage(DamageKind.UNREADABLE, listed, str(error))
