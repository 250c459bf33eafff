"""How long those who read and store wait for this disk: what the sweep yields to.

knowledge, durability §2.3. A moving mean, forgotten when nobody has asked for a while. Measures
only; whether that is too long is storage/sweep/pace.py's affair.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from storage.sweep.model import ForegroundLoad

# Weight of the newest of the measurements.
_WEIGHT = 0.2
# Nobody asked for so long: nobody waits.
_QUIET_S = 2.0


class ForegroundMeter:
    """Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._reads = _Mean()
        self._commits = _Mean()
        self._io_errors = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around one read that somebody waits for; counts what the disk refuses."""
        with self._measured(self._reads):
            try:
                yield
            except OSError:
                with self._lock:
                    self._io_errors += 1
                raise

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Around the commit of one group."""
        with self._measured(self._commits):
            yield

    def load(self) -> ForegroundLoad:
        """As it is now."""
        now_s = self._clock()
        with self._lock:
            return ForegroundLoad(self._reads.at(now_s), self._commits.at(now_s))

    def io_errors(self) -> int:
        """Reads that the disk refused, since the volume was opened."""
        with self._lock:
            return self._io_errors

    @contextmanager
    def _measured(self, mean: "_Mean") -> Iterator[None]:
        began_s = self._clock()
        try:
            yield
        finally:
            ended_s = self._clock()
            with self._lock:
                mean.add(ended_s - began_s, ended_s)


class _Mean:
    def __init__(self) -> None:
        self._mean_s = 0.0
        self._at_s: float | None = None

    def add(self, seconds: float, at_s: float) -> None:
        if self.at(at_s) == 0:
            self._mean_s = seconds
        else:
            self._mean_s += _WEIGHT * (seconds - self._mean_s)
        self._at_s = at_s

    def at(self, now_s: float) -> float:
        quiet = self._at_s is None or now_s - self._at_s > _QUIET_S
        return 0.0 if quiet else self._mean_s
