"""Damage as disks do it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def flip_bit() -> Callable[[Path], None]:
    """Turn the first bit of a file over, synced."""

    def flip(path: Path) -> None:
        with path.open("r+b") as stream:
            first = stream.read(1)[0]
            stream.seek(0)
            stream.write(bytes([first ^ 0x01]))
            stream.flush()
            os.fsync(stream.fileno())

    return flip
