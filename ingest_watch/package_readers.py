"""The workers that open packages: how they are confined, and what a package that kills one is told.

Attack catalogue, docs/decisions/0006. Opens nothing itself: prepare.py does, inside a worker.
"""

from ingest_watch.confinement import Confinement
from ingest_watch.findings import PackageRejected
from ingest_watch.limits import DEFAULT_LIMITS, MEBIBYTE
from ingest_watch.opening_rules import KILLED_THE_READER
from ingest_watch.preparation import Job, Preparation
from ingest_watch.prepare import prepare, refused, take_up
from ingest_watch.worker_process import Allowance
from ingest_watch.workers import WorkerDied, WorkerKind, Workers, WorkersUnconfined
from monitoring.log import get_log

log = get_log(__name__)

_HOUR_S = 3600
_MINUTE_S = 60


def reader_kind(hours_per_tebibyte: float, *, unix_sockets: bool = False) -> WorkerKind:
    """What a process that opens packages is left with, and what each package may use.

    `unix_sockets` only where there is a clamd to hand files to.
    """
    return WorkerKind(
        "reader",
        # Flat from some ten thousand files on: 60 to 80 MiB.
        Confinement(memory_bytes=128 * MEBIBYTE, open_files=512, unix_sockets=unix_sockets),
        Allowance(
            time_s=30 * _MINUTE_S,
            time_s_per_tebibyte=hours_per_tebibyte * _HOUR_S,
            processor_s=10 * _MINUTE_S,
            processor_s_per_tebibyte=2 * _HOUR_S,
            # Beside the package: its listing and file lists, which grow with its files.
            output_bytes=4096 * MEBIBYTE,
            content_bytes_max=DEFAULT_LIMITS.content_bytes_max,
        ),
        preload=("ingest_watch.prepare",),
    )


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

    async def prepare(self, job: Job) -> Preparation:
        """Prepare the package; one that kills its reader twice is refused for that."""
        try:
            return await self._workers.run(prepare, job)
        except WorkerDied as death:
            return refused(job, PackageRejected(KILLED_THE_READER.found(cause=death.cause)))

    async def take_up(self, job: Job) -> Preparation:
        """Take up what was prepared before. Raises WorkerDied, too: it was readable once."""
        return await self._workers.run(take_up, job)
