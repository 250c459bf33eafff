"""Check one object now, outside a cycle: somebody has reason to doubt this copy.

docs/wire/audit.md, `recheck`. The check, the records and the canaries are the sweep's own. Mends
nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from monitoring.log import get_log
from storage.canary.proving import prove_check
from storage.medium import MediumReader
from storage.sweep.check_object import Pace, check_object
from storage.sweep.model import SweptVolume
from storage.sweep.recording import record_checks, target_of
from storage.volume.refusals import ObjectUnknown

log = get_log(__name__)


class RecheckOutcome(StrEnum):
    """What the node says of its own copy."""

    INTACT = "intact"
    DAMAGED = "damaged"
    NOT_JUDGED = "not-judged"  # replaced meanwhile, held in memory, or the check is broken


@dataclass(frozen=True, slots=True)
class Recheck:
    """One object, looked at again."""

    outcome: RecheckOutcome
    inventory_sha256: str  # that it was judged against
    damages: int
    read_bytes: int


def recheck(
    volume: SweptVolume, canaries: Path, object_id: str, began_at: str, pace: Pace
) -> Recheck:
    """Read the copy whole and record what is found. Raises ObjectUnknown, VolumeVanished."""
    stored = volume.stored_object(object_id)
    if stored is None:
        raise ObjectUnknown("no such object is kept here")
    broken = prove_check(canaries, volume.verify_mode)
    if broken:
        log.error("sweep.broken", reason=broken)
        return Recheck(RecheckOutcome.NOT_JUDGED, stored.inventory_sha256, 0, 0)
    check = check_object(target_of(volume, stored), MediumReader(volume.verify_mode), pace)
    if not record_checks(volume, [check], began_at):
        outcome = RecheckOutcome.NOT_JUDGED
    else:
        outcome = RecheckOutcome.DAMAGED if check.damages else RecheckOutcome.INTACT
    return Recheck(outcome, check.inventory_sha256, len(check.damages), check.read_bytes)
