"""How a volume is at one moment, in the words that an operator, a metric and the keeper are told.

docs/formats/volume.md, "Terms": ready, or read-only and why. Asks, and changes nothing.
"""

import os
import sqlite3
from dataclasses import dataclass

from storage.volume.gate import Gate
from storage.volume.index import NOTHING_REACHED, Index
from storage.volume.settings import VolumeSettings


@dataclass(frozen=True, slots=True)
class VolumeState:
    """A disk that is gone has no bytes; an index that cannot be read knows of no objects."""

    state: str  # "ready" or "read-only"
    message: str
    free_bytes: int  # beside the reserve
    total_bytes: int
    objects: int
    content_bytes: int


def state_of(settings: VolumeSettings, gate: Gate, index: Index) -> VolumeState:
    """Never raises: what cannot be asked is a reason not to be ready."""
    reason = gate.reason
    try:
        warnings = index.sweep.volume_findings()
        reached = index.reached()
    except sqlite3.Error as error:
        reason = reason or f"the index cannot be read: {error}"
        warnings, reached = [], NOTHING_REACHED
    try:
        disk = os.statvfs(settings.staging)
        free_bytes = disk.f_bavail * disk.f_frsize - settings.reserve_bytes
        total_bytes = disk.f_blocks * disk.f_frsize
    except OSError as error:
        reason, free_bytes, total_bytes = reason or f"the disk is gone: {error}", 0, 0
    return VolumeState(
        "ready" if reason is None else "read-only",
        reason or "; ".join(f"{each.kind}: {each.detail}" for each in warnings),
        max(0, free_bytes),
        total_bytes,
        reached.objects,
        reached.content_bytes,
    )
