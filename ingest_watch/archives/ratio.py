"""Stop a decompression bomb by what really comes out of it.

Attack catalogue A25: at most 1000 bytes out for one in, of one entry, and 100 over the whole.
"""

from ingest_watch.findings import PackageRejected
from ingest_watch.limits import IntakeLimits
from ingest_watch.opening_rules import RATIO, TOO_LARGE


class RatioGuard:
    """Counts output against input. Declared sizes are never asked."""

    def __init__(self, limits: IntakeLimits, archive_bytes: int) -> None:
        self._limits = limits
        self._archive_bytes = max(1, archive_bytes)
        self._output_bytes = 0
        self._path: str | None = None
        self._entry_bytes = 1
        self._entry_output_bytes = 0

    def begin(self, path: str, compressed_bytes: int) -> None:
        """Start counting another entry."""
        self._path = path
        self._entry_bytes = max(1, compressed_bytes)
        self._entry_output_bytes = 0

    def count(self, output_bytes: int) -> None:
        """Count some output; raises PackageRejected once there is too much of it."""
        limits = self._limits
        self._output_bytes += output_bytes
        self._entry_output_bytes += output_bytes
        if self._output_bytes > limits.content_bytes_max:
            raise PackageRejected(TOO_LARGE.found(self._path, limit=limits.content_bytes_max))
        if self._output_bytes <= limits.ratio_judged_above_bytes:
            return
        if self._output_bytes > self._archive_bytes * limits.archive_ratio_max:
            raise PackageRejected(RATIO.found(self._path, limit=limits.archive_ratio_max))
        if (
            self._path is not None
            and self._entry_output_bytes > limits.ratio_judged_above_bytes
            and self._entry_output_bytes > self._entry_bytes * limits.entry_ratio_max
        ):
            raise PackageRejected(RATIO.found(self._path, limit=limits.entry_ratio_max))
