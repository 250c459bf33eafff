"""The workers that open packages: whether they are confined, and what one is told that kills one.

Attack catalogue, docs/decisions/0006. Opens nothing itself: prepare.py does, inside a worker.
"""

from ingest_watch.findings import PackageRejected
from ingest_watch.opening_rules import KILLED_THE_READER
from ingest_watch.preparation import Job, Preparation
from ingest_watch.prepare import prepare, refused, take_up
from ingest_watch.workers import WorkerDied, Workers, WorkersUnconfined
from monitoring.log import get_log

log = get_log(__name__)


class PackageReaders:
    """Prepares packages in confined processes."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lacking: tuple[str, ...] = ()

    async def begin(self, *, unconfined_allowed: bool) -> None:
        """Find out whether this machine can confine them. Raises WorkersUnconfined."""
        self._lacking = await self._workers.lacking()
        if not self._lacking:
            log.info("intake.workers.confined", processes=self._workers.processes)
            return
        lacking = ", ".join(self._lacking)
        if not unconfined_allowed:
            raise WorkersUnconfined(
                f"this machine cannot give the readers of packages {lacking}: use a kernel with "
                "seccomp filters, or accept it by unconfined_workers_allowed = true in [ingest]"
            )
        log.warning("intake.workers.unconfined", lacking=lacking)

    @property
    def status(self) -> str:
        """One sentence on how they are confined and how they fare."""
        workers = self._workers
        held = f"WITHOUT {', '.join(self._lacking)}" if self._lacking else "confined"
        return f"{workers.processes} processes, {held}, {workers.deaths} died"

    @property
    def deaths(self) -> int:
        """How many of them died under a package."""
        return self._workers.deaths

    async def prepare(self, job: Job) -> Preparation:
        """Prepare the package; one that kills its reader twice is refused for that."""
        try:
            return await self._workers.run(prepare, job)
        except WorkerDied as death:
            return refused(job, PackageRejected(KILLED_THE_READER.found(cause=death.cause)))

    async def take_up(self, job: Job) -> Preparation:
        """Take up what was prepared before. Raises WorkerDied, too: it was readable once."""
        return await self._workers.run(take_up, job)
