"""A volume on a file system in memory, where a sync costs nothing.

It is `unproven` there, and allowed to be; tests/faults has volumes on real file systems.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from storage.signing import SigningKey
from storage.volume.volume import Volume
from tests.volume_packages import new_volume


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where the machine has such a folder."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir="/dev/shm", prefix="lantai-test-") as folder:
        yield Path(folder)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def volume(tmp_path: Path, key: SigningKey) -> Iterator[Volume]:
    volume = new_volume(tmp_path, key)
    yield volume
    volume.close()


@pytest.fixture
def volume_of_small_segments(tmp_path: Path, key: SigningKey) -> Iterator[Volume]:
    """A volume whose journal takes a new segment for every record or two."""
    volume = new_volume(tmp_path / "small", key, journal_segment_bytes_max=1000)
    yield volume
    volume.close()
