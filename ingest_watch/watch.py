"""Hints that something happened in a drop folder. The only importer of watchdog.

A hint makes the next full scan come sooner, and nothing else: inotify sees nothing of what other
machines write over NFS or SMB, loses events in a storm, and dies with an unmounted share. So every
failure here only means that scans come at their usual interval. Watches the folder itself and not
what is in it: one watch, however large the packages are.
"""

import asyncio
import os
from pathlib import Path
from typing import Self

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from ingest_watch.folder_identity import polled_only
from ingest_watch.network_shares import reason_to_poll
from ingest_watch.safe_open import FOLDER_FLAGS
from monitoring.log import get_log

log = get_log(__name__)

# Not among them: opening and reading, which our own scans do.
_WORTH_A_LOOK: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
]


class FolderWatch:
    """Watches one drop folder. Use as `async with`, then await `hint` before each scan."""

    def __init__(self, folder: Path, *, polling: bool = False, pause_s: float = 1.0) -> None:
        """`polling`: the site says that no events come. `pause_s`: hints come no more often."""
        self._folder = folder
        self._pause_s = pause_s
        self._hinted = asyncio.Event()
        self._observer: BaseObserver | None = None
        self._polling_ordered = polling
        self.polling_because: str | None = "not started"

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self.renew()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._stop)

    async def hint(self, timeout_s: float) -> bool:
        """Wait for a hint, at least the pause and at most `timeout_s`; True if one came."""
        await asyncio.sleep(self._pause_s)
        if self.polling_because is None and not self._is_alive():
            self._poll("the watch ended")
        try:
            async with asyncio.timeout(max(0.0, timeout_s - self._pause_s)):
                await self._hinted.wait()
        except TimeoutError:
            return False
        self._hinted.clear()
        return True

    async def renew(self) -> None:
        """Watch anew: at the start, and whenever the folder was unavailable and is there again.

        A watch belongs to what was mounted when it was made.
        """
        await asyncio.to_thread(self._renew)

    def _renew(self) -> None:
        self._stop()
        try:
            reason = self._reason_to_poll()
            if reason is None:
                self._start()
        except OSError as error:
            self._stop()
            reason = error.strerror or str(error)
        if reason is None:
            self.polling_because = None
        else:
            self._poll(reason)

    def _reason_to_poll(self) -> str | None:
        if self._polling_ordered:
            return "configured"
        reason = reason_to_poll(self._folder)
        if reason is not None:
            return reason
        descriptor = os.open(self._folder, FOLDER_FLAGS)
        try:
            return polled_only(descriptor)  # where /proc is hidden from us
        finally:
            os.close(descriptor)

    def _start(self) -> None:
        self._observer = Observer()
        # Started first: then a watch that cannot be made raises here, and not in a thread.
        self._observer.start()
        self._observer.schedule(
            _Forward(self._loop, self._hinted),
            str(self._folder),
            recursive=False,
            event_filter=_WORTH_A_LOOK,
        )

    def _stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _is_alive(self) -> bool:
        observer = self._observer
        return observer is not None and all(emitter.is_alive() for emitter in observer.emitters)

    def _poll(self, reason: str) -> None:
        if reason != self.polling_because:
            log.info("watch.polling", folder=str(self._folder), reason=reason)
        self.polling_because = reason


class _Forward(FileSystemEventHandler):
    """Carries an event from watchdog's thread to the loop, as one bit."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hinted: asyncio.Event) -> None:
        self._loop = loop
        self._hinted = hinted

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not self._hinted.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hinted.set)
