"""The intake's figures for Prometheus, read from the catalogue and the staging disk.

Names and meanings are monitoring/metrics.py's. Measures only.
"""

import os
from collections.abc import Mapping

from daemon.config import Ingest
from daemon.roles.openings import utc_now
from ingest_watch.scope_table import ScopeTableFile
from monitoring.ingest_metrics import IngestMetrics
from monitoring.metrics import Totals
from storage.catalogue import dispatch_notes, figures, tallies, transfer_lists
from storage.catalogue.model import TransferState
from storage.catalogue.timestamps import to_moment
from storage.catalogue.writer import CatalogueWriter

# Of findings of check 2-9: what is held for one of these is outside its source's scope.
_SCOPE_CODES = "scope-"


class IngestFigures:
    """Brings the figures up to date, each time it is asked."""

    def __init__(
        self, metrics: IngestMetrics, catalogue: CatalogueWriter, settings: Ingest
    ) -> None:
        self._metrics = metrics
        self._catalogue = catalogue
        self._settings = settings
        self._totals = Totals()

    def drop_folder(self, source: str, *, available: bool) -> None:
        """Note whether a source's drop folder can be looked at."""
        self._metrics.drop_folder_available.labels(source).set(available)

    async def measure(self) -> str:
        """Set every figure; return a sentence for the status."""
        counts = await self._catalogue.look(transfer_lists.counts_of_open)
        for state, count in counts.items():
            self._metrics.transfers.labels(state).set(count)
        packages = 0
        holdings = await self._catalogue.look(tallies.holdings)
        self._know_sources()
        for held in holdings:
            raise_to = self._totals.raise_to
            raise_to(self._metrics.stored, held.packages, held.source)
            raise_to(self._metrics.rejected, held.rejected, held.source)
            raise_to(self._metrics.ingested_bytes, held.content_bytes, held.source)
            packages += held.packages
        await self._set_oldest()
        await self._set_scope()
        await self._set_progress()
        await self._set_tallies()
        disk = os.statvfs(self._settings.staging_folder)
        self._metrics.staging_free_bytes.set(disk.f_bavail * disk.f_frsize)
        self._metrics.staging_total_bytes.set(disk.f_blocks * disk.f_frsize)
        waiting = counts[TransferState.WAITING]
        return f"{packages} packages stored, {waiting} entries waiting"

    def scope_tables(self, files: Mapping[str, ScopeTableFile]) -> None:
        """Note which sources' scope-and-retention tables have a mistake."""
        for source, file in files.items():
            self._metrics.scope_table_refused.labels(source).set(bool(file.flaw))

    def reader_deaths(self, deaths: Mapping[str, int]) -> None:
        """Note how many processes that open packages have died, by kind."""
        for kind, count in deaths.items():
            self._totals.raise_to(self._metrics.reader_deaths, count, kind)

    async def _set_scope(self) -> None:
        held = await self._catalogue.look(transfer_lists.held_by_source, _SCOPE_CODES)
        for source in self._settings.sources:
            self._metrics.out_of_scope.labels(source.name).set(held.get(source.name, 0))

    def _know_sources(self) -> None:
        """Show every source from its first package on; not before the totals of old are known."""
        for source in self._settings.sources:
            for counter in (self._metrics.stored, self._metrics.rejected):
                counter.labels(source.name)
            self._metrics.ingested_bytes.labels(source.name)

    async def _set_progress(self) -> None:
        under_way = await self._catalogue.look(transfer_lists.unfinished)
        done = sum(each.bytes_done for each in under_way)
        total = sum(each.bytes_total or each.bytes_done for each in under_way)
        left = [transfer_lists.seconds_left(each) or 0 for each in under_way]
        self._metrics.bytes_under_way.labels("done").set(done)
        self._metrics.bytes_under_way.labels("left").set(max(0, total - done))
        self._metrics.bytes_per_second.set(sum(each.bytes_per_second or 0 for each in under_way))
        self._metrics.seconds_left_max.set(max(left, default=0))

    async def _set_tallies(self) -> None:
        """By source; a source without open notes has no gap."""
        gaps = await self._catalogue.look(dispatch_notes.gaps_by_source)
        known = {gap.source: gap for gap in gaps}
        for source in self._settings.sources:
            gap = known.get(source.name, dispatch_notes.SourceGap(source.name))
            counts, age_s = gap.counts, 0.0
            for kind, count in (
                ("missing", counts.missing), ("different", counts.different),
                ("surplus", counts.surplus), ("under-way", counts.under_way),
            ):  # fmt: skip
                self._metrics.tally_gap.labels(source.name, kind).set(count)
            if gap.oldest_taken_at is not None:
                age_s = (utc_now() - to_moment(gap.oldest_taken_at)).total_seconds()
            self._metrics.tally_oldest_open_seconds.labels(source.name).set(max(0.0, age_s))

    async def _set_oldest(self) -> None:
        oldest = await self._catalogue.look(figures.oldest_unanswered)
        age_s = 0.0 if oldest is None else (utc_now() - to_moment(oldest)).total_seconds()
        self._metrics.oldest_waiting_seconds.set(max(0.0, age_s))
        since = await self._catalogue.look(figures.oldest_unregistered)
        age_s = 0.0 if since is None else (utc_now() - to_moment(since)).total_seconds()
        self._metrics.oldest_unregistered_seconds.set(max(0.0, age_s))
