"""The fixture that mounts file systems of their own: that they are what they are said to be."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.needs_root
@pytest.mark.parametrize(("kind", "size_mib"), [("ext4", 64), ("xfs", 320)])
def test_a_mounted_file_system_is_of_its_kind_and_takes_files(
    loop_filesystem: Callable[..., Path], kind: str, size_mib: int
) -> None:
    folder = loop_filesystem(kind, size_mib=size_mib)
    (folder / "申请表").write_bytes(b"x")
    command = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(folder)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == f"{kind}\n"
