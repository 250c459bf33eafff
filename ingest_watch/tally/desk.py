"""Take in the dispatch notes of one source, hold them against what came, and answer them.

docs/formats/tally.md. Joins the folder `.tally` to the catalogue, round by round; every round may
be repeated, and a crash loses none: a note lies in the drop folder until it is closed and answered.
Nothing rests on what a note says: packages are judged without it.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest_watch.drop_folder import DropFolder, move_aside
from ingest_watch.names import text_of
from ingest_watch.safe_open import FILE_FLAGS, FOLDER_FLAGS, open_beneath
from ingest_watch.tally.answer import GAP_MAX, answer_name, answer_of, encode
from ingest_watch.tally.note_file import BYTES_MAX, READERS, NoteUnreadable, read_note
from monitoring.log import get_log
from storage.catalogue import dispatch_notes
from storage.catalogue.dispatch_notes import Note, NoteFile
from storage.catalogue.dispatch_schema import NoteState
from storage.catalogue.writer import CatalogueWriter
from storage.durable import write_whole_file

log = get_log(__name__)

FOLDER = ".tally"
_ANSWER_MODE = 0o644
# So many notes may lie there; a source that drops more is told by its folder not shrinking.
_FILES_MAX = 1000
# Comparing rests so many times as long as it took: packages come first. One long halt of the
# machine is no reason for another.
_REST = 20
_REST_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class TallyFolders:
    """Where one source's notes and their answers lie."""

    source: str
    drop: DropFolder
    returned: Path
    accepted: Path

    @property
    def notes(self) -> Path:
        return self.drop.folder / FOLDER


@dataclass(frozen=True, slots=True)
class _Seen:
    """A note's file, as it was when it last changed."""

    stamp: str
    since_s: float


class TallyDesk:
    """One source's dispatch notes."""

    def __init__(
        self,
        folders: TallyFolders,
        catalogue: CatalogueWriter,
        now: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._folders = folders
        self._catalogue = catalogue
        self._now = now
        self._clock = clock
        self._seen: dict[bytes, _Seen] = {}
        self._read: dict[bytes, str] = {}  # note → the stamp under which it was read
        self._answered: dict[int, Note] = {}
        self._rest_until_s = 0.0

    async def round(self) -> int:
        """Read what is new, compare what is open, answer, clear away; return how many are open.

        Raises OSError when a folder cannot be read or written; the next round tries again.
        """
        for name in await asyncio.to_thread(self._settled):
            await self._take_in(name)
        notes = await self._catalogue.look(dispatch_notes.open_notes, self._folders.source)
        began_s = self._clock()
        if began_s >= self._rest_until_s:
            for note in notes:
                await self._compare(note)
            took_s = self._clock() - began_s
            self._rest_until_s = began_s + took_s + min(_REST_S_MAX, _REST * took_s)
        await self._clear_away()
        return len(notes)

    def _settled(self) -> list[bytes]:
        """Notes that have not changed for the source's quiet time, and were not read like that."""
        stamps = _stamps(self._folders.notes)
        now_s, quiet_s = self._clock(), self._folders.drop.rule.quiet_s
        for name, stamp in stamps.items():
            seen = self._seen.get(name)
            if seen is None or seen.stamp != stamp:
                self._seen[name] = _Seen(stamp, now_s)
        for name in [name for name in self._seen if name not in stamps]:
            del self._seen[name]
            self._read.pop(name, None)
        return [
            name
            for name, seen in self._seen.items()
            if now_s - seen.since_s >= quiet_s and self._read.get(name) != seen.stamp
        ]

    async def _take_in(self, name: bytes) -> None:
        stamp = self._seen[name].stamp
        content = await asyncio.to_thread(_content, self._folders.notes, name)
        if content is None:
            return  # it is changing again, or gone
        sha256 = hashlib.sha256(content).hexdigest()
        known = await self._catalogue.look(dispatch_notes.latest, self._folders.source, name)
        if known is None or known.sha256 != sha256:
            file = NoteFile(self._folders.source, text_of(name), name, sha256)
            await self._record(file, content)
        elif known.state is not NoteState.OPEN:
            await self._answer(known)
        self._read[name] = stamp

    async def _record(self, file: NoteFile, content: bytes) -> None:
        try:
            lines = await asyncio.to_thread(read_note, file.name_raw, content)
        except NoteUnreadable as refusal:
            note = await self._catalogue.do(dispatch_notes.refuse, file, str(refusal), self._now())
            log.warning("tally.note.refused", source=file.source, note=note.id)
            await self._answer(note)
            return
        note = await self._catalogue.do(dispatch_notes.take_in, file, lines, self._now())
        log.info("tally.note.taken", source=file.source, note=note.id, packages=len(lines))

    async def _compare(self, note: Note) -> None:
        comparison = await self._catalogue.look(dispatch_notes.compare, note)
        if comparison.changes or comparison.counts != note.counts or comparison.counts.gap == 0:
            note = await self._catalogue.do(dispatch_notes.record, note, comparison, self._now())
        if self._answered.get(note.id) != note:
            await self._answer(note)

    async def _answer(self, note: Note) -> None:
        gap = await self._catalogue.look(dispatch_notes.gap, note, GAP_MAX + 1)
        target = self._folders.returned / os.fsdecode(answer_name(note.name_raw))
        body = encode(answer_of(note, gap))
        await asyncio.to_thread(write_whole_file, target, body, mode=_ANSWER_MODE)
        if note.state is NoteState.OPEN:
            self._answered[note.id] = note
        else:
            self._answered.pop(note.id, None)

    async def _clear_away(self) -> None:
        """Move the files of closed notes, once their answer lies in the return folder."""
        for name, stamp in list(self._read.items()):
            known = await self._catalogue.look(dispatch_notes.latest, self._folders.source, name)
            if known is None or known.state is not NoteState.CLOSED:
                continue
            await self._answer(known)
            is_as_read = (await asyncio.to_thread(_stamps, self._folders.notes)).get(name) == stamp
            if is_as_read:
                await asyncio.to_thread(
                    move_aside, self._folders.notes, name, self._folders.accepted
                )
            del self._read[name]


def _stamps(folder: Path) -> dict[bytes, str]:
    """What changes when a note does, by name; empty when there is no such folder."""
    found: dict[bytes, str] = {}
    try:
        descriptor = os.open(folder, FOLDER_FLAGS)
    except FileNotFoundError:
        return found
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if name.startswith(b".") or not name.endswith(tuple(READERS)):
                    continue
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and len(found) < _FILES_MAX:
                    found[name] = f"{status.st_ino}:{status.st_size}:{status.st_ctime_ns}"
    finally:
        os.close(descriptor)
    return found


def _content(folder: Path, name: bytes) -> bytes | None:
    """The whole note, or so much of it that it is too large; None when it is not there."""
    descriptor = os.open(folder, FOLDER_FLAGS)
    try:
        file = open_beneath(descriptor, name, FILE_FLAGS)
    except FileNotFoundError:
        return None
    finally:
        os.close(descriptor)
    with open(file, "rb") as opened:
        return opened.read(BYTES_MAX + 1)
