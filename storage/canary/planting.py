"""Put the canaries on a disk, once: an OCFL root of their own beside the real one.

docs/formats/volume.md, "Canaries". Made whole in a folder of another name and then renamed, so
that a crash leaves all or none. What is there already is never touched: a canary that was mended
would prove nothing.
"""

import shutil
from pathlib import Path

from monitoring.log import get_log
from storage.canary.flock import flock
from storage.durable import SyncDescriptor, fsync_folder, rename_noreplace
from storage.ocfl.inventory import ROOT_DECLARATION, ROOT_DECLARATION_NAME
from storage.ocfl.layout import (
    HASH_AND_ID_LAYOUT,
    layout_configuration_document,
    layout_document,
    object_folder,
)

log = get_log(__name__)

_FOLDER_MODE = 0o750
_README = """\
These objects are not records. Most of them are damaged on purpose.

Before each sweep this node checks them, and must find exactly the damage that was planted. Change
nothing here: a canary that is mended, or damaged otherwise, stops the sweep.

这些对象不是档案，其中大部分是故意损坏的。每轮巡检之前，节点先检查它们，必须恰好发现预置的损坏。
请勿改动：金丝雀对象一旦被修复或另遭损坏，巡检即停止。
"""


def plant_canaries(root: Path) -> None:
    """Make the canaries at `root` unless something is there. Raises OSError as the disk does."""
    if root.exists():
        return
    growing = root.with_name(f".{root.name}.growing")
    shutil.rmtree(growing, ignore_errors=True)
    with SyncDescriptor(root.parent) as sync:
        _lay_out_root(growing)
        for canary in flock():
            folder = growing / object_folder(canary.object_id)
            for path, content in canary.files.items():
                _write(folder / path, content, 0o440)
        sync.ask()
    rename_noreplace(growing, root)
    fsync_folder(root.parent)
    log.info("canaries.planted", canaries=len(flock()))


def _lay_out_root(root: Path) -> None:
    documents = {
        ROOT_DECLARATION_NAME: ROOT_DECLARATION,
        "ocfl_layout.json": layout_document(),
        f"extensions/{HASH_AND_ID_LAYOUT}/config.json": layout_configuration_document(),
        "README.txt": _README.encode(),
    }
    for path, content in documents.items():
        _write(root / path, content, 0o444)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
