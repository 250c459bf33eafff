"""Whether this volume takes writes, and why not.

docs/formats/volume.md: an error of the kernel or a difference in a read-back stops writing until
a clean self-test. Reading is never stopped by it.
"""

import threading

from monitoring.log import get_log
from storage.volume.refusals import VolumeReadOnly

log = get_log(__name__)


class Gate:
    """Open while the volume may be written. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._waits_for_room = False

    @property
    def waits_for_room(self) -> bool:
        """Whether all that is wrong is a full disk: then a test may open it without a person."""
        with self._lock:
            return self._reason is not None and self._waits_for_room

    @property
    def reason(self) -> str | None:
        """Why the volume is read-only; None while it is not."""
        with self._lock:
            return self._reason

    def shut(self, reason: str, *, for_room: bool = False) -> None:
        """Stop writing. The first reason stays, unless that was only a full disk."""
        with self._lock:
            if self._reason is not None and (for_room or not self._waits_for_room):
                return
            self._reason, self._waits_for_room = reason, for_room
        log.error("volume.read-only", reason=reason)

    def open(self) -> None:
        """Writing may go on: the self-test was clean and the volume was recovered."""
        with self._lock:
            self._reason = None

    def check(self) -> None:
        """Raises VolumeReadOnly while the gate is shut."""
        reason = self.reason
        if reason is not None:
            raise VolumeReadOnly(
                f"this volume takes no writes: {reason}. Replace the disk, or restart the node "
                "once its cause is gone: it opens after a clean self-test"
            )
