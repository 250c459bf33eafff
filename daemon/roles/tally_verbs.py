"""The verb `tally` of the api: open dispatch notes and their gaps (docs/formats/tally.md).

docs/operations/control.md. Reads only.
"""

from collections.abc import Callable
from typing import Any

from daemon.control import Request
from daemon.roles.records import Look
from ingest_watch.tally.answer import answer_of, members_of
from storage.catalogue import dispatch_notes
from storage.catalogue.dispatch_notes import Note

_GAP_MAX = 100


class TallyVerbs:
    """What the verb answers, as JSON values."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def verbs(self) -> dict[str, Callable[[Request], Any]]:
        """Verb → what answers it."""
        return {"tally": self.tally}

    async def tally(self, request: Request) -> dict[str, Any]:
        """The open notes of one source, or of all, each with the beginning of its gap."""
        source = request.text("source", "") or None
        notes = await self._look(dispatch_notes.open_notes, source)
        return {"notes": [await self._with_gap(note) for note in notes]}

    async def _with_gap(self, note: Note) -> dict[str, Any]:
        gap = await self._look(dispatch_notes.gap, note, _GAP_MAX + 1)
        return members_of(answer_of(note, gap, _GAP_MAX))
