"""The intake's dispatch notes: the part that compares them, and the verb that closes one.

docs/formats/tally.md, docs/operations/control.md. Joins ingest_watch/tally to the role; one source
whose folders cannot be read is in no other's way.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from daemon.config import Source
from daemon.control import ControlRefused, Request
from daemon.lifecycle import Part
from ingest_watch.delivery import SourceFolders
from ingest_watch.desks import Serves
from ingest_watch.tally.answer import answer_of, members_of
from ingest_watch.tally.desk import TallyDesk, TallyFolders
from monitoring.log import get_log
from storage.catalogue import dispatch_notes
from storage.catalogue.model import Actor
from storage.catalogue.writer import CatalogueWriter

log = get_log(__name__)

_ROUND_S = 5.0
_REASON_CHARACTERS_MAX = 500


class TallyParts:
    """One desk for each source."""

    def __init__(
        self,
        sources: Iterable[Source],
        folders: Mapping[str, SourceFolders],
        catalogue: CatalogueWriter,
        now: Callable[[], str],
        serves: Serves,
    ) -> None:
        self._catalogue = catalogue
        self._now = now
        self._serves = serves
        self._desks = {
            source.name: TallyDesk(
                _tally_folders(folders[source.name]), catalogue, now, time.monotonic
            )
            for source in sources
        }

    def verbs(self) -> dict[str, Callable[[Request], Awaitable[Any]]]:
        """Verb → what carries it out."""
        return {"tally-close": self._close}

    async def run(self, part: Part) -> None:
        """Round after round, for ever."""
        while True:
            open_notes = 0
            with part.patient("Comparing dispatch notes"):
                for source, desk in self._desks.items():
                    open_notes += await self._round(source, desk)
            part.beat(f"{open_notes} dispatch notes open")
            await part.pause(_ROUND_S)

    async def _close(self, request: Request) -> dict[str, Any]:
        """Close a note with its gap."""
        reason = request.text("reason")
        if not reason.strip() or len(reason) > _REASON_CHARACTERS_MAX:
            raise ControlRefused(f"a reason has 1 to {_REASON_CHARACTERS_MAX} characters")
        actor = Actor(request.caller.user_name, "control socket")
        source, name = request.text("source"), request.text("name")
        note = await self._catalogue.do(
            dispatch_notes.close, source, name, reason, actor, self._now()
        )
        return members_of(answer_of(note, ()))

    async def _round(self, source: str, desk: TallyDesk) -> int:
        try:
            return await desk.round() if await self._serves(source) else 0
        except OSError as error:
            log.warning("tally.round.failed", source=source, error=str(error))
            return 0


def _tally_folders(folders: SourceFolders) -> TallyFolders:
    return TallyFolders(folders.name, folders.drop, folders.returned, folders.accepted)
