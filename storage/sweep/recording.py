"""Put on record what a check saw: the same for a cycle and for one object that somebody asks about.

What was seen counts only if the object is still the one that was judged. Damage is recorded before
the object counts as looked at, so that a crash in between finds it again. Called in threads.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from monitoring.log import get_log
from storage.crash_point import crash_point
from storage.errors import Refusal
from storage.model import StoredObject
from storage.ocfl.inventory import ROOT_DECLARATION_NAME
from storage.sweep.check_object import copy_identity
from storage.sweep.model import Damage, ObjectCheck, ObjectToCheck, SweptVolume

log = get_log(__name__)


class VolumeVanished(Refusal):
    """The storage root is not there any more: nothing may be concluded from what is missing."""

    code = "volume-vanished"


def target_of(volume: SweptVolume, stored: StoredObject) -> ObjectToCheck:
    """One object as the check is told of it."""
    where = volume.object_folder(stored.object_id)
    return ObjectToCheck(
        stored.object_id,
        volume.root / where,
        stored.head,
        stored.inventory_sha256,
        volume.blocks / where,
    )


def record_checks(
    volume: SweptVolume, checks: Sequence[ObjectCheck], began_at: str
) -> list[ObjectCheck]:
    """Tell the volume; return those that were judged. Raises VolumeVanished."""
    crash_point("sweep.judged")
    judged = []
    for check in checks:
        if check.second_looks:
            log.warning("sweep.second_look", object_id=check.object_id, files=check.second_looks)
        if check.intact:
            judged.append(check)
        elif check.finished and _is_current(volume, check):
            record_damages(volume, check.object_id, check.damages, began_at)
            judged.append(check)
    # What a trail was followed for was read from an earlier moment on.
    for at, together in groupby(judged, key=lambda check: check.began_at or began_at):
        volume.record_swept(list(together), at)
        crash_point("sweep.recorded")
    return judged


def record_quick_looks(
    volume: SweptVolume, checks: Sequence[ObjectCheck], began_at: str
) -> list[ObjectCheck]:
    """As `record_checks`, of looks that read no content: nothing counts as checked by them."""
    judged = [check for check in checks if check.finished]
    for check in judged:
        if check.damages and _is_current(volume, check):
            record_damages(volume, check.object_id, check.damages, began_at)
    return judged


def record_damages(volume: SweptVolume, object_id: str, damages: Sequence[Damage], at: str) -> None:
    """Each as a finding, unless it is open already. Raises VolumeVanished."""
    if not (volume.root / ROOT_DECLARATION_NAME).exists():
        raise VolumeVanished(f"{volume.root} is not there any more: is it mounted?")
    for damage in damages:
        shown = replace(damage, path=_text(damage.path), detail=_text(damage.detail))
        if volume.record_finding(object_id, shown, at):
            crash_point("sweep.found")
            log.warning("sweep.finding", object_id=object_id, kind=damage.kind.value)


def _is_current(volume: SweptVolume, check: ObjectCheck) -> bool:
    """Whether it is still the copy that was read, and what it was held against.

    Not while a version joins it, nor once it was mended.
    """
    if volume.is_committing(check.object_id):
        return False
    stored = volume.stored_object(check.object_id)
    if stored is None or stored.inventory_sha256 != check.inventory_sha256:
        return False
    return copy_identity(volume.root / volume.object_folder(check.object_id)) == check.copy


def _text(name: str) -> str:
    """A name that is not UTF-8 becomes escapes: records are UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()
