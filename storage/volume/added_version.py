"""A later version that a crash has left half published: its root inventory is finished or put back.

docs/formats/volume.md, "Crash table", second part. The version before it is never touched. Which of
the two is to be done is recovery.py's to decide; may be killed at any point, and done again.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from storage.crash_point import crash_point
from storage.digests import sha256_of_file
from storage.durable import fsync_file, fsync_folder, write_whole_file
from storage.ocfl.inventory import INVENTORY_NAME, SIDECAR_NAME, sidecar
from storage.volume.content import FILE_MODE
from storage.volume.order import StoreOrder
from storage.volume.receiving import PreviousVersion, StagedOperation


@dataclass(frozen=True, slots=True)
class AddedVersion:
    """One such version, in staging or in the folder of its object."""

    staged: StagedOperation
    order: StoreOrder
    previous: PreviousVersion

    @property
    def folder(self) -> Path:
        """Where the version lies once it is published."""
        return self.previous.folder / f"v{self.order.version}"

    @property
    def is_published(self) -> bool:
        """Whether the version has its name; its root inventory may still be the old one."""
        return self.folder.is_dir() and not self.staged.version(self.order.version).exists()

    def finish(self) -> None:
        """Make root inventory and sidecar those of this version."""
        inventory = self.folder / INVENTORY_NAME
        self._make_root(inventory, self.order.inventory_sha256, self.previous.inventory_sha256)

    def withdraw(self) -> None:
        """Make root inventory and sidecar those of the version before."""
        inventory = self.previous.inventory
        self._make_root(inventory, self.previous.inventory_sha256, self.order.inventory_sha256)

    def _make_root(self, inventory: Path, wanted_sha256: str, other_sha256: str) -> None:
        """From a proven file, and only in the place of what the publication may have left.

        Other damage is not ours: the sweep finds it, and the bad bytes are kept.
        """
        root = self.previous.folder / INVENTORY_NAME
        if _digest(root) in (None, other_sha256) and _digest(inventory) == wanted_sha256:
            copy = self.staged.folder / "root-inventory"
            copy.unlink(missing_ok=True)
            shutil.copyfile(inventory, copy)
            copy.chmod(FILE_MODE)
            fsync_file(copy)
            copy.replace(root)
            fsync_folder(root.parent)
            crash_point("recovery.root-file-made")
        signed = root.with_name(SIDECAR_NAME)
        if _digest(root) == wanted_sha256 and _content(signed) in (None, sidecar(other_sha256)):
            write_whole_file(signed, sidecar(wanted_sha256))


def _digest(path: Path) -> str | None:
    return sha256_of_file(path) if path.is_file() else None


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
