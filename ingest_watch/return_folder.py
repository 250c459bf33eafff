"""Folders below a source's return folder, made durably and held so that nobody can swap them.

docs/formats/answers.md. A sender may be able to write there too: no link is followed on the way
down. Names of files are answer_files.py's affair.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ingest_watch.safe_open import FOLDER_FLAGS, open_beneath

# No package's name begins with a dot, so these two are ours alone.
EARLIER = ".earlier"
REHEARSAL = ".rehearsal"

_FOLDER_MODE = 0o755


@contextmanager
def folder_beneath(returned: Path, folders: Sequence[str]) -> Iterator[Path]:
    """Open `returned/<folders>`, made where it is missing; the path given holds while it is open.

    Raises OSError, ELOOP or ENOTDIR where something else than a folder stands.
    """
    if not folders:
        yield returned
        return
    descriptor = os.open(returned, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            parent, descriptor = descriptor, -1
            try:
                descriptor = _made(parent, folder.encode())
            finally:
                os.close(parent)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _made(parent: int, name: bytes) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
    # Also when it was there: whoever made it may have died before this.
    os.fsync(parent)
    return open_beneath(parent, name, FOLDER_FLAGS)
