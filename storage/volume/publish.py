"""Giving an object its name below the root, and taking a bad one away from it.

docs/formats/volume.md, "Write order", step 6. Every change is one rename on one file system;
nothing is overwritten or deleted but a root inventory and its sidecar, whose bytes their version
keeps. The caller syncs, and journals.
"""

import ctypes
import os
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes

from storage.crash_point import crash_point
from storage.durable import rename_noreplace
from storage.ocfl.inventory import INVENTORY_NAME, SIDECAR_NAME
from storage.ocfl.layout import object_folder
from storage.sweep.model import Damage, DamageKind
from storage.volume.events import timestamp
from storage.volume.refusals import PreviousDamaged
from storage.volume.settings import VolumeSettings

FOLDER_MODE = 0o750
LOGS = "logs"

# Layout 0003 cuts longer names and appends the digest; then a name does not tell the id.
_WHOLE_NAME_LENGTH_MAX = 100

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class Publisher:
    """The only one who changes names below the root; one thread at a time."""

    def __init__(self, settings: VolumeSettings) -> None:
        self._root = settings.root
        self._beside = settings.beside
        self._quarantine = settings.quarantine
        self._lock = threading.Lock()

    def folder_of(self, object_id: str) -> Path:
        """Where the object lies once it is published."""
        return self._root / object_folder(object_id)

    def publish(self, staged: Path, object_id: str) -> None:
        """One rename. Raises FileExistsError if something has the name already."""
        target = self.folder_of(object_id)
        with self._lock:
            target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            crash_point("volume.tuples-made")
            rename_noreplace(staged, target)
            crash_point("volume.published")

    def add_version(self, staged: Path, object_id: str, number: int) -> None:
        """Three renames: the version, then the root inventory, then its sidecar.

        Raises FileExistsError if something has the version's name already, PreviousDamaged if
        there is no object to add to.
        """
        target = self.folder_of(object_id)
        with self._lock:
            if not (target / INVENTORY_NAME).is_file():
                gone = Damage(DamageKind.INVENTORY_DAMAGED, INVENTORY_NAME, "it went away")
                raise PreviousDamaged(f"{target} went away: it must be mended first", gone)
            rename_noreplace(staged / f"v{number}", target / f"v{number}")
            crash_point("volume.version-published")
            for name in (INVENTORY_NAME, SIDECAR_NAME):
                (staged / name).replace(target / name)
                crash_point("volume.root-file-replaced")

    def replace_damaged(self, staged: Path, object_id: str) -> str | None:
        """Exchange a bad copy for `staged`, then move it to quarantine.

        Returns where it lies now, relative to the volume; None if nothing had the name.
        """
        target = self.folder_of(object_id)
        with self._lock:
            target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            if not os.path.lexists(target):
                rename_noreplace(staged, target)
                return None
            _exchange(staged, target)
            _keep_logs(staged, target)
            crash_point("volume.exchanged")
            return self._move_to_quarantine(staged, target.name)

    def set_aside(self, path: Path) -> str:
        """Move anything of the volume to quarantine, and remove folders left empty (E073).

        Returns where it lies now, relative to the volume.
        """
        with self._lock:
            target = self._move_to_quarantine(path, path.name)
            self._remove_empty(path.parent)
        return target

    def remove_empty_tuples(self, object_id: str) -> None:
        """What a crash between the tuple folders and the rename has left."""
        with self._lock:
            self._remove_empty(self.folder_of(object_id).parent)

    def _move_to_quarantine(self, path: Path, name: str) -> str:
        moment = timestamp(datetime.now(UTC)).replace(":", "")
        target = self._quarantine / f"{moment}-{secrets.token_hex(4)}-{name[:180]}"
        rename_noreplace(path, target)
        crash_point("volume.set-aside")
        return str(target.relative_to(self._beside))

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._root and folder.is_relative_to(self._root):
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return  # ENOTEMPTY: others live there
            folder = folder.parent


def decoded_folder_name(name: str) -> str | None:
    """The object id that layout 0003 encoded in a folder's name; None if the name was cut."""
    if len(name) > _WHOLE_NAME_LENGTH_MAX:
        return None
    return unquote_to_bytes(name).decode("utf-8", "replace")


def _keep_logs(bad: Path, good: Path) -> None:
    """The copies of receipts go with the object; no digest of it covers them, their signatures do.

    Those that a crash leaves with the bad copy are missed by people only (chronicle.md).
    """
    if os.path.lexists(bad / LOGS) and not os.path.lexists(good / LOGS):
        rename_noreplace(bad / LOGS, good / LOGS)


def safe_below(root: Path, relative: PurePosixPath) -> Path | None:
    """`relative` below `root`; None if it would lead anywhere else, or is the root itself."""
    if relative.is_absolute() or not relative.parts or ".." in relative.parts:
        return None
    return root / relative


def _exchange(one: Path, other: Path) -> None:
    result = _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
