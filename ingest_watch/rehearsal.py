"""Rehearsal (联调): what lies in `.rehearsal/` of a drop folder is judged and told, never taken.

docs/formats/answers.md, "Rehearsal". It settles like any entry and is opened by the same worker
under the same profile; the answers are samples that no key has signed. It needs no transfer: to
judge it once more after a restart harms nobody. The sender's copy is only read.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ingest_watch.answer_files import BODY, OTHERS, REGISTRATION, place_of
from ingest_watch.answers import PartOutcome, TransferFacts
from ingest_watch.checks.report import Verdict
from ingest_watch.drop_folder import DropFolder
from ingest_watch.findings import shown
from ingest_watch.formats.registry import part_formats
from ingest_watch.object_builder import CONTENT
from ingest_watch.preparation import (
    Acceptable,
    Changed,
    Job,
    NoRoom,
    PartBytes,
    Preparation,
    Profile,
)
from ingest_watch.return_folder import REHEARSAL, folder_beneath
from ingest_watch.samples import Judged, sample_files, verdict_of
from ingest_watch.settle import Observation, Scan, Settler, SettleRule, Unavailable, Waiting
from monitoring.log import get_log
from storage.catalogue.model import AnswerKind
from storage.crash_point import crash_point
from storage.durable import write_whole_files
from storage.errors import LantaiError
from storage.file_list import RECEIVED_PREFIX

log = get_log(__name__)

# Where a transfer's number stands in real answers.
_NO_TRANSFER = "rehearsal"
_SAMPLE_MODE = 0o644
# The code of a part that this machine had no room or no access for.
_NOT_TRIED = "not-tried"
_TO_THE_SECOND = len("2026-11-22T08:00:00")


@dataclass(frozen=True, slots=True)
class RehearsalSource:
    """One sender: what it promised, and where its rehearsals lie and are answered."""

    archive: str
    name: str
    unit: str | None
    drop: Path
    returned: Path
    staging: Path
    state_file: Path  # which folder `.rehearsal/` is, as for drop folders
    rule: SettleRule
    profile: Profile
    platform_receipts: bool = False
    awaits_registration: bool = False

    @property
    def folder(self) -> Path:
        """Where the sender puts what is to be tried."""
        return self.drop / REHEARSAL

    @property
    def work(self) -> Path:
        """One package at a time is opened here."""
        return self.staging / f"{REHEARSAL}-{self.name}"


class Rehearsals:
    """Judges what one sender wants to have tried, one package at a time."""

    def __init__(
        self,
        source: RehearsalSource,
        prepare: Callable[[Job], Awaitable[Preparation]],
        now: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._prepare = prepare
        self._now = now
        self._clock = clock
        self._folder = DropFolder(source.folder, source.state_file, source.rule)
        self._settler = Settler(source.rule)
        self._judged: dict[bytes, str] = {}

    async def look(self) -> int:
        """Answer whatever is whole and was not answered as it is now; return how many."""
        scan = await asyncio.to_thread(self._scan)
        settled = self._settler.look(scan, self._clock())
        judged = 0
        for outcome in settled.outcomes:
            seen = outcome.observation
            is_known = self._judged.get(seen.name) == seen.fingerprint
            if not isinstance(outcome, Waiting) and not is_known:
                judged += await self._try(seen)
        return judged

    def _scan(self) -> Scan | Unavailable:
        # One package at a time: what is there now was left behind by a killed intake.
        shutil.rmtree(self._source.work, ignore_errors=True)
        scan = self._folder.scan()
        if isinstance(scan, Unavailable):
            # Not there, or made anew: nobody's custody hangs on which folder this is.
            self._source.state_file.unlink(missing_ok=True)
        return scan

    async def _try(self, seen: Observation) -> bool:
        """Judge one entry and tell its sender; False when it must be looked at again."""
        source = self._source
        job = Job(
            archive=source.archive,
            source=source.name,
            name_raw=seen.name,
            name=shown(os.fsdecode(seen.name)),
            drop=source.folder,
            work=source.work,
            received_at=self._now()[:_TO_THE_SECOND] + "Z",
            profile=source.profile,
        )
        try:
            verdict = await self._rehearse(job)
            if verdict is None:
                return False
        except (LantaiError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.code
            log.error("intake.rehearsal.failed", source=source.name, reason=reason)
        else:
            log.info("intake.rehearsal.judged", source=source.name, verdict=verdict)
        finally:
            await asyncio.to_thread(shutil.rmtree, source.work, ignore_errors=True)
        self._judged[seen.name] = seen.fingerprint or ""
        return True

    async def _rehearse(self, job: Job) -> Verdict | None:
        """Judge, tell, and say how it ended; None when it cannot be judged now."""
        package = await self._prepare(job)
        if isinstance(package, Changed | NoRoom):
            return None
        parts = package.parts if isinstance(package, Acceptable) else ()
        outcomes = [await self._rehearse_part(job, part) for part in parts]
        crash_point("rehearsal.judged")
        await asyncio.to_thread(self._tell, job.name, package, tuple(outcomes))
        crash_point("rehearsal.told")
        return verdict_of(package)

    async def _rehearse_part(self, batch: Job, part: PartBytes) -> PartOutcome:
        """The same for one part of a batch that passed; it is told in the batch's folder."""
        staged, name = batch.work / CONTENT / RECEIVED_PREFIX / part.path, shown(part.path)
        job = replace(
            batch,
            name_raw=os.fsencode(staged.name),
            name=name,
            drop=staged.parent,
            work=batch.work / "part",
            profile=replace(batch.profile, formats=part_formats(batch.profile.formats)),
            part_of=batch.name,
            wanted_sha256=part.sha256,
        )
        package = await self._prepare(job)
        if isinstance(package, Changed | NoRoom):
            return PartOutcome(name, "rejected", None, None, _NOT_TRIED)
        await asyncio.to_thread(self._tell, f"{batch.name}/{name}", package)
        said = package.facts
        if isinstance(package, Acceptable):
            return PartOutcome(name, "stored", said.identifier, said.object_id, None)
        code = package.reasons[0].code
        return PartOutcome(name, "rejected", said.identifier, said.object_id, code)

    def _tell(self, name: str, package: Judged, parts: tuple[PartOutcome, ...] = ()) -> None:
        source, said = self._source, package.facts
        facts = TransferFacts(
            archive=source.archive,
            source=source.name,
            name=name,
            transfer=_NO_TRANSFER,
            at=self._now(),
            identifier=said.identifier,
            identity=said.identity,
            object_id=said.object_id,
            file_count=said.file_count,
            content_bytes=said.content_bytes,
            matter=said.matter,
            record_class=said.record_class,
            retention=said.retention,
            unit=source.unit,
            rehearsal=True,
            parts=parts,
            awaits_registration=source.awaits_registration,
        )
        place = place_of(name)
        files = sample_files(package, facts, with_platform_receipt=source.platform_receipts)
        with folder_beneath(source.returned, (REHEARSAL, *place.folders)) as folder:
            _replace(folder, place.stem, files)


def _replace(folder: Path, stem: str, files: Mapping[str, bytes]) -> None:
    """Write the samples, and remove those of an earlier rehearsal that say otherwise."""
    endings = (BODY, *OTHERS)
    possible = {f"{stem}.{kind}{end}" for kind in AnswerKind for end in endings}
    for name in (possible | {f"{stem}{REGISTRATION}"}) - files.keys():
        (folder / name).unlink(missing_ok=True)
    write_whole_files(folder, files, mode=_SAMPLE_MODE)
