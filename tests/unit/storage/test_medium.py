"""Reading back from the medium: residency is proven, and every byte arrives."""

import os
from pathlib import Path

import pytest

from storage.digests import sha256_of, sha256_of_file
from storage.medium import (
    BUFFER_BYTES,
    MediumReader,
    StillCachedError,
    evict_and_prove,
    pages_by_cachestat,
    pages_by_mincore,
    read_direct,
    resident_pages,
)
from storage.model import VerifyMode

SIZES = [0, 1, 4095, 4096, 4097, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES + 12345]


def synced_file(path: Path, content: bytes) -> Path:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return path


@pytest.mark.parametrize("size_bytes", SIZES)
@pytest.mark.parametrize("mode", list(VerifyMode))
def test_every_byte_arrives_in_every_mode(
    tmp_path: Path, mode: VerifyMode, size_bytes: int
) -> None:
    file = synced_file(tmp_path / "a", os.urandom(size_bytes))
    reader = MediumReader(mode)
    for _ in range(2):
        assert sha256_of(reader.chunks(file)) == sha256_of_file(file)


def test_reading_leaves_nothing_in_the_page_cache(tmp_path: Path) -> None:
    file = synced_file(tmp_path / "a", os.urandom(20 * BUFFER_BYTES))
    descriptor = os.open(file, os.O_RDONLY)
    assert resident_pages(descriptor) > 0
    for mode in VerifyMode:
        for _ in MediumReader(mode).chunks(file):
            pass
        if mode is not VerifyMode.DIRECT:
            assert resident_pages(descriptor) == 0, mode
    os.close(descriptor)


def test_eviction_is_proven_by_two_calls_that_agree(tmp_path: Path) -> None:
    file = synced_file(tmp_path / "a", os.urandom(5 * BUFFER_BYTES + 1))
    descriptor = os.open(file, os.O_RDONLY)
    assert pages_by_mincore(descriptor) == 5 * BUFFER_BYTES // 4096 + 1
    assert pages_by_cachestat(descriptor) in {None, 5 * BUFFER_BYTES // 4096 + 1}
    evict_and_prove(descriptor)
    assert pages_by_mincore(descriptor) == 0
    assert pages_by_cachestat(descriptor) in {None, 0}
    os.close(descriptor)


def test_a_file_that_cannot_be_evicted_is_not_called_evicted() -> None:
    """On tmpfs the pages are the file."""
    file = synced_file(Path("/dev/shm") / f"lantai-test-{os.getpid()}", os.urandom(BUFFER_BYTES))
    try:
        descriptor = os.open(file, os.O_RDONLY)
        with pytest.raises(StillCachedError):
            evict_and_prove(descriptor)
        os.close(descriptor)
        with pytest.raises(StillCachedError):
            list(MediumReader(VerifyMode.EVICTED).chunks(file))
    finally:
        file.unlink()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    synced_file(tmp_path / "a", b"abc")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        list(MediumReader(VerifyMode.UNPROVEN).chunks(tmp_path / "link"))


def test_a_missing_file_is_an_error_as_it_comes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_direct(tmp_path / "gone"))
