"""Open a document of a staged package by its path in the listing.

docs/formats/package.md (names): staging writes the path of the listing; a folder that is judged
where it lies still has the sender's bytes. No link is followed. Reads nothing itself.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from ingest_watch.listing import Listing
from ingest_watch.safe_open import FILE_FLAGS, FOLDER_FLAGS, open_beneath


@contextmanager
def opened_document(folder: Path, listing: Listing, path: str) -> Iterator[BinaryIO]:
    """Open the file at `path` of the package in `folder`. Raises OSError."""
    row = listing.query("SELECT raw FROM file WHERE path = ?", path).fetchone()
    raw = None if row is None else row[0]
    with ExitStack() as stack:
        try:
            descriptor = _open(folder, path.encode(), stack)
        except FileNotFoundError:
            if raw is None:
                raise
            descriptor = _open(folder, raw, stack)
        yield stack.enter_context(open(descriptor, "rb"))


def _open(folder: Path, path: bytes, stack: ExitStack) -> int:
    *parents, name = path.split(b"/")
    descriptor = os.open(folder, FOLDER_FLAGS)
    stack.callback(os.close, descriptor)
    for parent in parents:
        descriptor = open_beneath(descriptor, parent, FOLDER_FLAGS)
        stack.callback(os.close, descriptor)
    return open_beneath(descriptor, name, FILE_FLAGS)
