"""Who is committed together: a thread that collects sealed packages into groups.

docs/formats/volume.md, "Write order". A group closes at so many packages, so many bytes, or after
a few milliseconds; while one is in work the next collects by itself. What happens to a group is
group.py's affair.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from monitoring.log import get_log
from storage.model import SignedAnswer
from storage.volume.group import Outcome
from storage.volume.incoming import Incoming
from storage.volume.records import Condemn
from storage.volume.refusals import OperationClosed
from storage.volume.settings import VolumeSettings

log = get_log(__name__)

CommitGroup = Callable[[Sequence[Incoming]], dict[str, Outcome]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    member: Incoming
    future: Future[SignedAnswer]


class Committer:
    """Thread-safe. `commit_group` runs in this committer's own thread, one group at a time."""

    def __init__(
        self, settings: VolumeSettings, commit_group: CommitGroup, condemn: Condemn
    ) -> None:
        self._settings = settings
        self._commit_group = commit_group
        self._condemn = condemn
        self._lock = threading.Lock()
        self._ended: str | None = None
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(settings.operations_max + 1)
        self._thread = threading.Thread(target=self._run, name="volume-committer", daemon=True)
        self._thread.start()

    def submit(self, member: Incoming) -> Future[SignedAnswer]:
        """The answer to come. A sealed operation is submitted once."""
        future: Future[SignedAnswer] = Future()
        with self._lock:
            if self._ended is not None:
                raise OperationClosed(self._ended)
            self._waiting.put(_Waiting(member, future))
        return future

    def close(self) -> None:
        """Commit what was submitted, then end the thread."""
        with self._lock:
            self._ended = self._ended or "the volume was closed"
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._collect()
            if group:
                self._work_off(group)

    def _collect(self) -> tuple[list[_Waiting], bool]:
        """The next group, and whether there may be another one after it."""
        first = self._waiting.get()
        if first is None:
            return [], False
        group = [first]
        group_bytes = first.member.total_bytes
        until_s = monotonic() + self._settings.group_wait_s
        while (
            len(group) < self._settings.group_packages_max
            and group_bytes < self._settings.group_bytes_max
        ):
            try:
                waiting = self._waiting.get(timeout=max(0.0, until_s - monotonic()))
            except queue.Empty:
                break
            if waiting is None:
                return group, False
            group.append(waiting)
            group_bytes += waiting.member.total_bytes
        return group, True

    def _work_off(self, group: list[_Waiting]) -> None:
        """Answer every member, whatever happens; one that nobody waits for is left open."""
        wanted = [waiting for waiting in group if waiting.future.set_running_or_notify_cancel()]
        ready = [waiting for waiting in wanted if waiting.member.claim()]
        outcomes: dict[str, Outcome] = {}
        try:
            if ready:
                outcomes = self._commit_group([waiting.member for waiting in ready])
        except Exception as error:
            # A bug of ours: nobody may wait for an answer that will not come.
            log.exception("volume.committer.failed")
            closed = OperationClosed(f"committing failed: {error!r}")
            outcomes = {waiting.member.op_id: closed for waiting in wanted}
            self._condemn(closed)
        for waiting in wanted:
            closed = OperationClosed(f"operation {waiting.member.op_id} was closed meanwhile")
            outcome = outcomes.get(waiting.member.op_id, closed)
            if isinstance(outcome, SignedAnswer):
                waiting.future.set_result(outcome)
            else:
                waiting.future.set_exception(outcome)
