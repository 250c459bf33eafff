"""Disks that fail, for the tests of this folder; mark a test that uses one `needs_root`.

A failure tells what the roles said.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.roles_log import pytest_runtest_makereport

__all__ = ["losing_disk", "pytest_runtest_makereport"]

# Everything in place at once, so that the medium is not filled by writing tables later.
_MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q"],
}


@pytest.fixture(params=["ext4", "xfs"])
def losing_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 MiB on a medium that has room for 100: knowledge M1 and M2.

    The medium is a sparse image on a tmpfs that is too small: every write() succeeds, and the
    write-back fails.
    """
    small, disk = tmp_path / "small", tmp_path / "disk"
    small.mkdir()
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(small)], check=True)
    image = small / "image"
    with image.open("wb") as stream:
        stream.truncate(400 * 1024 * 1024)
    subprocess.run([*_MAKE[request.param], str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
    subprocess.run(["umount", "--lazy", str(small)], check=True)
