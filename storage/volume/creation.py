"""Making a new volume: an empty OCFL storage root that explains itself, and its folders beside.

docs/formats/volume.md, "Tree"; OCFL 1.1 section 4. Never touches anything that is there already.
"""

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from storage.durable import fsync_ancestors, fsync_folder, write_whole_file
from storage.ocfl.inventory import ROOT_DECLARATION, ROOT_DECLARATION_NAME
from storage.ocfl.layout import (
    HASH_AND_ID_LAYOUT,
    layout_configuration_document,
    layout_document,
)
from storage.signing import SigningKey
from storage.volume.events import Event, timestamp
from storage.volume.identity import make_identity, read_identity
from storage.volume.journal import Journal
from storage.volume.publish import FOLDER_MODE
from storage.volume.refusals import VolumeNotEmpty
from storage.volume.settings import VolumeSettings


def lay_out(settings: VolumeSettings, key: SigningKey) -> None:
    """Make the volume, the identity last: what a crash leaves half made has none.

    Raises VolumeNotEmpty if a volume, or anything in its way, is there.
    """
    beside = (
        settings.staging,
        settings.quarantine,
        settings.trash,
        settings.blocks,
        settings.journal,
    )
    for folder in (settings.root, *beside):
        if folder.exists() and any(folder.iterdir()):
            raise VolumeNotEmpty(f"{folder} is not empty: a volume is made on an empty disk")
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    _lay_out_root(settings.root)
    created_at = timestamp(datetime.now(UTC))
    make_identity(settings.root, settings.node, settings.domain, created_at, key)
    fsync_ancestors(settings.beside)
    identity = read_identity(settings.root, settings.node, key.verify_key)
    event = Event(
        "identity",
        {
            "node_uuid": identity.node_uuid,
            "node": identity.node,
            "domain": identity.domain,
            "verify_key": identity.verify_key,
        },
    )
    journal = Journal(settings.journal, settings.quarantine)
    try:
        journal.append(lambda _sequence, _at: [event])
    finally:
        journal.close()


def _lay_out_root(root: Path) -> None:
    extension = root / "extensions" / HASH_AND_ID_LAYOUT
    extension.mkdir(mode=FOLDER_MODE, parents=True)
    root_files = resources.files("storage.volume") / "root_files"
    documents = {
        root / "ocfl_layout.json": layout_document(),
        extension / "config.json": layout_configuration_document(),
        root / "README.txt": (root_files / "README.txt").read_bytes(),
        root / "verify.py": (root_files / "verify.py").read_bytes(),
        root / ROOT_DECLARATION_NAME: ROOT_DECLARATION,
    }
    for path, content in documents.items():
        write_whole_file(path, content, mode=0o444, replace=False)
    for folder in (extension.parent, root):
        fsync_folder(folder)
