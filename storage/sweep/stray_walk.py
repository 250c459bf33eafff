"""Find what lies in a storage root and belongs to no object.

OCFL 1.1 sections 4.1 and 4.3: two levels of folders (layout 0003) and below them nothing but
objects. Who owns what is the volume's answer; nothing is moved here.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from storage.sweep.model import Damage, DamageKind

# Layout 0003 as Lantai uses it: two tuples of three hexadecimal digits above each object.
_TUPLES = 2
_TUPLE_CHARACTERS = 3
_DIGITS = frozenset("0123456789abcdef")


def tuple_folders(root: Path) -> list[str]:
    """The folders of the first level, in order: one step of the walk each."""
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if _is_tuple(entry))


def strays_of_root(root: Path, owns: Callable[[PurePosixPath], bool]) -> Iterator[Damage]:
    """What lies directly in the root, is no folder of objects, and is not owned."""
    with os.scandir(root) as entries:
        for entry in entries:
            if not _is_tuple(entry) and not owns(PurePosixPath(entry.name)):
                yield _stray(PurePosixPath(entry.name), entry)


def strays_of_tuple(
    root: Path, name: str, owns: Callable[[PurePosixPath], bool]
) -> Iterator[Damage]:
    """What lies below one folder of the first level and is not owned.

    A folder may vanish while it is read: the volume removes those that have become empty.
    """
    pending = [PurePosixPath(name)]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in found:
            path = folder / entry.name
            if len(folder.parts) < _TUPLES and _is_tuple(entry):
                pending.append(path)
            elif not (_may_be_object(entry) and owns(path)):
                yield _stray(path, entry)


def _is_tuple(entry: "os.DirEntry[str]") -> bool:
    return (
        entry.is_dir(follow_symlinks=False)
        and len(entry.name) == _TUPLE_CHARACTERS
        and _DIGITS.issuperset(entry.name)
    )


def _may_be_object(entry: "os.DirEntry[str]") -> bool:
    """Layout 0003 writes every other sign of an object id as %XX."""
    return entry.name.isascii() and entry.is_dir(follow_symlinks=False)


def _stray(path: PurePosixPath, entry: "os.DirEntry[str]") -> Damage:
    what = "folder" if entry.is_dir(follow_symlinks=False) else "file"
    return Damage(DamageKind.STRAY_OBJECT, str(path), f"a {what} that no object of the index owns")
