"""What the kernel says of writes that a disk lost, and what we make of it.

Each file system lies on a sparse image on a tmpfs that is too small for it, so that every write()
succeeds and the write-back fails: knowledge measured as M1 and M2, and "syncfs" below them.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from storage.digests import sha256_of
from storage.durable import SyncDescriptor, fsync_file
from storage.medium import MediumReader, evict_and_prove
from storage.model import VerifyMode

pytestmark = pytest.mark.needs_root

WRITTEN_BYTES = 120 * 1024 * 1024
PIECE = b"never zero" * 104858


def write_too_much(folder: Path) -> Path:
    file = folder / "content"
    with file.open("wb") as stream:
        for _ in range(WRITTEN_BYTES // len(PIECE)):
            stream.write(PIECE)
    return file


def test_every_descriptor_opened_before_the_writes_hears_of_the_loss(losing_disk: Path) -> None:
    first, second = SyncDescriptor(losing_disk), SyncDescriptor(losing_disk)
    write_too_much(losing_disk)
    for descriptor in (first, second):
        with pytest.raises(OSError, match="syncfs") as caught:
            descriptor.ask()
        assert caught.value.errno in {errno.EIO, errno.ENOSPC}


def test_a_lost_write_is_seen_on_the_medium_whatever_the_cache_still_holds(
    losing_disk: Path,
) -> None:
    """The kernel may keep the pages it could not write, or drop them: no promise may rest on it."""
    file = write_too_much(losing_disk)
    with pytest.raises(OSError, match=r"No space left|Input/output error"):
        fsync_file(file)
    descriptor = os.open(file, os.O_RDONLY)
    with suppress(OSError):
        os.fsync(descriptor)
    evict_and_prove(descriptor)
    os.close(descriptor)
    assert not is_whole(sha256_of(MediumReader(VerifyMode.EVICTED).chunks(file)))


def is_whole(actual: str) -> bool:
    return actual == sha256_of(PIECE for _ in range(WRITTEN_BYTES // len(PIECE)))
