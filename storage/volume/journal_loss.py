"""Whether a volume's journal is gone while what it spoke of is still there.

docs/operations/repair.md, `journal-lost`. A journal that lost its records takes every object for
a stray, so a volume in that state is opened for reading only, and what its index knows is kept.
Changes nothing.
"""

import os
from collections.abc import Iterator

from storage.ocfl.layout import object_folder
from storage.volume.index import Index
from storage.volume.journal import Journal
from storage.volume.order import decode_order
from storage.volume.refusals import JournalRotten
from storage.volume.settings import VolumeSettings

# So many objects of an index that is ahead of the journal are looked for on the disk.
_ASKED_OBJECTS = 1000
_TUPLE_CHARACTERS = 3


def find_loss(
    settings: VolumeSettings, node_uuid: str, journal: Journal, index: Index
) -> str | None:
    """Why the journal cannot be the whole record of this volume; None if it may well be."""
    if journal.rot is not None:
        return None
    if not _is_of(journal, node_uuid) and (_has_objects(settings) or index.reached().objects):
        return (
            f"journal-lost: {settings.journal} does not begin with the making of this volume, but "
            "there are objects: nothing is written, swept or moved. Call a person: "
            "docs/operations/repair.md. 流水丢失,只读"
        )
    staged = set(_staged_objects(settings))  # recovery writes their records again
    ahead = set(index.objects_behind(*journal.end, _ASKED_OBJECTS)) - staged
    there = sorted(name for name in ahead if (settings.root / object_folder(name)).is_dir())
    if there:
        return (
            f"journal-lost: {settings.journal} ends before the record of {len(there)} or more "
            f"objects that are there ({there[0]!r}): nothing is written, swept or moved. Call a "
            "person: docs/operations/repair.md. 流水丢失,只读"
        )
    return None


def _is_of(journal: Journal, node_uuid: str) -> bool:
    """Whether the journal's second record says that this volume was made."""
    try:
        for record in journal.records():
            if record.kind == "identity":
                return record.members.get("node_uuid") == node_uuid
            if record.kind != "segment":
                return False
    except (JournalRotten, OSError):
        return False
    return False


def _staged_objects(settings: VolumeSettings) -> Iterator[str]:
    for order in settings.staging.glob("*/order.json"):
        try:
            staged = decode_order(order.read_bytes())
        except OSError:
            continue
        if staged is not None:
            yield staged.object_id


def _has_objects(settings: VolumeSettings) -> bool:
    with os.scandir(settings.root) as entries:
        return any(
            entry.is_dir(follow_symlinks=False) and len(entry.name) == _TUPLE_CHARACTERS
            for entry in entries
        )
