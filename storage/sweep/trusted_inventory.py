"""The manifest of an inventory whose digest is known to be the signed one, in reading order.

OCFL 1.1 section 3.5.2. An inventory names files by digest, which on the disk is no order at all:
here they come by path, as they were written, in runs short enough for flat memory. Always the
same order for the same inventory, so that a check can go on where it stopped.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from storage.ocfl.inventory_stream import InventoryUnreadable, digests_and_paths

# Up to here an inventory is parsed at once, which is many times faster than as a stream.
SMALL_INVENTORY_BYTES = 1024 * 1024
# So many files are put in order together; a million files are sixteen walks along the disk.
_RUN_FILES = 65_536


class TrustedInventory:
    """`content` is the whole file if it is small; otherwise it is read from `path`."""

    def __init__(self, path: Path, content: bytes | None) -> None:
        self._path = path
        self._content = content

    def manifest(self) -> Iterator[tuple[str, str]]:
        """(digest, content path) of every file of every version. Raises InventoryUnreadable."""
        files = self._streamed() if self._content is None else iter(self._parsed(self._content))
        while run := list(islice(files, _RUN_FILES)):
            run.sort(key=_path)
            yield from run

    def _streamed(self) -> Iterator[tuple[str, str]]:
        with self._path.open("rb") as stream:
            yield from digests_and_paths(stream, "manifest")

    def _parsed(self, content: bytes) -> list[tuple[str, str]]:
        try:
            manifest = json.loads(content)["manifest"].items()
            return [(sha256.lower(), path) for sha256, paths in manifest for path in paths]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InventoryUnreadable(f"{self._path} is no inventory: {error!r}") from error


def _path(file: tuple[str, str]) -> str:
    return file[1]
