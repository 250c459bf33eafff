"""Write files below one private folder, by descriptors, never over anything that is there.

Paths come checked (folder_walk.py, archives/entry_names.py); that nothing is written outside is
held here once more, because each folder on the way is opened beneath its parent. Files are created
anew with mode 0440 and nothing of the sender's modes. Durability is asked once, by staging.py.
"""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest_watch.findings import PackageRejected
from ingest_watch.opening_rules import CONFLICT, DUPLICATE
from ingest_watch.safe_open import FOLDER_FLAGS, open_beneath

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TargetTree:
    """The private folder of one package. The folders of the last branch written stay open."""

    def __init__(self, folder: Path) -> None:
        self._branch: list[tuple[str, int]] = [("", os.open(folder, FOLDER_FLAGS))]

    @property
    def descriptor(self) -> int:
        """The open folder itself; it stays this object's."""
        return self._branch[0][1]

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents; nothing happens when it is there."""
        self._enter(path.split("/"))

    def create(self, path: str) -> int:
        """Create the file and its parents; return its descriptor, which the caller closes.

        Raises PackageRejected if the name is taken: nothing is ever overwritten.
        """
        *parents, name = path.split("/")
        folder = self._enter(parents)
        try:
            return os.open(name, _CREATE, 0o440, dir_fd=folder)
        except FileExistsError:
            raise PackageRejected(DUPLICATE.found(path)) from None

    def _enter(self, components: list[str]) -> int:
        """Return a descriptor of the folder; it stays this object's."""
        shared = 0
        for (name, _), wanted in zip(self._branch[1:], components, strict=False):
            if name != wanted:
                break
            shared += 1
        self._leave(shared)
        for name in components[shared:]:
            self._branch.append((name, self._open_or_make(name)))
        return self._branch[-1][1]

    def _open_or_make(self, name: str) -> int:
        parent = self._branch[-1][1]
        # Made by an earlier file, or it is a file: then opening it says so.
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        try:
            return open_beneath(parent, os.fsencode(name), FOLDER_FLAGS)
        except NotADirectoryError:
            path = "/".join([name for name, _ in self._branch[1:]] + [name])
            raise PackageRejected(CONFLICT.found(path)) from None

    def _leave(self, depth: int) -> None:
        while len(self._branch) > depth + 1:
            os.close(self._branch.pop()[1])

    def close(self) -> None:
        """Close every descriptor."""
        while self._branch:
            os.close(self._branch.pop()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
