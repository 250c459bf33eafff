"""The processes that open packages for the intake, and what each package is opened and judged with.

Each lane has processes of its own; one process tells formats for all of them. Decides nothing:
ingest_watch/prepare.py does.
"""

from collections.abc import Mapping
from dataclasses import replace

from daemon.config import Ingest
from daemon.lifecycle import Opening
from ingest_watch.format_identification import FormatService, identifier_kind
from ingest_watch.lanes import Priority
from ingest_watch.package_readers import PackageReaders
from ingest_watch.preparation import Job, Preparation
from ingest_watch.reader_kind import reader_kind
from ingest_watch.reader_services import ReaderServices
from ingest_watch.scope_table import ScopeTableFile
from ingest_watch.workers import Workers


async def open_lanes(settings: Ingest, opening: Opening) -> "LaneReaders":
    """Processes for each lane that has sources."""
    processes = {
        Priority.DAILY: settings.workers,
        Priority.BACKLOG: settings.backlog_workers,
    }
    priorities = {source.name: Priority(source.priority) for source in settings.sources}
    identifier = Workers(1, identifier_kind())
    opening.stack.callback(identifier.close)
    services = ReaderServices(FormatService(identifier), settings.clamd_socket)
    readers = {
        priority: await _open_readers(settings, opening, processes[priority], services)
        for priority in sorted(set(priorities.values()))
    }
    return LaneReaders(settings, identifier, readers, priorities)


async def _open_readers(
    settings: Ingest, opening: Opening, processes: int, services: ReaderServices
) -> PackageReaders:
    kind = reader_kind(settings.opening_hours_per_tebibyte)
    workers = Workers(processes, kind, services.answer)
    opening.stack.callback(workers.close)
    readers = PackageReaders(workers)
    await readers.begin(unconfined_allowed=settings.unconfined_workers_allowed)
    return readers


class LaneReaders:
    """Opens each package in the processes of its source's lane."""

    def __init__(
        self,
        settings: Ingest,
        identifier: Workers,
        readers: Mapping[Priority, PackageReaders],
        priorities: Mapping[str, Priority],
    ) -> None:
        self._identifier = identifier
        self._readers = readers
        self._priorities = priorities
        self._settings = settings
        self.scopes = {
            source.name: ScopeTableFile(source.name, source.scope_table)
            for source in settings.sources
            if source.scope_table is not None
        }

    @property
    def status(self) -> str:
        """One sentence for each lane."""
        return "; ".join(f"{lane}: {readers.status}" for lane, readers in self._readers.items())

    @property
    def deaths(self) -> Mapping[str, int]:
        """How many processes died under a package since the start, by what they were for."""
        return {
            "reader": sum(readers.deaths for readers in self._readers.values()),
            "identifier": self._identifier.deaths,
        }

    async def prepare(self, job: Job) -> Preparation:
        """Prepare a package."""
        return await self._of(job).prepare(self._equipped(job))

    async def take_up(self, job: Job) -> Preparation:
        """Take up what was prepared before."""
        return await self._of(job).take_up(self._equipped(job))

    def _of(self, job: Job) -> PackageReaders:
        return self._readers[self._priorities[job.source]]

    def _equipped(self, job: Job) -> Job:
        """The job with what the role knows: the scope table as it is now, scanner, reserve."""
        table = self.scopes.get(job.source)
        scope = None if table is None else table.current()
        return replace(
            job,
            scope=scope,
            has_scanner=self._settings.clamd_socket is not None,
            staging_reserve_bytes=self._settings.staging_reserve_bytes,
        )
