"""A batch and its parts: one drop entry with many packages, each with a transfer of its own.

docs/formats/case-batch.md, docs/decisions/0008. The batch is judged as a whole (its directory
against its files), rests while its parts are judged, stored and answered one by one, and is stored
last: its own object keeps the directory and the list of parts, not the parts again. Opens nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ingest_watch.answers import PartOutcome
from ingest_watch.findings import shown
from ingest_watch.formats.registry import part_formats
from ingest_watch.object_builder import CONTENT
from ingest_watch.preparation import Acceptable, Job, PartBytes
from storage.catalogue import batches
from storage.catalogue.model import Arrival, Transfer, TransferState
from storage.catalogue.transitions import DECIDED
from storage.catalogue.writer import CatalogueWriter
from storage.crash_point import crash_point
from storage.file_list import RECEIVED_PREFIX


class Batches:
    """Divides batches, and says what became of their parts."""

    def __init__(self, catalogue: CatalogueWriter, now: Callable[[], str]) -> None:
        self._catalogue = catalogue
        self._now = now

    async def outcomes(self, transfer: Transfer, package: Acceptable) -> list[PartOutcome] | None:
        """What became of each part; None while one has not come to its end."""
        parts = await self._catalogue.look(batches.parts_of, transfer.id)
        ended = [part for part in parts if part.state in DECIDED]
        if len(ended) < max(len(parts), len(package.parts)):
            return None
        return [_outcome(part) for part in ended]

    async def divide(self, transfer: Transfer, package: Acceptable) -> None:
        """Make transfers of the parts; the batch rests. May be repeated."""
        arrivals = [_arrival(transfer, part) for part in package.parts]
        await self._catalogue.do(batches.divide, transfer.claim, arrivals, self._now())
        crash_point("batch.divided")

    async def open_again(self, batch_id: int) -> None:
        """Have the batch opened again: the bytes of a part are no longer there."""
        await self._catalogue.do(batches.rejoin, batch_id, self._now())


def part_job(job: Job, transfer: Transfer, batch_work: Path) -> Job:
    """Turn the job of a part into one that reads the staged batch at `batch_work`."""
    batch, _, path = transfer.name.partition("/")
    staged = batch_work / CONTENT / RECEIVED_PREFIX / _path_of(transfer)
    return replace(
        job,
        drop=staged.parent,
        name_raw=staged.name.encode(),
        name=path,
        profile=replace(job.profile, formats=part_formats(job.profile.formats)),
        part_of=batch,
        wanted_sha256=transfer.fingerprint,
    )


def _path_of(transfer: Transfer) -> str:
    _, _, path = transfer.name_raw.partition(b"/")
    return path.decode()


def _arrival(batch: Transfer, part: PartBytes) -> Arrival:
    return Arrival(
        source=batch.source,
        name=f"{batch.name}/{shown(part.path)}",
        name_raw=batch.name_raw + b"/" + part.path.encode(),
        fingerprint=part.sha256,
        batch_id=batch.id,
    )


def _outcome(part: Transfer) -> PartOutcome:
    return PartOutcome(
        name=part.name.partition("/")[2],
        outcome="rejected" if part.state is TransferState.REJECTED else "stored",
        identifier=part.identifier,
        object_id=part.object_id,
        code=part.outcome_code,
    )
