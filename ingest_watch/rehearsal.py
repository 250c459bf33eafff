"""Rehearsal (联调): what lies in `.rehearsal/` of a drop folder is judged and told, never taken.

docs/formats/answers.md, "Rehearsal". It settles like any entry and is opened by the same worker
under the same profile; the answers are samples that no key has signed. It needs no transfer: to
judge it once more after a restart harms nobody. The sender's copy is only read.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest_watch.answer_files import BODY, OTHERS, REGISTRATION, place_of
from ingest_watch.answers import TransferFacts
from ingest_watch.drop_folder import DropFolder
from ingest_watch.findings import shown
from ingest_watch.preparation import Changed, Job, NoRoom, Preparation, Profile
from ingest_watch.return_folder import REHEARSAL, folder_beneath
from ingest_watch.samples import Judged, sample_files, verdict_of
from ingest_watch.settle import Observation, Scan, Settler, SettleRule, Unavailable, Waiting
from monitoring.log import get_log
from storage.catalogue.model import AnswerKind
from storage.durable import write_whole_files
from storage.errors import LantaiError

log = get_log(__name__)

# Where a transfer's number stands in real answers.
_NO_TRANSFER = "rehearsal"
_SAMPLE_MODE = 0o644
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
    rule: SettleRule
    profile: Profile
    platform_receipts: bool = False

    @property
    def folder(self) -> Path:
        """Where the sender puts what is to be tried."""
        return self.drop / REHEARSAL

    @property
    def work(self) -> Path:
        """One package at a time is opened here."""
        return self.staging / REHEARSAL / self.name


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
        self._state_file = source.staging / REHEARSAL / f"{source.name}.json"
        self._folder = DropFolder(source.folder, self._state_file, source.rule)
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
        self._state_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scan = self._folder.scan()
        if isinstance(scan, Unavailable):
            # Not there, or made anew: nobody's custody hangs on which folder this is.
            self._state_file.unlink(missing_ok=True)
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
            package = await self._prepare(job)
            if isinstance(package, Changed | NoRoom):
                return False
            await asyncio.to_thread(self._tell, job.name, package)
        except (LantaiError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.code
            log.error("intake.rehearsal.failed", source=source.name, reason=reason)
        else:
            verdict = verdict_of(package)
            log.info("intake.rehearsal.judged", source=source.name, verdict=verdict)
        finally:
            await asyncio.to_thread(shutil.rmtree, source.work, ignore_errors=True)
        self._judged[seen.name] = seen.fingerprint or ""
        return True

    def _tell(self, name: str, package: Judged) -> None:
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
            unit=source.unit,
            rehearsal=True,
        )
        files = sample_files(package, facts, with_platform_receipt=source.platform_receipts)
        with folder_beneath(source.returned, (REHEARSAL,)) as folder:
            _replace(folder, place_of(name).stem, files)


def _replace(folder: Path, stem: str, files: Mapping[str, bytes]) -> None:
    """Write the samples, and remove those of an earlier rehearsal that say otherwise."""
    endings = (BODY, *OTHERS)
    possible = {f"{stem}.{kind}{end}" for kind in AnswerKind for end in endings}
    for name in (possible | {f"{stem}{REGISTRATION}"}) - files.keys():
        (folder / name).unlink(missing_ok=True)
    write_whole_files(folder, files, mode=_SAMPLE_MODE)
