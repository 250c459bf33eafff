"""Hold the pace of a pass while it runs: grant, measure, yield, pause.

pace.py decides how much; this reads the clocks and the load, tells the processes, and measures how
fast it really goes.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from monitoring.log import get_log
from storage.sweep.cycle import CycleRun
from storage.sweep.forecast import Speed, SpeedMeter
from storage.sweep.listing import held_by_class
from storage.sweep.model import SweptVolume, Work, rfc3339
from storage.sweep.pace import UNLIMITED, Allowance, Courtesy, is_open
from storage.sweep.plan import SweepSettings, rate_needed, read_rate
from storage.sweep.worker import SweepControls

log = get_log(__name__)

_TICK_S = 0.05
# The pace follows what has been stored since.
_PREPARE_EVERY_S = 60.0


class Pacing:
    """One sweeper's. Called from the event loop, `speed` from threads too."""

    def __init__(
        self,
        volume: SweptVolume,
        settings: SweepSettings,
        controls: SweepControls,
        now: Callable[[], datetime],
    ) -> None:
        self._volume = volume
        self._settings = settings
        self._controls = controls
        self._now = now
        self._rate = 0
        self._too_slow = False
        self._urgent = False  # the deadline is in danger: nobody is yielded to
        self._bytes = Allowance()
        self._files = Allowance()
        self._courtesy = Courtesy(settings.patience)
        self._meter = SpeedMeter()
        # By a clock that nobody sets: a pause must end however the time of day is corrected.
        self._pause_ends_s: float | None = None

    def pause(self, for_s: float) -> None:
        """Let nothing be read for so long, or until `resume`."""
        self._pause_ends_s = time.monotonic() + for_s

    def resume(self) -> None:
        """Let it go on."""
        self._pause_ends_s = None

    def paused_until_text(self) -> str | None:
        """RFC 3339; None when nobody has paused the sweep."""
        ends_s = self._pause_ends_s
        left_s = 0.0 if ends_s is None else ends_s - time.monotonic()
        return rfc3339(self._now() + timedelta(seconds=left_s)) if left_s > 0 else None

    def speed(self, held: dict[str, Work]) -> Speed:
        """What is to be expected of the hours to come."""
        planned = self._rate or read_rate(self._settings, held)
        files = self._settings.read_files_per_second_max
        return Speed(self._meter.bytes_per_second(planned), float(files) if files else None)

    async def prepare(self) -> None:
        """Set the pace by what is held now."""
        held = await asyncio.to_thread(held_by_class, self._volume, self._settings)
        self._rate = read_rate(self._settings, held)
        needed = rate_needed(self._settings, held)
        if self._rate < needed and not self._too_slow:
            log.warning("sweep.pace.too_slow", rate_bytes_s=self._rate, needed_bytes_s=needed)
        self._too_slow = self._rate < needed

    def hurry(self, *, urgent: bool) -> None:
        """Whether some class is about to miss its deadline."""
        self._urgent = urgent

    async def run(self, run: CycleRun) -> None:
        """Until it is cancelled."""
        prepared_s = time.monotonic()
        self._meter.interrupt()
        while True:
            if time.monotonic() - prepared_s > _PREPARE_EVERY_S:
                prepared_s = time.monotonic()
                await self.prepare()
            self._grant(run)
            await asyncio.sleep(_TICK_S)

    def _grant(self, run: CycleRun) -> None:
        now_s, now = time.monotonic(), self._now()
        if self._pause_ends_s is not None and self._pause_ends_s <= now_s:
            log.info("sweep.pause.ended")
            self.resume()
        goes = self._pause_ends_s is None and is_open(self._settings.windows, now.astimezone())
        share = self._courtesy.share(now_s, self._volume.foreground(), urgent=self._urgent)
        rate = self._rate * share if goes else 0.0
        run.bytes_per_second = max(rate, 1.0)
        read_bytes, opened_files = self._controls.read_bytes(), self._controls.opened_files()
        granted_bytes = self._bytes.grant(now_s, rate, read_bytes)
        cap = self._settings.read_files_per_second_max
        granted_files = self._files.grant(now_s, cap * share, opened_files) if cap else UNLIMITED
        self._controls.grant(granted_bytes, granted_files)
        self._meter.measure(now_s, read_bytes, let_go=goes and run.reads_objects)
