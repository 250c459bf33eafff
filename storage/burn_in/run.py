"""Burn a volume's disk in: try it, look at it twice, judge, and keep the signed result on it.

docs/operations/burn-in.md. The volume is open, so nobody else writes to it. Decides nothing by
itself: proof.py tries, device.py asks, checks.py judges.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from monitoring.metrics import product_version
from storage.burn_in import result
from storage.burn_in.checks import Seen, examine
from storage.burn_in.device import Device
from storage.burn_in.proof import Trial
from storage.burn_in.result import BurnIn
from storage.signing import SigningKey
from storage.volume.events import timestamp
from storage.volume.refusals import VolumeFull
from storage.volume.volume import Volume


def burn_in(
    volume: Volume, key: SigningKey, size_bytes: int, progress: Callable[[int, int], None]
) -> BurnIn:
    """The result, kept beside the identity and in the journal.

    Raises VolumeFull if `size_bytes` do not fit beside the reserve, OSError as the disk does.
    """
    staging = volume.settings.staging
    free_bytes = volume.state().free_bytes
    if free_bytes < size_bytes:
        raise VolumeFull(
            f"{size_bytes} bytes are to be written and {free_bytes} are free beside the reserve: "
            "ask for less by --size-gib"
        )
    device = Device(staging)
    first, errors_before = device.facts(), device.error_count()
    proof = Trial(staging, size_bytes, device, progress).run()
    image = device.sparse_image()
    disk = os.statvfs(staging)
    seen = Seen(
        proof, first, Device(staging).facts(), device.mount(), disk.f_blocks * disk.f_frsize,
        device.write_cache(), device.has_fua(), device.has_journal(), errors_before,
        device.error_count(), str(image or ""),
    )  # fmt: skip  # what was seen, in the order of its members
    burned = _judged(volume, seen)
    sha256 = result.keep(volume.root, burned, key)
    volume.note_burn_in(burned.outcome, sha256)
    return burned


def _judged(volume: Volume, seen: Seen) -> BurnIn:
    examined = examine(seen)
    fails = any(each.outcome == "failed" for each in examined)
    return BurnIn(
        result.RESULT_FORMAT,
        volume.identity.node_uuid,
        volume.identity.node,
        timestamp(datetime.now(UTC)),
        product_version(),
        os.uname().release,
        "failed" if fails else "passed",
        volume.verify_mode.value,
        seen.proof.tested_bytes,
        seen.device,
        examined,
    )
